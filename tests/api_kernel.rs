//! The whole way of a change: written to a real kube-apiserver, watched by the real `kerndns run`,
//! answered by the kernel to a pod; and what is answered while the API server is away, or says
//! only half.
//!
//! The node is a network namespace with the control plane on its loopback. No program listens at
//! the DNS Service's address, so each response is the kernel's, which the counters confirm.

#[path = "api_kernel_times.rs"]
mod times;

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use hickory_proto::rr::RecordType::{A, AAAA, CNAME, PTR, SRV};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use kerndns_tests::agent::Agent;
use kerndns_tests::api_node::{Node, assert_answered_by_the_kernel, on_a_node};
use kerndns_tests::api_server::{ADMIN, NOBODY};
use kerndns_tests::asker::{NODATA, NXDOMAIN, PASSED};
use kerndns_tests::writer::Writer;
use serde_json::json;

#[test]
fn the_kernels_answers_follow_cluster_ips_and_external_names() -> Result<()> {
    on_a_node(async |mut node: Node<'_>| {
        let kerndns = node.kerndns()?;
        let (writer, asker) = (&node.writer, &mut node.asker);
        let (web, http) = (
            "web.prod.svc.cluster.local.",
            "_http._tcp.web.prod.svc.cluster.local.",
        );
        let reverse = "1.1.96.10.in-addr.arpa.";
        asker.until("prod.svc.cluster.local.", A, NXDOMAIN);
        writer.namespace("prod").await?;
        asker.until("prod.svc.cluster.local.", A, NODATA);
        asker.until(web, A, NXDOMAIN);

        let dual = json!({
            "ipFamilyPolicy": "RequireDualStack",
            "clusterIP": "10.96.1.1",
            "clusterIPs": ["10.96.1.1", "fd00:96::101"],
            "ports": [{"name": "http", "port": 80}],
        });
        let led = "led.prod.svc.cluster.local.";
        let to_web = json!({"type": "ExternalName", "externalName": "web.prod.svc.cluster.local"});
        writer.service("prod", "led", to_web).await?;
        asker.until(led, A, NXDOMAIN);
        writer.service("prod", "web", dual).await?;
        asker.until(web, A, "10.96.1.1");
        asker.until(led, A, &format!("10.96.1.1 {web}"));
        asker.until(web, AAAA, "fd00:96::101");
        // As CoreDNS: a hundredth's share per address, although both have one name.
        asker.until(http, SRV, &format!("0 50 80 {web}"));
        asker.until(reverse, PTR, web);
        asker.until("WEB.prod.svc.cluster.local.", A, "10.96.1.1");

        let port = json!({"ports": [{"name": "http", "port": 8080}]});
        writer.change_service("prod", "web", port).await?;
        asker.until(http, SRV, &format!("0 50 8080 {web}"));
        let single = json!({
            "ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv4"], "clusterIPs": ["10.96.1.1"],
        });
        writer.change_service("prod", "web", single).await?;
        asker.until(web, AAAA, NODATA);
        asker.until(web, A, "10.96.1.1");

        let external = json!({
            "type": "ExternalName", "externalName": "db.example.org", "ports": null,
            "clusterIP": null, "clusterIPs": null, "ipFamilies": null, "ipFamilyPolicy": null,
        });
        writer.change_service("prod", "web", external).await?;
        asker.until(web, CNAME, "db.example.org.");
        // Following an alias out of the cluster is the agent's part.
        asker.until(web, A, PASSED);
        asker.until(led, A, PASSED);
        asker.until(http, SRV, NXDOMAIN);
        // kubeadm's reverse zones fall through.
        asker.until(reverse, PTR, PASSED);
        let other = json!({"externalName": "other.example.org"});
        writer.change_service("prod", "web", other).await?;
        asker.until(web, CNAME, "other.example.org.");
        let cluster_ip = json!({
            "type": "ClusterIP", "externalName": null, "clusterIP": "10.96.1.2", "clusterIPs": ["10.96.1.2"],
            "ports": [{"name": "http", "port": 80}],
        });
        writer.change_service("prod", "web", cluster_ip).await?;
        asker.until(web, A, "10.96.1.2");
        asker.until(led, A, &format!("10.96.1.2 {web}"));
        asker.until(web, CNAME, NODATA);

        writer.delete_service("prod", "web").await?;
        asker.until(web, A, NXDOMAIN);
        asker.until(led, A, NXDOMAIN);
        asker.until("prod.svc.cluster.local.", A, NODATA);
        assert_answered_by_the_kernel(&kerndns, asker)
    })
}

