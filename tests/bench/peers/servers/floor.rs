//! No server: a program at the node's end of the pod's veth pair that sends each query back as it is. What it costs is what
//! the way and the client cost; no server in the kernel can cost less.

use anyhow::{Context as _, Result};
use aya::programs::TcAttachType;
use kerndns_tests::programs::reflector;
use kerndns_tests::testbed::Testbed;

use crate::peers::servers::{NAMES, Server, at};

/// Attaches it.
pub(super) fn start(testbed: &Testbed) -> Result<Server<'_>> {
    let mut program = reflector("reflector")?;
    testbed
        .node
        .enter(|| program.attach("veth0", TcAttachType::Ingress))?;
    Ok(Server {
        name: NAMES[8],
        address: at(10),
        pod: testbed.pods.first().context("a pod")?,
        pids: Vec::new(),
        agent: None,
        daemons: Vec::new(),
        reflector: Some(program),
    })
}
