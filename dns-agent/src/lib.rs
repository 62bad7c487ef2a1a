//! The KernDNS node agent: modules in the order in which data flows.

pub mod cli;
pub mod corefile;
pub mod k8s;
pub mod kernel;
pub mod map;
pub mod metrics;
pub mod plugin;
pub mod record;
pub mod serve;
