//! A node with a control plane: a real API server on its loopback, and one pod that asks.

use std::sync::{Mutex, PoisonError};

use anyhow::Result;
use serde_json::json;

use crate::agent::{Agent, binary};
use crate::api_server::{ADMIN, ApiServer};
use crate::asker::Asker;
use crate::attacher::block_on;
use crate::site::{SERVICE_V4, Site};
use crate::writer::Writer;

/// A control plane with a DNS Service, and the stub resolver of the node's one pod.
pub struct Node<'a> {
    /// The node itself.
    pub site: &'a Site,
    /// Its control plane.
    pub server: ApiServer,
    /// Who changes objects.
    pub writer: Writer,
    /// The pod's stub resolver.
    pub asker: Asker,
}

/// Runs `test` on a thread in a node's network namespace.
pub fn on_a_node<T: Send>(test: impl AsyncFnOnce(Node<'_>) -> Result<T> + Send) -> Result<T> {
    // One after the other: a control plane that starts takes two cores for itself, and another
    // test measures times.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let site = Site::routed(1)?;
    let node = &site.testbed.node;
    let asker = Asker::new(&site.testbed.pods[0], (SERVICE_V4, 53).into())?;
    // What the kernel passes is refused at once by a port that is closed.
    node.sysctl("net/ipv4/icmp_ratelimit", "0")?;
    // Not while a control plane wants the processors.
    binary();
    node.enter(|| {
        block_on(async {
            // It looks for a default route to know its address by, and there is none.
            let server = ApiServer::start(&["--advertise-address=192.0.2.1"]).await?;
            let writer = Writer::new(server.client(ADMIN).await?);
            let dns = json!({
                "clusterIP": SERVICE_V4,
                "ports": [{"name": "dns", "port": 53, "protocol": "UDP"}],
            });
            writer.service("kube-system", "kube-dns", dns).await?;
            test(Node {
                site: &site,
                server,
                writer,
                asker,
            })
            .await
        })
    })
}

impl<'a> Node<'a> {
    /// An agent with all rights that has listed everything.
    pub fn kerndns(&self) -> Result<Agent<'a>> {
        let mut kerndns = self.site.follow(&self.server.kubeconfig("admin", ADMIN)?)?;
        kerndns.ready()?;
        Ok(kerndns)
    }
}

/// The kernel has answered at least what the pod was answered.
pub fn assert_answered_by_the_kernel(kerndns: &Agent<'_>, asker: &Asker) -> Result<()> {
    let (answered, responses) = (kerndns.answered()?, asker.responses());
    assert!(responses > 0);
    assert!(answered >= responses, "{answered} of {responses}");
    Ok(())
}
