//! Pods as the agent sees them: those of the cluster for `pods verified`, those of its node for `autopath @kubernetes`,
//! from manifests under the kernel's programs and from a real API server through reloads.

use std::net::SocketAddr;

use anyhow::Result;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use kerndns_tests::agent::{Agent, binary};
use kerndns_tests::api_server::{ADMIN, ApiServer, NOBODY};
use kerndns_tests::attacher::{block_on, eventually};
use kerndns_tests::dns::{Resolver, answers};
use kerndns_tests::site::{SERVICE_V4, Site, UPSTREAM, WEB, corefile};
use kerndns_tests::testbed::pod_address_v4;
use kerndns_tests::upstream::Upstream;
use kerndns_tests::writer::Writer;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};

/// A name that is in the cluster when it is looked for further along the search path of namespace `prod`.
const KUBE_DNS: &str = "kube-dns.kube-system.prod.svc.cluster.local.";
/// Of no pod.
const STRAY: &str = "10-9-9-9.prod.pod.cluster.local.";

/// The Corefile of a site with this mode of `pods`, and `autopath` before it.
fn with_pods(mode: &str) -> String {
    let text = corefile("ttl 30", "1s").replace("pods insecure", &format!("pods {mode}"));
    text.replace("    errors\n", "    errors\n    autopath @kubernetes\n")
}

/// Owner, type and data of each record of the answer section, in order.
fn records(message: &Message) -> Vec<String> {
    let record = |record: &hickory_proto::rr::Record| {
        format!("{} {} {}", record.name, record.record_type(), record.data)
    };
    message.answers.iter().map(record).collect()
}

#[test]
fn the_agent_walks_the_search_path_that_the_kernel_passes() -> Result<()> {
    let site = Site::routed(2)?;
    let upstream = SocketAddr::new(UPSTREAM, 53);
    site.testbed.client.enter(|| Upstream::start(upstream))?;
    let manifest = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "client", "namespace": "prod"},
        "status": {"phase": "Running", "podIPs": [{"ip": pod_address_v4(0)}]},
    });
    site.write("client.json", &manifest.to_string())?;
    site.corefile(&with_pods("insecure"))?;
    let agent = site.start(&["--pods", "veth*"])?;
    agent.expect_attached("tc", 2);
    let [client, stranger] = [0, 1].map(|pod| Resolver::new(&site.testbed.pods[pod], SERVICE_V4));

    let external = "one.example.net.prod.svc.cluster.local.";
    for ask in [Resolver::udp, Resolver::tcp] {
        let inside = ask(&client, KUBE_DNS, RecordType::A)?;
        assert!(inside.metadata.authoritative);
        let expected = [
            format!("{KUBE_DNS} CNAME kube-dns.kube-system.svc.cluster.local."),
            format!("kube-dns.kube-system.svc.cluster.local. A {SERVICE_V4}"),
        ];
        assert_eq!(records(&inside), expected);
        let outside = ask(&client, external, RecordType::A)?;
        assert!(!outside.metadata.authoritative && outside.metadata.recursion_available);
        let expected = [
            format!("{external} CNAME one.example.net."),
            "one.example.net. A 198.51.100.1".to_owned(),
        ];
        assert_eq!(records(&outside), expected);
        for (resolver, name) in [
            (stranger, KUBE_DNS),
            (client, "none.prod.svc.cluster.local."),
            (client, "one.example.net.kube-system.svc.cluster.local."),
        ] {
            let denied = ask(&resolver, name, RecordType::A)?;
            assert_eq!(
                denied.metadata.response_code,
                ResponseCode::NXDomain,
                "{name}"
            );
            assert_eq!(denied.authorities.len(), 1, "{name}");
        }
    }
    assert_eq!(agent.outcome("tc", "autopath")?, 5);
    assert_eq!(agent.outcome("tc", "nxdomain")?, 0);

    let answered = agent.outcome("tc", "answer")?;
    let hit = client.udp(WEB.0, RecordType::A)?;
    assert_eq!(answers(&hit), [WEB.1]);
    let second = client.udp("one.example.net.svc.cluster.local.", RecordType::TXT)?;
    assert_eq!(second.metadata.response_code, ResponseCode::NXDomain);
    assert_eq!(agent.outcome("tc", "answer")?, answered + 1);
    Ok(())
}

/// A node on which a real control plane runs, with the pods `here` and `there`, and an agent on `here`.
async fn on_a_node(
    site: &Site,
    token: &str,
    test: impl AsyncFnOnce(&Client, &Agent<'_>, Resolver<'_>) -> Result<()>,
) -> Result<()> {
    let server = ApiServer::start(&["--advertise-address=192.0.2.1"]).await?;
    let client = server.client(ADMIN).await?;
    let writer = Writer::new(client.clone());
    writer.namespace("prod").await?;
    let role = json!({
        "metadata": {"name": "without-pods"},
        "rules": [
            {"apiGroups": [""], "resources": ["namespaces", "services"], "verbs": ["list", "watch"]},
            {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
        ],
    });
    writer.cluster_wide::<ClusterRole>(role).await?;
    let binding = json!({
        "metadata": {"name": "without-pods"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "without-pods"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "nobody"}],
    });
    writer.cluster_wide::<ClusterRoleBinding>(binding).await?;
    let pods = Api::<Pod>::namespaced(client.clone(), "prod");
    for (node, address) in [
        ("here", pod_address_v4(0).to_string()),
        ("there", "10.244.5.5".into()),
    ] {
        let pod = json!({
            "metadata": {"name": node},
            "spec": {"nodeName": node, "containers": [{"name": "main", "image": "scratch"}]},
        });
        pods.create(&PostParams::default(), &serde_json::from_value(pod)?)
            .await?;
        status(&client, node, running(&address)).await?;
    }
    let dns =
        json!({"clusterIP": SERVICE_V4, "ports": [{"name": "dns", "port": 53, "protocol": "UDP"}]});
    writer.service("kube-system", "kube-dns", dns).await?;
    site.corefile(&corefile("ttl 30", "1s"))?;
    let mut command = site.testbed.node.command(binary());
    site.arguments(&mut command, "kubernetes", &["--kernel", "off"]);
    command
        .arg("--kubeconfig")
        .arg(server.kubeconfig("test", token)?);
    command.env("NODE_NAME", "here");
    let mut agent = site.spawn(&mut command)?;
    agent.ready()?;
    let resolver = Resolver::new(&site.testbed.pods[0], SERVICE_V4);
    test(&client, &agent, resolver).await
}

