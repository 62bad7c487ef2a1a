//! What pods get: every dnsPolicy, every stub resolver, every kind of name, compared with what CoreDNS says when it is
//! asked itself, at its pod's address, which the kernel leaves alone.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};

use super::cluster::{Cluster, NAMESPACE, same};
use super::fixture::{Containers, Pod};
use super::tally::full;
use crate::demo::{Answer, read_dig};

/// Says what was found.
type Run = Box<dyn Fn(&Cluster) -> Result<String>>;

/// A check, and the pod that it is made in.
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) pod: Pod,
    pub(super) run: Run,
}

/// All of them.
pub(super) fn checks(cluster: &Cluster) -> Vec<Check> {
    let external = cluster.external.clone();
    let web = full("web");
    let denied = full("none");
    let questions = |list: &[&str]| list.iter().map(|&question| question.to_owned()).collect();
    vec![
        // A and AAAA of `web`, which is found by the first domain of the search list.
        stub("dnsPolicy ClusterFirst", "clusterfirst", "", "web", 2),
        stub(
            "dnsPolicy None, with a dnsConfig",
            "none",
            &none(cluster),
            &format!("web.{NAMESPACE}"),
            2,
        ),
        // No veth of its own: CoreDNS answers.
        stub(
            "dnsPolicy ClusterFirstWithHostNet",
            "hostnet",
            HOST_NET,
            "web",
            0,
        ),
        default_policy(),
        by_glibc(),
        by_musl(),
        search_path(),
        dig(
            "dig: A, AAAA, the name as it is",
            "dig",
            questions(&[&format!("{web} A"), &format!("{web} AAAA")]),
            2,
        ),
        dig("TCP", "tcp", questions(&[&format!("+tcp {web} A")]), 0),
        dig(
            "60 records, with EDNS and without",
            "sixty",
            vec![
                format!("+bufsize=1232 {} A", full("sixty")),
                // Truncated, and asked again over TCP.
                format!("+noedns {} A", full("sixty")),
            ],
            1,
        ),
        dig(
            "SRV",
            "srv",
            questions(&[
                &format!("_http._tcp.{web} SRV"),
                &format!("_sql._tcp.{} SRV", full("db")),
            ]),
            2,
        ),
        dig("PTR", "ptr", questions(&["-x WEB", "-x DB0"]), 2),
        dig(
            "ExternalName",
            "externalname",
            questions(&[&format!("{} A", full("outside"))]),
            0,
        ),
        dig(
            "headless StatefulSet names",
            "statefulset",
            questions(&[
                &format!("{} A", full("db")),
                &format!("db-0.{} A", full("db")),
                &format!("db-1.{} A", full("db")),
            ]),
            3,
        ),
        dig(
            "external names, by CoreDNS",
            "external",
            vec![
                format!("{external} A"),
                format!("{external} AAAA"),
                format!("nowhere.{external} A"),
            ],
            0,
        ),
        dig(
            "names that do not exist",
            "denials",
            questions(&[
                &format!("{denied} A"),
                &format!("{web} TXT"),
                "kubernetes.default.svc.cluster.local. MX",
            ]),
            3,
        ),
        named_rules(),
    ]
}

const HOST_NET: &str = "  hostNetwork: true\n  dnsPolicy: ClusterFirstWithHostNet\n";

fn none(cluster: &Cluster) -> String {
    format!(
        "  dnsPolicy: None\n  dnsConfig: {{nameservers: [{}], searches: [svc.cluster.local], \
         options: [{{name: ndots, value: \"3\"}}]}}\n",
        cluster.dns
    )
}

/// getaddrinfo of glibc and of musl find what CoreDNS says, with so many answers of the kernel each.
fn stub(name: &'static str, pod: &'static str, spec: &str, asked: &str, kernel: u64) -> Check {
    let asked = asked.to_owned();
    Check {
        name,
        pod: Pod {
            spec: spec.to_owned(),
            ..Pod::new(pod, Containers::Both)
        },
        run: Box::new(move |cluster| {
            let before = cluster.kernel_answers()?;
            let expected = from_coredns(cluster, &full("web"))?;
            same("glibc", &getent(cluster, pod, &asked)?, &expected)?;
            same("musl", &musl(cluster, pod, &asked)?, &expected)?;
            let by_kernel = cluster.kernel_answers()? - before;
            same("answers of the kernel", &by_kernel, &(2 * kernel))?;
            Ok(format!(
                "glibc and musl as CoreDNS; {by_kernel} of 4 queries answered by the kernel"
            ))
        }),
    }
}

