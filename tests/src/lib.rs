//! The harness of the privileged tests.

pub mod attacher;
pub mod netns;
pub mod programs;
pub mod testbed;
