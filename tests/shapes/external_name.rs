//! `dns.go`, "should provide DNS for ExternalName services": one Service that leads out of the cluster, then elsewhere,
//! then becomes a ClusterIP; as two stub resolvers see it.

use anyhow::Result;
use kerndns_tests::attacher::eventually;

use crate::node::{counted, site, start};
use crate::stub::{LIBRARIES, Stub};

/// The Service with this `spec`.
fn service(spec: &str) -> String {
    format!(
        "apiVersion: v1
kind: Service
metadata: {{name: dns-test-service-3, namespace: dns-1}}
spec: {spec}
"
    )
}

#[test]
fn an_external_name_leads_to_one_target_then_to_another_then_is_a_cluster_ip() -> Result<()> {
    let (site, upstream) = site()?;
    let outside = |target| service(&format!("{{type: ExternalName, externalName: {target}}}"));
    site.write("moving.yaml", &outside("one.example.net"))?;
    let agent = start(&site)?;
    let pod = Stub::of_namespace(&site.testbed.pods[0], "dns-1")?;
    let cluster_ip = service(
        "{clusterIP: 10.96.1.6, clusterIPs: [10.96.1.6], ports: [{name: http, port: 80, protocol: TCP}]}",
    );
    let name = "dns-test-service-3";
    for (manifest, cname, found, by_kernel) in [
        (
            outside("one.example.net"),
            &["one.example.net."][..],
            "one.example.net 198.51.100.1",
            false,
        ),
        (
            outside("three.example.net"),
            &["three.example.net."],
            "three.example.net 198.51.100.1 198.51.100.2 198.51.100.3",
            false,
        ),
        (
            cluster_ip,
            &[],
            "dns-test-service-3.dns-1.svc.cluster.local 10.96.1.6",
            true,
        ),
    ] {
        site.write("moving.yaml", &manifest)?;
        eventually(found, || match pod.dig(&[name, "CNAME"]) {
            Ok(answer) if answer == cname => Ok(()),
            other => Err(format!("{other:?}")),
        });
        for library in LIBRARIES {
            let before = upstream.queries();
            let (answer, fate) = counted(&agent, || pod.getaddrinfo(library, name))?;
            assert_eq!(answer, found, "{library:?}");
            let forwarded = upstream.queries() - before;
            let expected = if by_kernel {
                (1, 1, 0, 0)
            } else {
                (0, 0, 2, 2)
            };
            assert_eq!(
                (fate.answer, fate.nodata, fate.passed, forwarded),
                expected,
                "{found} by {library:?}"
            );
            assert_eq!(fate.nxdomain, 0);
        }
    }
    Ok(())
}