/// The node's resolver is asked, which knows no name of the cluster; the kernel has no part in it.
fn default_policy() -> Check {
    Check {
        name: "dnsPolicy Default",
        pod: Pod {
            spec: "  dnsPolicy: Default\n".to_owned(),
            ..Pod::new("default", Containers::Both)
        },
        run: Box::new(|cluster| {
            let before = cluster.kernel_answers()?;
            let expected = from_coredns(cluster, &cluster.external)?;
            same(
                "glibc",
                &getent(cluster, "default", &cluster.external)?,
                &expected,
            )?;
            same(
                "musl",
                &musl(cluster, "default", &cluster.external)?,
                &expected,
            )?;
            let inside = getent(cluster, "default", &full("web"))?;
            ensure!(
                inside.is_empty(),
                "the node's resolver knows {}: {inside:?}",
                full("web")
            );
            same("answers of the kernel", &cluster.kernel_answers()?, &before)?;
            Ok("external names by the node's resolver; 0 answered by the kernel".to_owned())
        }),
    }
}

fn by_glibc() -> Check {
    by(
        "glibc: getent, by every length of a name",
        "glibc",
        Containers::Toolbox,
        getent,
    )
}

fn by_musl() -> Check {
    by(
        "musl: getaddrinfo, by every length of a name",
        "musl",
        Containers::Client,
        musl,
    )
}

fn by(
    name: &'static str,
    pod: &'static str,
    containers: Containers,
    resolve: fn(&Cluster, &str, &str) -> Result<BTreeSet<String>>,
) -> Check {
    Check {
        name,
        pod: Pod::new(pod, containers),
        run: Box::new(move |cluster| {
            let lengths = |service: &str| {
                let full = full(service);
                let parts: Vec<usize> = full.match_indices('.').map(|(at, _)| at).collect();
                // web, web.NAMESPACE, web.NAMESPACE.svc, the whole with and without its dot.
                let ends = parts
                    .iter()
                    .take(3)
                    .copied()
                    .chain([full.len() - 1, full.len()]);
                ends.map(|end| full[..end].to_owned()).collect::<Vec<_>>()
            };
            let mut count = 0;
            for service in ["web", "db", "outside"] {
                let expected = from_coredns(cluster, &full(service))?;
                for asked in lengths(service) {
                    same(&asked, &resolve(cluster, pod, &asked)?, &expected)?;
                    count += 1;
                }
            }
            let nothing = resolve(cluster, pod, "no-such-service")?;
            ensure!(nothing.is_empty(), "no-such-service: {nothing:?}");
            Ok(format!("{count} names as CoreDNS, one denied"))
        }),
    }
}

/// Three domains of the cluster are denied by the kernel, for A and AAAA, before the name itself is asked for.
fn search_path() -> Check {
    Check {
        name: "search path with ndots:5",
        pod: Pod::new("search", Containers::Toolbox),
        run: Box::new(|cluster| {
            let expected = from_coredns(cluster, &cluster.external)?;
            let before = (cluster.kernel_answers()?, cluster.coredns_requests()?);
            same(
                "getent",
                &getent(cluster, "search", &cluster.external)?,
                &expected,
            )?;
            let by_kernel = cluster.kernel_answers()? - before.0;
            let by_coredns = cluster.coredns_requests()? - before.1;
            same("denials by the kernel", &by_kernel, &6)?;
            Ok(format!(
                "{}: {by_kernel} denials by the kernel, {by_coredns:.0} queries on to CoreDNS",
                cluster.external
            ))
        }),
    }
}

