//! The harness of the privileged tests.

pub mod api_server;
pub mod asker;
pub mod attacher;
pub mod kerndns;
pub mod netns;
pub mod programs;
pub mod testbed;
pub mod watched;
pub mod writer;
