//! A real cluster before and after KernDNS came: what a pod of it sees, which is part of `cargo xtask e2e` and taken
//! from there. It installs what deploy/ has, and uninstalls it.

use std::env;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use crate::report::Part;

/// The check of `xtask e2e` that asks, before the install and after.
const CHECK: &str = "speed and CPU";

const TITLE: &str = "A real cluster";

/// Lets it run where `KUBECONFIG` names a cluster; what needs more than that is in `KERNDNS_E2E`, arguments for it.
pub(crate) fn run(_quick: bool) -> Result<Part> {
    if env::var_os("KUBECONFIG").is_none() {
        return Ok(Part {
            name: "cluster",
            title: TITLE,
            text: "A real cluster was not measured: KUBECONFIG is not set.\n".to_owned(),
            ..Part::default()
        });
    }
    let arguments = env::var("KERNDNS_E2E").unwrap_or_default();
    let output = Command::new(env!("CARGO"))
        .args(["xtask", "e2e", "--only", CHECK])
        .args(arguments.split_whitespace())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()
        .context("cargo xtask e2e could not be started")?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "cargo xtask e2e failed:\n{said}");
    let line = said.lines().find(|line| line.contains(CHECK));
    let line = line.with_context(|| format!("cargo xtask e2e did not measure:\n{said}"))?;
    Ok(Part {
        name: "cluster",
        title: TITLE,
        text: format!(
            "A pod of a real cluster asks the DNS Service for a ClusterIP, one query after the other, before KernDNS is \
             installed (kube-proxy and CoreDNS) and after (`cargo xtask e2e`).\n\n{line}\n"
        ),
        raw: json!({"e2e": line}),
        ..Part::default()
    })
}
