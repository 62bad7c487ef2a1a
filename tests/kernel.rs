//! What the programs answer: a whole frame in, a whole frame out, for each kind of record of the Kubernetes DNS
//! specification 1.1.0 (`BPF_PROG_TEST_RUN`).

use anyhow::{Context as _, Result, ensure};
use dns_ebpf::outcome::{Hook, Outcome};
use kerndns_tests::frame::Frame;
use kerndns_tests::loaded::{COREFILE, Loaded};
use kerndns_tests::query::{Edns, Query};

/// What stands for the SOA record of cluster.local in a row.
const SOA: &str = "SOA";

/// Name, type and the answer's records ([`kerndns_tests::query::text`]); without EDNS the answers of the first
/// table fit 512 octets, those of [`LARGE`] do not.
type Row = (&'static str, &'static str, &'static [&'static str]);

const SMALL: &[Row] = &[
    (
        "kubernetes.default.svc.cluster.local",
        "A",
        &["30 A 10.96.0.1"],
    ),
    ("kubernetes.default.svc.cluster.local", "AAAA", &[SOA]),
    ("web.shop.svc.cluster.local", "A", &["30 A 10.96.1.1"]),
    (
        "web.shop.svc.cluster.local",
        "AAAA",
        &["30 AAAA fd00:96::1:1"],
    ),
    (
        "six.shop.svc.cluster.local",
        "AAAA",
        &["30 AAAA fd00:96::1:6"],
    ),
    ("six.shop.svc.cluster.local", "A", &[SOA]),
    ("web.shop.svc.cluster.local", "HTTPS", &[SOA]),
    ("web.shop.svc.cluster.local", "MX", &[SOA]),
    (
        "pair.shop.svc.cluster.local",
        "A",
        &["30 A 10.244.1.1", "30 A 10.244.1.2"],
    ),
    (
        "pair.shop.svc.cluster.local",
        "AAAA",
        &["30 AAAA fd00:244::1:1"],
    ),
    (
        "pair-0.pair.shop.svc.cluster.local",
        "A",
        &["30 A 10.244.1.1"],
    ),
    (
        "pair-0.pair.shop.svc.cluster.local",
        "AAAA",
        &["30 AAAA fd00:244::1:1"],
    ),
    ("pair-1.pair.shop.svc.cluster.local", "AAAA", &[SOA]),
    (
        "ten.shop.svc.cluster.local",
        "A",
        &[
            "30 A 10.244.10.1",
            "30 A 10.244.10.10",
            "30 A 10.244.10.2",
            "30 A 10.244.10.3",
            "30 A 10.244.10.4",
            "30 A 10.244.10.5",
            "30 A 10.244.10.6",
            "30 A 10.244.10.7",
            "30 A 10.244.10.8",
            "30 A 10.244.10.9",
        ],
    ),
    (
        "_http._tcp.web.shop.svc.cluster.local",
        "SRV",
        &[
            "+ web.shop.svc.cluster.local. 30 A 10.96.1.1",
            "+ web.shop.svc.cluster.local. 30 AAAA fd00:96::1:1",
            "30 SRV 0 50 80 web.shop.svc.cluster.local.",
        ],
    ),
    (
        "_dns._udp.kube-dns.kube-system.svc.cluster.local",
        "SRV",
        &[
            "+ kube-dns.kube-system.svc.cluster.local. 30 A 10.96.0.10",
            "+ kube-dns.kube-system.svc.cluster.local. 30 AAAA fd00:96::a",
            "30 SRV 0 50 53 kube-dns.kube-system.svc.cluster.local.",
        ],
    ),
    (
        "_redis._tcp.pair.shop.svc.cluster.local",
        "SRV",
        &[
            "+ pair-0.pair.shop.svc.cluster.local. 30 A 10.244.1.1",
            "+ pair-0.pair.shop.svc.cluster.local. 30 AAAA fd00:244::1:1",
            "+ pair-1.pair.shop.svc.cluster.local. 30 A 10.244.1.2",
            "30 SRV 0 33 6379 pair-0.pair.shop.svc.cluster.local.",
            "30 SRV 0 33 6379 pair-1.pair.shop.svc.cluster.local.",
        ],
    ),
    (
        "1.1.96.10.in-addr.arpa",
        "PTR",
        &["30 PTR web.shop.svc.cluster.local."],
    ),
    (
        "2.1.244.10.in-addr.arpa",
        "PTR",
        &["30 PTR pair-1.pair.shop.svc.cluster.local."],
    ),
    (
        "6.0.0.0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.0.d.f.ip6.arpa",
        "PTR",
        &["30 PTR six.shop.svc.cluster.local."],
    ),
    (
        "away.shop.svc.cluster.local",
        "CNAME",
        &["30 CNAME db.example.com."],
    ),
    ("dns-version.cluster.local", "TXT", &["28800 TXT 1.1.0"]),
    ("cluster.local", "SOA", &["apex"]),
    (
        "cluster.local",
        "NS",
        &[
            "+ ns.dns.cluster.local. 30 A 10.96.0.10",
            "+ ns.dns.cluster.local. 30 AAAA fd00:96::a",
            "30 NS ns.dns.cluster.local.",
        ],
    ),
    ("ns.dns.cluster.local", "A", &["30 A 10.96.0.10"]),
    ("cluster.local", "A", &[SOA]),
    ("svc.cluster.local", "A", &[SOA]),
    ("bare.svc.cluster.local", "A", &[SOA]),
    ("shop.svc.cluster.local", "TXT", &[SOA]),
    ("_tcp.web.shop.svc.cluster.local", "SRV", &[SOA]),
    ("pod.cluster.local", "A", &[SOA]),
    ("nothing.shop.svc.cluster.local", "A", &["NXDOMAIN", SOA]),
    ("web.nowhere.svc.cluster.local", "AAAA", &["NXDOMAIN", SOA]),
    (
        "_nothing._tcp.web.shop.svc.cluster.local",
        "SRV",
        &["NXDOMAIN", SOA],
    ),
    (
        "http.tcp.web.shop.svc.cluster.local",
        "SRV",
        &["NXDOMAIN", SOA],
    ),
    ("www.example.com.cluster.local", "A", &["NXDOMAIN", SOA]),
];

