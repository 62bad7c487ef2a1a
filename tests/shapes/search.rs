//! Partial names by `getaddrinfo` of glibc and musl, which ask for A and AAAA at once from one socket: what they find,
//! and that the search list is walked on the kernel's denials.

use anyhow::{Context as _, Result};

use kerndns_tests::site::{SERVICE_V4, SERVICE_V6};

use crate::node::{Fate, counted, site, start};
use crate::stub::{LIBRARIES, Library, Stub};

/// Name, how many names are tried in vain before the right one, canonical name and addresses.
type Row = (&'static str, u64, &'static str);

#[rustfmt::skip]
const ROWS: [Row; 15] = [
    ("kubernetes.default.svc.cluster.local.", 0, "kubernetes.default.svc.cluster.local 10.96.0.1"),
    ("kubernetes.default.svc.cluster.local", 3, "kubernetes.default.svc.cluster.local 10.96.0.1"),
    ("kubernetes.default.svc", 2, "kubernetes.default.svc.cluster.local 10.96.0.1"),
    ("kubernetes.default", 1, "kubernetes.default.svc.cluster.local 10.96.0.1"),
    ("dns-test-service", 0, "dns-test-service.dns-1.svc.cluster.local 10.244.7.1 10.244.7.2"),
    ("dns-test-service.dns-1", 1, "dns-test-service.dns-1.svc.cluster.local 10.244.7.1 10.244.7.2"),
    ("dns-test-service.dns-1.svc", 2, "dns-test-service.dns-1.svc.cluster.local 10.244.7.1 10.244.7.2"),
    ("test-service-2", 0, "test-service-2.dns-1.svc.cluster.local 10.96.1.2"),
    ("test-service-2.dns-1", 1, "test-service-2.dns-1.svc.cluster.local 10.96.1.2"),
    ("test-service-2.dns-1.svc", 2, "test-service-2.dns-1.svc.cluster.local 10.96.1.2"),
    ("dns-querier-2.dns-test-service-2", 0,
     "dns-querier-2.dns-test-service-2.dns-1.svc.cluster.local 10.244.7.3"),
    ("dns-querier-2.dns-test-service-2.dns-1", 1,
     "dns-querier-2.dns-test-service-2.dns-1.svc.cluster.local 10.244.7.3"),
    ("1kubernetes", 0, "1kubernetes.dns-1.svc.cluster.local 10.96.1.3"),
    ("dual-stack", 0, "dual-stack.dns-1.svc.cluster.local 10.96.1.4 fd00:96::104"),
    ("dns-backend.dns-2", 1, "dns-backend.dns-2.svc.cluster.local 10.96.1.5"),
];

#[test]
fn glibc_and_musl_find_partial_names_by_the_kernels_answers() -> Result<()> {
    let (site, upstream) = site()?;
    let agent = start(&site)?;
    let pod = Stub::of_namespace(&site.testbed.pods[0], "dns-1")?;
    for (name, misses, found) in ROWS {
        for library in LIBRARIES {
            let row = format!("{name} by {library:?}");
            let ask = || pod.getaddrinfo(library, name);
            let (answer, fate) = counted(&agent, ask).with_context(|| row.clone())?;
            assert_eq!(answer, found, "{row}");
            let ipv6 = u64::from(found.contains("::"));
            let expected = Fate {
                answer: 1 + ipv6,
                nodata: 1 - ipv6,
                nxdomain: 2 * misses,
                passed: 0,
            };
            assert_eq!(fate, expected, "{row}");
        }
    }
    assert_eq!(upstream.queries(), 0);
    Ok(())
}

#[test]
fn a_service_of_both_families_is_found_through_a_server_of_either() -> Result<()> {
    let (site, _upstream) = site()?;
    let agent = start(&site)?;
    for server in [SERVICE_V4, SERVICE_V6] {
        let pod = Stub::new(
            &site.testbed.pods[0],
            server,
            "dns-2.svc.cluster.local svc.cluster.local",
        )?;
        for library in LIBRARIES {
            let ask = || pod.getaddrinfo(library, "dual-stack.dns-1");
            let (answer, fate) = counted(&agent, ask)?;
            let row = format!("{server} by {library:?}");
            assert_eq!(
                answer, "dual-stack.dns-1.svc.cluster.local 10.96.1.4 fd00:96::104",
                "{row}"
            );
            let expected = Fate {
                answer: 2,
                nxdomain: 2,
                ..Fate::default()
            };
            assert_eq!(fate, expected, "{row}");
        }
    }
    Ok(())
}

#[test]
fn names_outside_go_to_the_upstream_after_the_kernel_has_denied_them_inside() -> Result<()> {
    let (site, upstream) = site()?;
    let agent = start(&site)?;
    let pod = Stub::of_namespace(&site.testbed.pods[0], "dns-1")?;
    for library in LIBRARIES {
        for (name, misses, found) in [
            ("one.example.net", 3, "one.example.net 198.51.100.1"),
            ("one.example.net.", 0, "one.example.net 198.51.100.1"),
            ("nothing.example.net", 3, ""),
        ] {
            let row = format!("{name} by {library:?}");
            let before = upstream.queries();
            let ask = || pod.getaddrinfo(library, name);
            let (answer, fate) = counted(&agent, ask).with_context(|| row.clone())?;
            assert_eq!(answer, found, "{row}");
            let expected = Fate {
                nxdomain: 2 * misses,
                passed: 2,
                ..Fate::default()
            };
            assert_eq!(fate, expected, "{row}");
            assert_eq!(upstream.queries(), before + 2, "{row}");
        }
    }
    Ok(())
}

#[test]
fn a_search_list_may_have_the_root_and_names_with_underscores() -> Result<()> {
    let (site, upstream) = site()?;
    let agent = start(&site)?;
    // glibc asks for `test-service-2.`, too. Of musl that is not asked: it puts a second dot behind the name and sends
    // a malformed query, to which it takes no response for an answer.
    for (library, root, passed) in [(Library::Glibc, ". ", 4), (Library::Musl, "", 2)] {
        let list = format!("{root}abc_d_efg.com dns-1.svc.cluster.local");
        let pod = Stub::new(&site.testbed.pods[0], SERVICE_V4, &list)?;
        let before = upstream.queries();
        let ask = || pod.getaddrinfo(library, "test-service-2");
        let (answer, fate) = counted(&agent, ask)?;
        assert_eq!(answer, "test-service-2.dns-1.svc.cluster.local 10.96.1.2");
        let expected = Fate {
            answer: 1,
            nodata: 1,
            nxdomain: 0,
            passed,
        };
        assert_eq!(fate, expected, "{library:?}");
        let forwarded = upstream.queries() - before;
        assert_eq!(u64::try_from(forwarded)?, passed, "{library:?}");
    }
    Ok(())
}
