//! The harness of the privileged tests.

pub mod api_server;
pub mod watched;