#[test]
fn the_kernels_answers_follow_endpoints_and_the_end_of_a_namespace() -> Result<()> {
    on_a_node(async |mut node: Node<'_>| {
        let kerndns = node.kerndns()?;
        let (writer, asker) = (&node.writer, &mut node.asker);
        let (db, first) = (
            "db.prod.svc.cluster.local.",
            "first.db.prod.svc.cluster.local.",
        );
        writer.namespace("prod").await?;
        let headless = json!({"clusterIP": "None", "ports": [{"name": "http", "port": 80}]});
        writer.service("prod", "db", headless).await?;

        let endpoint = |address: &str, hostname: &str, ready: bool| {
            json!({
                "addresses": [address], "hostname": hostname, "conditions": {"ready": ready},
            })
        };
        let one = json!([endpoint("10.1.0.1", "first", true)]);
        writer.slice("prod", "db-1", "db", one).await?;
        asker.until(db, A, "10.1.0.1");
        asker.until(first, A, "10.1.0.1");
        asker.until(
            "_http._tcp.db.prod.svc.cluster.local.",
            SRV,
            &format!("0 100 8080 {first}"),
        );
        asker.until("1.0.1.10.in-addr.arpa.", PTR, first);

        let other = json!([endpoint("10.1.0.2", "second", true)]);
        writer.slice("prod", "db-2", "db", other).await?;
        asker.until(db, A, "10.1.0.1 10.1.0.2");
        let unready = json!([endpoint("10.1.0.1", "first", false)]);
        writer.change_slice("prod", "db-1", unready).await?;
        asker.until(db, A, "10.1.0.2");
        asker.until(first, A, NXDOMAIN);
        asker.until("1.0.1.10.in-addr.arpa.", PTR, PASSED);
        let moved = json!([endpoint("10.1.0.9", "first", true)]);
        writer.change_slice("prod", "db-1", moved).await?;
        asker.until(first, A, "10.1.0.9");
        writer.delete_slice("prod", "db-2").await?;
        asker.until(db, A, "10.1.0.9");

        // What is in it stays, as nobody empties it here; a name below it is gone all the same.
        writer.end_namespace("prod").await?;
        asker.until(db, A, NXDOMAIN);
        asker.until("prod.svc.cluster.local.", A, NXDOMAIN);
        writer.namespace("prod").await?;
        asker.until(first, A, "10.1.0.9");
        writer.delete_service("prod", "db").await?;
        asker.until(first, A, NXDOMAIN);
        asker.until("prod.svc.cluster.local.", A, NODATA);
        assert_answered_by_the_kernel(&kerndns, asker)
    })
}

