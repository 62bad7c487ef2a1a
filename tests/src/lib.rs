//! The harness of the privileged tests.

pub mod api_server;
pub mod attacher;
pub mod frame;
pub mod loaded;
pub mod netns;
pub mod programs;
pub mod query;
pub mod runner;
pub mod testbed;
pub mod watched;
