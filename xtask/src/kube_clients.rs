//! `kubectl` and `helm`, which render `deploy/`: those in `$PATH`, else built with Go, once per user.

use std::path::PathBuf;

use anyhow::Result;

use crate::{kube_assets, setup};

/// The release of helm that is built.
const HELM: &str = "4.3.1";

/// Where the programs are.
pub(crate) struct Clients {
    /// `kubectl`
    pub(crate) kubectl: PathBuf,
    /// `helm`
    pub(crate) helm: PathBuf,
}

/// Both, built first where they are missing.
pub(crate) fn ensure() -> Result<Clients> {
    Ok(Clients {
        kubectl: kubectl()?,
        helm: helm()?,
    })
}

/// Of the version that `tests/kube-assets/go.mod` requires, unless the machine has one.
pub(crate) fn kubectl() -> Result<PathBuf> {
    if let Some(found) = setup::find_command("kubectl") {
        return Ok(found);
    }
    let directory = kube_assets::cache(&format!("kube-{}", kube_assets::VERSION))?;
    let program = directory.join("kubectl");
    if !program.is_file() {
        kube_assets::build("kubectl", "k8s.io/kubernetes/cmd/kubectl", &directory)?;
    }
    Ok(program)
}

fn helm() -> Result<PathBuf> {
    if let Some(found) = setup::find_command("helm") {
        return Ok(found);
    }
    kube_assets::install("helm", HELM, "helm.sh/helm/v4/cmd/helm")
}