/// The frames of a message: both families, and for XDP both with and without a VLAN tag.
fn frames(message: &[u8]) -> Vec<(Hook, Frame)> {
    let (v4, v6) = (Frame::v4(message.to_vec()), Frame::v6(message.to_vec()));
    vec![
        (Hook::Tc, v4.clone()),
        (Hook::Tc, v6.clone()),
        (Hook::Xdp, v4.clone()),
        (Hook::Xdp, v6.clone()),
        (Hook::Xdp, v4.tagged()),
        (Hook::Xdp, v6.tagged()),
    ]
}

/// The answer's text, the same from every frame.
fn ask(loaded: &Loaded, query: &Query) -> Result<Option<Vec<String>>> {
    let mut answers = Vec::new();
    for (hook, frame) in frames(&query.octets()) {
        let answer = match loaded.runner.run(hook, &frame.octets())? {
            Some(response) => {
                let message = frame.message_of_response(&response)?;
                Some(query.answered_by(&message)?)
            }
            None => None,
        };
        answers.push(answer);
    }
    ensure!(
        answers.iter().all(|answer| *answer == answers[0]),
        "{answers:?}"
    );
    Ok(answers.swap_remove(0))
}

fn check(loaded: &Loaded, query: &Query, expected: &[&str]) -> Result<()> {
    let serial = loaded.cluster.serial();
    let zone = "cluster.local.";
    let soa = format!("30 SOA ns.dns.{zone} hostmaster.{zone} {serial} 7200 1800 86400 30");
    let line = |line: &&str| match *line {
        SOA => format!("! {zone} {soa}"),
        "apex" => soa.clone(),
        line => line.to_owned(),
    };
    let mut expected: Vec<String> = expected.iter().map(line).collect();
    expected.sort_by_key(|line| (line != "NXDOMAIN", line.clone()));
    let got = ask(loaded, query)?.context("it passed")?;
    // The SOA's names are ends of the question and have its case.
    let got: Vec<String> = got.iter().map(|line| fold(line)).collect();
    ensure!(got == expected, "{got:#?}, expected {expected:#?}");
    Ok(())
}