fn running(address: &str) -> Value {
    json!({"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]})
}

/// Changes the status of a pod in `prod`, as its kubelet would.
async fn status(client: &Client, pod: &str, status: Value) -> Result<()> {
    let pods = Api::<Pod>::namespaced(client.clone(), "prod");
    let patch = Patch::Merge(json!({"status": status}));
    pods.patch_status(pod, &PatchParams::default(), &patch)
        .await?;
    Ok(())
}

/// Asks for an address until `wanted` comes, none for NXDOMAIN; no other error may come meanwhile.
#[track_caller]
fn until(resolver: Resolver<'_>, name: &str, wanted: &[&str]) {
    eventually(&format!("{name}: {wanted:?}"), || {
        let response = resolver
            .udp(name, RecordType::A)
            .map_err(|e| e.to_string())?;
        let rcode = response.metadata.response_code;
        assert!(
            matches!(rcode, ResponseCode::NoError | ResponseCode::NXDomain),
            "{rcode:?}"
        );
        let found = answers(&response);
        if found == wanted && (rcode == ResponseCode::NXDomain) == wanted.is_empty() {
            Ok(())
        } else {
            Err(format!("{rcode:?} {found:?}"))
        }
    });
}

#[test]
fn a_reload_starts_and_stops_the_watches_of_pods_and_loses_no_answer() -> Result<()> {
    let site = Site::routed(1)?;
    site.testbed
        .client
        .enter(|| Upstream::start(SocketAddr::new(UPSTREAM, 53)))?;
    let test = async |client: &Client, agent: &Agent<'_>, resolver: Resolver<'_>| {
        until(resolver, STRAY, &["10.9.9.9"]);
        until(resolver, KUBE_DNS, &[]);
        site.corefile(&with_pods("verified"))?;
        until(resolver, STRAY, &[]);
        until(
            resolver,
            "10-244-0-2.prod.pod.cluster.local.",
            &["10.244.0.2"],
        );
        until(
            resolver,
            "10-244-5-5.prod.pod.cluster.local.",
            &["10.244.5.5"],
        );
        until(resolver, "10-244-5-5.kube-system.pod.cluster.local.", &[]);
        let found = "10.96.0.10 kube-dns.kube-system.svc.cluster.local.";
        let found: Vec<&str> = found.split(' ').collect();
        until(resolver, KUBE_DNS, &found);

        // The client's address goes over to a pod of another node, whose clients are not asked about here.
        status(client, "here", running("10.244.7.7")).await?;
        status(client, "there", running("10.244.0.2")).await?;
        until(
            resolver,
            "10-244-7-7.prod.pod.cluster.local.",
            &["10.244.7.7"],
        );
        until(resolver, "10-244-5-5.prod.pod.cluster.local.", &[]);
        until(resolver, KUBE_DNS, &[]);
        status(client, "there", json!({"phase": "Succeeded"})).await?;
        until(resolver, "10-244-0-2.prod.pod.cluster.local.", &[]);

        site.corefile(&corefile("ttl 30", "1s"))?;
        until(resolver, STRAY, &["10.9.9.9"]);
        assert_eq!(
            agent.said("it will be in force once they are listed"),
            2,
            "{}",
            agent.log()
        );
        Ok(())
    };
    site.testbed
        .node
        .enter(|| block_on(on_a_node(&site, ADMIN, test)))
}

#[test]
fn without_the_right_to_pods_the_old_corefile_goes_on_and_the_rule_is_named() -> Result<()> {
    let site = Site::routed(1)?;
    let test = async |_: &Client, agent: &Agent<'_>, resolver: Resolver<'_>| {
        site.corefile(&with_pods("verified"))?;
        agent.expect_log("may not watch pods (for `pods verified` of the Corefile)");
        until(resolver, STRAY, &["10.9.9.9"]);
        assert_eq!(agent.said("the changed Corefile is in force"), 0);
        Ok(())
    };
    site.testbed
        .node
        .enter(|| block_on(on_a_node(&site, NOBODY, test)))
}

#[test]
fn autopath_without_the_name_of_the_node_is_refused_with_what_to_do() -> Result<()> {
    let site = Site::routed(1)?;
    site.corefile(&with_pods("verified"))?;
    let mut command = site.testbed.node.command(binary());
    site.arguments(&mut command, "kubernetes", &["--kernel", "off"]);
    command.env_remove("NODE_NAME");
    let mut agent = site.spawn(&mut command)?;
    assert!(!agent.wait(std::time::Duration::from_secs(20))?.success());
    let log = agent.log();
    assert!(log.contains("set NODE_NAME in the environment"), "{log}");
    Ok(())
}