#[test]
fn answers_stay_while_the_api_server_is_away_and_are_right_when_it_is_back() -> Result<()> {
    on_a_node(async |mut node: Node<'_>| {
        let [old, new, missing] =
            ["old", "new", "missing"].map(|name| format!("{name}.default.svc.cluster.local."));
        node.writer
            .service(
                "default",
                "old",
                json!({"clusterIP": "10.96.2.1", "ports": [{"port": 80}]}),
            )
            .await?;
        let kerndns = node.kerndns()?;
        let asker = &mut node.asker;
        asker.until(&old, A, "10.96.2.1");
        asker.until(&missing, A, NXDOMAIN);
        node.server.stop();
        kerndns.expect_log("connection refused");
        let end = Instant::now() + Duration::from_secs(2);
        while Instant::now() < end {
            assert_eq!(asker.ask(&old, A)?, "10.96.2.1");
            // What it said last is good enough for a minute.
            assert_eq!(asker.ask(&missing, A)?, NXDOMAIN);
            sleep(Duration::from_millis(10));
        }
        assert_eq!(kerndns.get("/ready")?.0, 200);

        node.server.resume().await?;
        // Most likely before the watches are back.
        let writer = Writer::new(node.server.client(ADMIN).await?);
        writer.delete_service("default", "old").await?;
        let external = json!({"type": "ExternalName", "externalName": "db.example.org"});
        writer.service("default", "new", external).await?;
        let written = Instant::now();
        let followed = asker.until(&new, CNAME, "db.example.org.");
        println!(
            "API server back: a change was followed after {:?}",
            followed - written
        );
        asker.until(&old, A, NXDOMAIN);
        assert_answered_by_the_kernel(&kerndns, asker)
    })
}

#[test]
fn before_every_kind_is_listed_no_name_is_denied_and_the_agent_is_not_ready() -> Result<()> {
    on_a_node(async |mut node: Node<'_>| {
        let rules = |slices: bool| {
            let mut rules = vec![json!({
                "apiGroups": [""], "resources": ["services", "namespaces"],
                "verbs": ["list", "watch"],
            })];
            if slices {
                rules.push(json!({
                    "apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"],
                    "verbs": ["list", "watch"],
                }));
            }
            json!({"metadata": {"name": "half"}, "rules": rules})
        };
        let writer = &node.writer;
        writer.cluster_wide::<ClusterRole>(rules(false)).await?;
        let binding = json!({
            "metadata": {"name": "half"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "half"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "nobody"}],
        });
        writer.cluster_wide::<ClusterRoleBinding>(binding).await?;

        let mut kerndns = node
            .site
            .follow(&node.server.kubeconfig("nobody", NOBODY)?)?;
        let asker = &mut node.asker;
        // What exists is known, and answered.
        asker.until("kubernetes.default.svc.cluster.local.", A, "10.96.0.1");
        kerndns.expect_log("endpointslices");
        // A denial is also left to others while names are being written, as the API server makes
        // objects of its own.
        let passed = |kerndns: &Agent<'_>| {
            anyhow::Ok(kerndns.outcome("tc", "incomplete")? + kerndns.outcome("tc", "updating")?)
        };
        let before = passed(&kerndns)?;
        let end = Instant::now() + Duration::from_secs(2);
        let mut asked = 0;
        while Instant::now() < end {
            for (name, rtype) in [
                ("missing.default.svc.cluster.local.", A),
                ("default.svc.cluster.local.", A),
                ("kubernetes.default.svc.cluster.local.", AAAA),
                ("a.kubernetes.default.svc.cluster.local.", A),
                ("1.0.1.10.in-addr.arpa.", PTR),
            ] {
                assert_eq!(asker.ask(name, rtype)?, PASSED, "{name} {rtype}");
                asked += u64::from(rtype != PTR);
            }
            sleep(Duration::from_millis(10));
        }
        assert_eq!(passed(&kerndns)? - before, asked);
        assert!(kerndns.outcome("tc", "incomplete")? > 0);
        for outcome in ["nodata", "nxdomain"] {
            assert_eq!(kerndns.outcome("tc", outcome)?, 0, "{outcome}");
        }
        let (status, body) = kerndns.get("/ready")?;
        assert_eq!(status, 503, "{body}");

        let granted = rules(true);
        let writer = &node.writer;
        writer
            .change_cluster_wide::<ClusterRole>("half", granted)
            .await?;
        kerndns.ready().context("with all rights")?;
        asker.until("missing.default.svc.cluster.local.", A, NXDOMAIN);
        asker.until("kubernetes.default.svc.cluster.local.", AAAA, NODATA);
        assert_answered_by_the_kernel(&kerndns, asker)
    })
}
