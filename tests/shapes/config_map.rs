//! `dns_configmap.go`: a stub domain that is written into the configuration is asked within ten seconds, also for an
//! ExternalName that leads there.

use std::time::{Duration, Instant};

use anyhow::Result;
use kerndns_tests::attacher::eventually;
use kerndns_tests::site::{UPSTREAM, corefile};

use crate::node::{site, start};
use crate::stub::{LIBRARIES, Stub};

const LIMIT: Duration = Duration::from_secs(10);

#[test]
fn a_stub_domain_is_asked_soon_after_it_is_written_also_behind_an_external_name() -> Result<()> {
    let (site, upstream) = site()?;
    let without = corefile("ttl 30", "1s").replace(&format!("    forward . {UPSTREAM}\n"), "");
    site.corefile(&without)?;
    let away = "apiVersion: v1
kind: Service
metadata: {name: away, namespace: dns-1}
spec: {type: ExternalName, externalName: one.example.net}
";
    site.write("away.yaml", away)?;
    let _agent = start(&site)?;
    let pod = Stub::of_namespace(&site.testbed.pods[0], "dns-1")?;
    assert_eq!(pod.dig(&["one.example.net.", "A"])?, [""; 0]);
    assert_eq!(pod.dig(&["away", "A"])?, ["one.example.net."]);
    assert_eq!(upstream.queries(), 0);

    site.corefile(&format!(
        "{without}example.net:53 {{\n    forward . {UPSTREAM}\n}}\n"
    ))?;
    let written = Instant::now();
    eventually("the stub domain is asked", || {
        match pod.dig(&["one.example.net.", "A"]) {
            Ok(answer) if answer == ["198.51.100.1"] => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    let took = written.elapsed();
    assert!(took < LIMIT, "{took:?}");
    for library in LIBRARIES {
        let found = pod.getaddrinfo(library, "away")?;
        assert_eq!(found, "one.example.net 198.51.100.1", "{library:?}");
    }
    Ok(())
}
