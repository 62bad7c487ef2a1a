//! `kerndns run` in the node's namespace, and what it counts.

use std::fs::File;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use super::lab::{Lab, Place, SERVICE_V4, SERVICE_V6};
use crate::http::Request;
use crate::{command, exposition};

/// How long the agent may take until it has read the manifests and filled the maps.
const START: Duration = Duration::from_secs(30);
const METRICS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9153);

/// Starts it and waits until `/ready` says yes; an error carries the end of its log. The lab ends it,
/// with everything else in the node's namespace.
pub(super) fn start(lab: &Lab, binary: &Path) -> anyhow::Result<Child> {
    let mut process = spawn(lab, binary)?;
    let start = Instant::now();
    loop {
        command::check_interrupted()?;
        if let Some(status) = process.try_wait()? {
            bail!(
                "kerndns ended ({status}) before it was ready; it said:\n{}",
                log_end(lab)
            );
        }
        if get(lab, "/ready").is_ok() {
            return Ok(process);
        }
        ensure!(
            start.elapsed() < START,
            "kerndns was not ready within {} s; it said:\n{}",
            START.as_secs(),
            log_end(lab)
        );
        thread::sleep(Duration::from_millis(50));
    }
}

/// How many queries the kernel has answered so far, over all hooks.
pub(super) fn kernel_answers(lab: &Lab) -> anyhow::Result<u64> {
    Ok(exposition::kernel_answers(&get(lab, "/metrics")?))
}

fn spawn(lab: &Lab, binary: &Path) -> anyhow::Result<Child> {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR"))
        .with_file_name("docs")
        .join("examples");
    let log = File::create(lab.log()).with_context(|| format!("write {}", lab.log().display()))?;
    let mut kerndns = lab.command(Place::Node, &binary.to_string_lossy());
    kerndns.arg("run");
    kerndns.arg("--corefile").arg(examples.join("Corefile"));
    kerndns.arg("--source").arg(examples.join("shop"));
    kerndns.args([
        "--listen",
        &format!("{SERVICE_V4}:53"),
        "--listen",
        &format!("[{SERVICE_V6}]:53"),
    ]);
    kerndns.args(["--service", "kube-system/kube-dns"]);
    kerndns.args(["--service-ip", SERVICE_V4, "--service-ip", SERVICE_V6]);
    kerndns.args(["--pods", "veth-pod*", "--nic", "nic0", "--xdp", "generic"]);
    kerndns.arg("--bpffs").arg(lab.bpffs());
    kerndns.args(["--metrics", &METRICS.to_string()]);
    kerndns
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    // Not of the terminal's foreground: Ctrl-C is for the demo, which then ends the agent in order.
    kerndns.process_group(0).spawn().context("start kerndns")
}

/// The body of a 200, asked from inside the node's namespace.
fn get(lab: &Lab, path: &str) -> anyhow::Result<String> {
    let limit = Duration::from_secs(2);
    let stream = lab.inside(Place::Node, || {
        Ok(TcpStream::connect_timeout(&METRICS, limit)?)
    })?;
    // A socket stays in the namespace that it was made in.
    Request::get(path).send(stream, limit)
}

fn log_end(lab: &Lab) -> String {
    let log = std::fs::read_to_string(lab.log()).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
