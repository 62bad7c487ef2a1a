//! The harness of the privileged tests.

pub mod netns;
pub mod testbed;
