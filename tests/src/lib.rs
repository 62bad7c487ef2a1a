//! The harness of the privileged tests.

pub mod agent;
pub mod api_server;
pub mod asker;
pub mod assembly;
pub mod attacher;
pub mod capture;
pub mod case;
pub mod cost;
pub mod datagram;
pub mod dns;
pub mod etcd;
pub mod frame;
pub mod loaded;
pub mod netns;
pub mod process;
pub mod programs;
pub mod query;
pub mod responder;
pub mod runner;
pub mod site;
pub mod testbed;
pub mod upstream;
pub mod watched;
pub mod ways;
pub mod wrapper;
pub mod writer;
