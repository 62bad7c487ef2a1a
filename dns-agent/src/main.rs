//! `kerndns`: the command line.
fn main() {}
