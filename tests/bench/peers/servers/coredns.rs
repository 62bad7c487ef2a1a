//! CoreDNS on a real API server: as kubeadm configures it, with a cache for the cluster's zone, and, in front of the first,
//! with NodeLocal DNSCache's Corefile.
//!
//! The last stands in for NodeLocal DNSCache, whose module cannot be had; that one is CoreDNS with this Corefile and with
//! addresses that it makes itself.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};

use crate::peers::servers::{Ground, NAMES, Server, UPSTREAM, at};

/// What kubeadm 1.36 writes in place of `cache 30`: no cache for the cluster's zone.
pub(super) const KUBEADM_CACHE: &str = "cache 30 {
        disable success cluster.local
        disable denial cluster.local
    }";

/// As kubeadm configures it.
pub(super) fn kubeadm<'a>(ground: &Ground<'a>) -> Result<Server<'a>> {
    let text = corefile(ground, 11, KUBEADM_CACHE);
    start(ground, NAMES[1], 11, &text)
}

/// The same with a cache.
pub(super) fn cached<'a>(ground: &Ground<'a>) -> Result<Server<'a>> {
    let text = corefile(ground, 12, "cache 30");
    start(ground, NAMES[2], 12, &text)
}

/// NodeLocal DNSCache's Corefile in front of `upstream`, whose work for it counts, too.
pub(super) fn node_local<'a>(ground: &Ground<'a>, upstream: &Server<'_>) -> Result<Server<'a>> {
    let address = upstream.address.ip();
    let own = at(13).ip();
    let block = |zone: &str, cache: &str, target: &str| {
        format!(
            "{zone}:53 {{
    errors
    {cache}
    reload
    loop
    bind {own}
    forward . {target}
}}
"
        )
    };
    let cluster = "cache {
        success 9984 30
        denial 9984 5
    }";
    // Over TCP, as it is deployed.
    let target = format!("{address} {{\n        force_tcp\n    }}");
    let text = [
        block("cluster.local", cluster, &target),
        block("in-addr.arpa", "cache 30", &target),
        block("ip6.arpa", "cache 30", &target),
        block(".", "cache 30", &UPSTREAM.to_string()),
    ];
    let mut server = start(ground, NAMES[3], 13, &text.concat())?;
    server.pids.extend(&upstream.pids);
    Ok(server)
}

/// kubeadm's Corefile, but for what has the ports of the node; `connection` is a line of `kubernetes`, `bind` one of the
/// server block.
pub(super) fn kubeadm_corefile(bind: &str, connection: &str, cache: &str) -> String {
    format!(
        ".:53 {{
    {bind}
    errors
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        {connection}
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }}
    forward . {UPSTREAM} {{
        max_concurrent 1000
    }}
    {cache}
    loop
    reload
    loadbalance
}}
"
    )
}

fn corefile(ground: &Ground<'_>, host: u8, cache: &str) -> String {
    let bind = format!("bind {}", at(host).ip());
    let connection = format!("kubeconfig {}", ground.kubeconfig.display());
    kubeadm_corefile(&bind, &connection, cache)
}

fn start<'a>(
    ground: &Ground<'a>,
    name: &'static str,
    host: u8,
    corefile: &str,
) -> Result<Server<'a>> {
    let path = ground.write(&format!("Corefile.{host}"), corefile)?;
    let program = program()?.display().to_string();
    let path = path.display().to_string();
    ground.start(name, host, &program, &["-quiet", "-conf", &path])
}

/// The binary: `COREDNS`, which `cargo xtask bench` sets to the one that it has built.
fn program() -> Result<PathBuf> {
    let named = std::env::var_os("COREDNS").map(PathBuf::from);
    let program = named.context("COREDNS must name a coredns binary: run `cargo xtask bench`")?;
    ensure!(program.is_file(), "there is no {}", program.display());
    Ok(program)
}