/// All but the mnemonics in lower case.
fn fold(line: &str) -> String {
    let word = |word: &str| match word {
        _ if word.contains('.') => word.to_lowercase(),
        _ => word.to_owned(),
    };
    line.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

#[test]
fn every_kind_of_record_is_answered_at_both_hooks_in_both_families() -> Result<()> {
    let loaded = Loaded::with(COREFILE)?;
    let mut wrong = Vec::new();
    for &(name, rtype, expected) in SMALL {
        let query = Query::of_type(name, rtype);
        let upper = Query {
            name: query.name.to_ascii_uppercase(),
            flags: 0x0010,
            ..query.clone()
        };
        let dnssec = query.clone().with(Edns {
            flags: 0x8000,
            ..Edns::default()
        });
        let cookie = query.clone().with(Edns {
            payload: 4096,
            options: vec![0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8],
            ..Edns::default()
        });
        for query in [query, upper, dnssec, cookie] {
            if let Err(error) = check(&loaded, &query, expected) {
                wrong.push(format!("{name} {rtype} of {query:?}: {error:#}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn names_of_every_length_have_answers_with_right_checksums() -> Result<()> {
    let loaded = Loaded::with(COREFILE)?;
    for length in 1..=63 {
        let name = format!("{}.shop.svc.cluster.local", "n".repeat(length));
        let address = format!("30 A 10.96.2.{length}");
        check(&loaded, &Query::of_type(&name, "A"), &[&address])?;
        check(
            &loaded,
            &Query::of_type(&name, "SRV").with(Edns::default()),
            &[SOA],
        )?;
        let below = Query::of_type(&format!("x.{name}"), "A");
        check(&loaded, &below, &["NXDOMAIN", SOA])?;
    }
    // Up to 255 octets, the longest that there are.
    let mut name = "web.shop.svc.cluster.local".to_owned();
    for label in (1..=63)
        .cycle()
        .take_while(|label| label % 2 == 1 || *label < 50)
    {
        name = format!("{}.{name}", "x".repeat(label));
        if name.len() > 253 {
            break;
        }
        check(&loaded, &Query::of_type(&name, "A"), &["NXDOMAIN", SOA])?;
    }
    Ok(())
}

#[test]
fn an_answer_is_as_long_as_the_client_takes_and_at_most_1232_octets() -> Result<()> {
    let loaded = Loaded::with(COREFILE)?;
    let sixty = Query::of_type("sixty.shop.svc.cluster.local", "A");
    let of_payload = |payload| {
        sixty.clone().with(Edns {
            payload,
            ..Edns::default()
        })
    };
    // Header, question, 60 records, OPT.
    let size = u16::try_from(12 + sixty.name.len() + 4 + 60 * 16 + 11)?;
    for payload in [size, 1232, 4096, u16::MAX] {
        let answer = ask(&loaded, &of_payload(payload))?;
        assert_eq!(answer.map(|lines| lines.len()), Some(60), "{payload}");
    }
    for query in [
        sixty.clone(),
        of_payload(0),
        of_payload(512),
        of_payload(size - 1),
    ] {
        assert_eq!(ask(&loaded, &query)?, None, "{query:?}");
    }
    let hundred = Query::of_type("hundred.shop.svc.cluster.local", "A").with(Edns::default());
    assert_eq!(ask(&loaded, &hundred)?, None);
    Ok(())
}

#[test]
fn a_query_with_a_partial_checksum_has_a_whole_one_in_its_answer() -> Result<()> {
    // TEST_RUN cannot make an skb with CHECKSUM_PARTIAL; this one looks like it and is none.
    let loaded = Loaded::with(COREFILE)?;
    let query = Query::of_type("web.shop.svc.cluster.local", "A");
    for (hook, frame) in frames(&query.octets()) {
        let response = loaded
            .runner
            .run(hook, &frame.octets_with_partial_checksum())?;
        let message = frame.message_of_response(&response.context("it passed")?)?;
        assert_eq!(query.answered_by(&message)?, ["30 A 10.96.1.1"]);
    }
    Ok(())
}

#[test]
fn answers_are_counted_by_hook_and_outcome() -> Result<()> {
    let loaded = Loaded::with(COREFILE)?;
    for (name, outcome) in [
        ("web.shop.svc.cluster.local", Outcome::Answer),
        ("shop.svc.cluster.local", Outcome::NoData),
        ("no.shop.svc.cluster.local", Outcome::NxDomain),
    ] {
        for (hook, frame) in frames(&Query::of_type(name, "A").octets()) {
            let before = loaded.runner.count(hook, outcome)?;
            loaded.runner.run(hook, &frame.octets())?;
            assert_eq!(
                loaded.runner.count(hook, outcome)?,
                before + 1,
                "{hook:?} {name}"
            );
        }
    }
    Ok(())
}
