//! The Corefile's plugins: one folder each. A folder's `mod.rs` turns the plugin's lines into its
//! options and, for a plugin that answers queries, holds the handler.

pub mod any;
pub mod autopath;
pub mod bind;
pub mod chaos;
pub mod errors;
pub mod forward;
pub mod health;
pub mod k8s_external;
pub mod kubernetes;
pub mod loadbalance;
pub mod nsid;
pub mod prometheus;
pub mod ready;
pub mod reload;
pub mod transfer;
