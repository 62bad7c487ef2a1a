//! `dns.go`, "should provide DNS for ExternalName services": one Service that leads out of the cluster, then elsewhere,
//! then becomes a ClusterIP; as two stub resolvers see it.

use anyhow::Result;
use kerndns_tests::attacher::eventually;

use crate::node::{Fate, counted, site, start};
use crate::stub::{LIBRARIES, Stub};

const NAME: &str = "dns-test-service-3";

/// Who answers for A and AAAA of a Service that has only the first.
const BY_THE_KERNEL: Fate = Fate {
    answer: 1,
    nodata: 1,
    nxdomain: 0,
    passed: 0,
};
const BY_THE_AGENT: Fate = Fate {
    answer: 0,
    nodata: 0,
    nxdomain: 0,
    passed: 2,
};

/// A state of the Service: its `spec`, its CNAME record, what `getaddrinfo` finds, and who answers.
type State = (&'static str, &'static [&'static str], &'static str, Fate);

#[rustfmt::skip]
const STATES: [State; 5] = [
    ("{type: ExternalName, externalName: one.example.net}", &["one.example.net."],
     "one.example.net 198.51.100.1", BY_THE_AGENT),
    ("{type: ExternalName, externalName: three.example.net}", &["three.example.net."],
     "three.example.net 198.51.100.1 198.51.100.2 198.51.100.3", BY_THE_AGENT),
    ("{type: ExternalName, externalName: test-service-2.dns-1.svc.cluster.local}",
     &["test-service-2.dns-1.svc.cluster.local."],
     "test-service-2.dns-1.svc.cluster.local 10.96.1.2", BY_THE_KERNEL),
    ("{clusterIP: 10.96.1.6, clusterIPs: [10.96.1.6], ports: [{name: http, port: 80, protocol: TCP}]}", &[],
     "dns-test-service-3.dns-1.svc.cluster.local 10.96.1.6", BY_THE_KERNEL),
    ("{type: ExternalName, externalName: one.example.net}", &["one.example.net."],
     "one.example.net 198.51.100.1", BY_THE_AGENT),
];

#[test]
fn an_external_name_leads_to_one_target_then_to_another_then_is_a_cluster_ip() -> Result<()> {
    let (site, upstream) = site()?;
    let agent = start(&site)?;
    let pod = Stub::of_namespace(&site.testbed.pods[0], "dns-1")?;
    for (spec, cname, found, by) in STATES {
        let manifest = format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: {NAME}, namespace: dns-1}}\nspec: {spec}\n"
        );
        site.write("moving.yaml", &manifest)?;
        eventually(found, || match pod.dig(&[NAME, "CNAME"]) {
            Ok(answer) if answer == cname => Ok(()),
            other => Err(format!("{other:?}")),
        });
        let before = upstream.queries();
        for library in LIBRARIES {
            let (answer, fate) = counted(&agent, || pod.getaddrinfo(library, NAME))?;
            assert_eq!((&*answer, fate), (found, by), "{library:?}");
        }
        let forwarded = u64::try_from(upstream.queries() - before)?;
        assert_eq!(forwarded, 2 * by.passed, "{found}");
    }
    Ok(())
}
