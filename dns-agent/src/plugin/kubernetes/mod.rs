//! `kubernetes`: names of Services, endpoints and pods.

mod alias;
mod authority;
mod autopath;
mod handler;
mod setup;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::k8s::selector::Selector;
use crate::k8s::target::Target;
use crate::record::Name;

pub use authority::{Said, of_node};
pub use autopath::PodSearch;
pub use handler::{Kubernetes, carry_out, respond_from, wait_for_list};
pub use setup::setup;

/// What the lines of a `kubernetes` block say.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a word of the Corefile, there or not"
)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The plugin's zones, the server block's where it names none; the first one that is not a
    /// reverse zone is the cluster domain.
    pub zones: Vec<Name>,
    /// `pods`
    pub pods: Pods,
    /// `ttl`, seconds, 0 to 3600.
    pub ttl: u32,
    /// `fallthrough`: the zones in which a name that is not there goes to the next plugin.
    pub fallthrough: Vec<Name>,
    /// `namespaces`: only these are exposed; empty: all.
    pub namespaces: BTreeSet<Arc<str>>,
    /// `endpoint_pod_names`
    pub endpoint_pod_names: bool,
    /// `noendpoints`
    pub noendpoints: bool,
    /// `ignore empty_service`
    pub ignore_empty_service: bool,
    /// `labels`: only Services and EndpointSlices that match are shown.
    pub labels: Option<Selector>,
    /// `namespace_labels`: only namespaces that match are shown.
    pub namespace_labels: Option<Selector>,
    /// `zonal`: headless Services have names for each topology zone.
    pub zonal: bool,
    /// `multicluster`: the zones, among `zones`, in which ServiceImports have names and Services have
    /// not.
    pub multicluster: Vec<Name>,
    /// `startup_timeout`: how long, from the start, a question waits for the objects to be listed.
    pub startup_timeout: Duration,
    /// `kubeconfig`, `endpoint`, `tls`, `apiserver_*`
    pub target: Target,
}

/// `pods`: which pod names are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pods {
    /// None (the plugin's default).
    Disabled,
    /// Any address in a namespace that exists, unchecked.
    Insecure,
    /// Addresses of pods, in the pods' namespaces.
    Verified,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            zones: Vec::new(),
            pods: Pods::Disabled,
            ttl: 5,
            fallthrough: Vec::new(),
            namespaces: BTreeSet::new(),
            endpoint_pod_names: false,
            noendpoints: false,
            ignore_empty_service: false,
            labels: None,
            namespace_labels: None,
            zonal: false,
            multicluster: Vec::new(),
            startup_timeout: Duration::from_secs(5),
            target: Target::default(),
        }
    }
}
