//! The KernDNS node agent: modules in the order in which data flows.

pub mod answer;
pub mod cli;
pub mod cluster;
pub mod corefile;
pub mod dump;
pub mod k8s;
pub mod kernel;
pub mod map;
pub mod metrics;
pub mod plugin;
pub mod record;
pub mod run;
pub mod serve;