/// Each question to the ClusterIP and to CoreDNS itself: the same RCODE and records. `WEB` and `DB0` stand for addresses.
fn dig(name: &'static str, pod: &'static str, questions: Vec<String>, kernel: u64) -> Check {
    Check {
        name,
        pod: Pod::new(pod, Containers::Toolbox),
        run: Box::new(move |cluster| {
            let mut questions = questions.join("\n");
            if questions.contains("WEB") {
                let web = cluster.cluster_ip("web")?.to_string();
                let db = from_coredns(cluster, &format!("db-0.{}", full("db")))?;
                let db = db.first().context("db-0 has no address")?;
                questions = questions.replace("WEB", &web).replace("DB0", db);
            }
            let questions: Vec<&str> = questions.lines().collect();
            let expected = ask(cluster, pod, &coredns(cluster)?, &questions)?;
            let before = cluster.kernel_answers()?;
            let found = ask(cluster, pod, &cluster.dns.to_string(), &questions)?;
            let by_kernel = cluster.kernel_answers()? - before;
            let mut records = 0;
            for ((question, found), expected) in questions.iter().zip(&found).zip(&expected) {
                same(question, found, expected)?;
                records += found.records.len();
            }
            same("answers of the kernel", &by_kernel, &kernel)?;
            Ok(format!(
                "{} questions, {records} records as CoreDNS; {by_kernel} answered by the kernel",
                questions.len()
            ))
        }),
    }
}

/// What docs/compatibility.md says is different on purpose.
fn named_rules() -> Check {
    Check {
        name: "named rules of docs/compatibility.md",
        pod: Pod::new("rules", Containers::Toolbox),
        run: Box::new(|cluster| {
            let rules = [
                (format!("{} SOA", full("none")), "NXDOMAIN", "NOERROR"),
                ("svc.cluster.local. TXT".to_owned(), "NOERROR", "NXDOMAIN"),
                (format!("_tcp.{} A", full("web")), "NOERROR", "NXDOMAIN"),
            ];
            let questions: Vec<&str> = rules
                .iter()
                .map(|(question, ..)| question.as_str())
                .collect();
            let found = ask(cluster, "rules", &cluster.dns.to_string(), &questions)?;
            let theirs = ask(cluster, "rules", &coredns(cluster)?, &questions)?;
            for (((question, ours, coredns), found), theirs) in
                rules.iter().zip(&found).zip(&theirs)
            {
                same(question, &found.rcode.as_str(), ours)?;
                same(
                    &format!("{question} at CoreDNS"),
                    &theirs.rcode.as_str(),
                    coredns,
                )?;
            }
            Ok(format!(
                "{} as the page has them, on both sides",
                rules.len()
            ))
        }),
    }
}

fn coredns(cluster: &Cluster) -> Result<String> {
    let first = cluster.coredns()?.first().copied();
    Ok(first.context("no pod of CoreDNS is ready")?.to_string())
}

/// The answers of one server, in the order of the questions.
fn ask(cluster: &Cluster, pod: &str, server: &str, questions: &[&str]) -> Result<Vec<Answer>> {
    let mut script = String::new();
    for question in questions {
        script += &format!(
            "dig @{server} +noall +comments +answer +tries=1 +time=3 {question}; echo '== next'\n"
        );
    }
    let output = cluster.sh(pod, &script)?;
    let mut answers: Vec<Answer> = output.split("== next").map(read_dig).collect();
    answers.truncate(questions.len());
    Ok(answers)
}

/// The addresses that CoreDNS has for a name, aliases followed.
fn from_coredns(cluster: &Cluster, name: &str) -> Result<BTreeSet<String>> {
    let server = coredns(cluster)?;
    let (v4, v6) = (format!("{name} A"), format!("{name} AAAA"));
    let answers = ask(cluster, "before", &server, &[&v4, &v6])?;
    let records = answers.into_iter().flat_map(|answer| answer.records);
    Ok(records
        .filter(|record| record.parse::<std::net::IpAddr>().is_ok())
        .collect())
}

/// What glibc's stub resolver finds; nothing where it finds nothing.
fn getent(cluster: &Cluster, pod: &str, name: &str) -> Result<BTreeSet<String>> {
    let output = cluster.sh(pod, &format!("getent ahosts {name} || true"))?;
    let addresses = output
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    Ok(addresses.map(str::to_owned).collect())
}

/// What musl's finds.
fn musl(cluster: &Cluster, pod: &str, name: &str) -> Result<BTreeSet<String>> {
    let output = cluster.client(pod, &["resolve", name])?;
    Ok(output
        .split_whitespace()
        .skip(1)
        .map(str::to_owned)
        .collect())
}
