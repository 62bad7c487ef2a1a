//! A real kube-apiserver and etcd for the tests.

use std::path::PathBuf;

/// The directory that holds `etcd` and `kube-apiserver`.
pub(crate) fn ensure() -> anyhow::Result<PathBuf> {
    let directory = std::env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from);
    directory.ok_or_else(|| anyhow::anyhow!("KUBEBUILDER_ASSETS names no directory"))
}
