//! The project verbs.
mod kube_assets;

fn main() {}
