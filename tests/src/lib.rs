//! The harness of the privileged tests.

pub mod api_server;
pub mod attacher;
pub mod netns;
pub mod programs;
pub mod testbed;
pub mod watched;

pub mod case;
pub mod datagram;
pub mod site;
pub mod upstream;
