//! Programs in the kernel: loading them, and attaching them to interfaces.

pub mod object;
