//! Corefiles that are wrong, each with all that is said of it.

use super::super::check;
use super::{Directory, in_block, parse};

const KNOWN: &str = "any, autopath, bind, cache, chaos, errors, forward, health, k8s_external, kubernetes, \
    loadbalance, loop, nsid, prometheus, ready, reload, transfer";
const KUBERNETES: &str = "pods, ttl, fallthrough, namespaces, endpoint_pod_names, noendpoints, ignore, labels, \
    namespace_labels, zonal, multicluster, startup_timeout, kubeconfig, endpoint, tls, \
    apiserver_qps, apiserver_burst, apiserver_max_inflight";

#[test]
fn what_breaks_the_grammar_is_named_by_line() {
    let rows: &[(&str, &[&str])] = &[
        (
            "",
            &["1: there is no server block; expected one such as \".:53 {\""],
        ),
        (
            "# nothing\n",
            &["1: there is no server block; expected one such as \".:53 {\""],
        ),
        (
            ". {\nerrors\n",
            &["1: this \"{\" is never closed; expected \"}\" before the end of the file"],
        ),
        (
            ". {\nhealth {\nlameduck 1s\n}\n",
            &["1: this \"{\" is never closed; expected \"}\" before the end of the file"],
        ),
        (
            ". {\n}\n}\n",
            &["3: unexpected \"}\": no block is open here"],
        ),
        (
            ".\nerrors\n}\n",
            &["3: unexpected \"}\": no block is open here"],
        ),
        (
            ". { errors }\n",
            &["1: unexpected \"}\": expected it on a line of its own"],
        ),
        (
            ". {\nhealth {\n} ready\n}",
            &["3: unexpected \"ready\" behind \"}\": expected the end of the line"],
        ),
        (
            ". {\nhealth\n{\nlameduck 1s\n}\n}",
            &[
                "3: unexpected \"{\": expected the plugin or option it belongs to before it, on the same line",
            ],
        ),
        (
            "{\nerrors\n}\n",
            &["1: unexpected \"{\": expected a zone before it, on the same line"],
        ),
        (
            "a.example, {\n}",
            &["1: expected another zone behind the comma"],
        ),
        (
            ".:53{\nerrors\n}",
            &[
                "1: \".:53{\" ends in \"{\"; expected a space before it",
                "3: unexpected \"}\": no block is open here",
            ],
        ),
        (
            ". {\nerrors \"stdout\n}",
            &[
                "1: this \"{\" is never closed; expected \"}\" before the end of the file",
                "2: this quote is never closed; expected another '\"'",
            ],
        ),
        (
            "(a) {\n}\n(a) {\n}\n. {\n}",
            &["3: snippet \"a\" is already defined at Corefile:1"],
        ),
        (
            "(a)\n. {\n}",
            &["1: expected \"{\" behind the snippet's name (a)"],
        ),
        (
            "(a) {\nerrors\n",
            &["1: this \"{\" is never closed; expected \"}\" before the end of the file"],
        ),
        (
            ". {\nimport\n}",
            &["2: \"import\" takes one argument: a snippet, a file or a pattern of files"],
        ),
        (
            ". {\nimport a b\n}",
            &["2: \"import\" takes one argument: a snippet, a file or a pattern of files"],
        ),
        (
            ". {\nimport no-such\n}",
            &[
                "2: cannot import \"no-such\": no snippet of that name is defined above, and file \"no-such\" cannot be read: No such file or directory (os error 2)",
            ],
        ),
        (
            ". {\nimport a*/*b\n}",
            &["2: cannot import \"a*/*b\": a pattern has at most one \"*\" or \"?\", and no \"[\""],
        ),
    ];
    for (text, messages) in rows {
        assert_eq!(faults(parse(text)), *messages, "{text}");
    }
}

#[test]
fn servers_that_cannot_be_are_named_by_line() {
    let taken = |zone: &str, port: u16, line: u16| {
        format!(
            "zone \"{zone}\" on port {port} is already served by the server block at Corefile:{line}; expected another zone or port, or \"bind\" to other addresses in both blocks"
        )
    };
    let rows = [
        (". {\n}\n.:53 {\n}", format!("3: {}", taken(".", 53, 1))),
        ("a.example dns://A.example.:53 {\n}", format!("1: {}", taken("a.example.", 53, 1))),
        (".:54 {\nbind 127.0.0.1\n}\n.:54 {\n}", format!("4: {}", taken(".", 54, 1))),
        (". {\n}\n. {\nbind 127.0.0.1\n}", format!("3: {}", taken(".", 53, 1))),
        (". {\nbind ::1 127.0.0.1\n}\n. {\nbind 127.0.0.1 127.0.0.2\n}", format!("4: {}", taken(".", 53, 1))),
        ("tls://. {\n}", "1: \"tls://.\" asks for transport \"tls\", which is not built yet; expected plain DNS, so dns:// or no scheme".into()),
        ("\n10.0.0.0/40 {\n}", "2: \"10.0.0.0/40\" has the prefix length \"40\"; expected 0 to 32".into()),
    ];
    for (text, message) in rows {
        assert_eq!(faults(parse(text)), [message], "{text}");
    }
}

#[test]
fn plugins_and_options_that_are_not_here_are_named() {
    let rows = [
        ("chachet", format!("2: unknown plugin \"chachet\"; KernDNS knows: {KNOWN}")),
        ("\ntemplate a", format!("3: plugin \"template\" of CoreDNS is not built yet; KernDNS knows: {KNOWN}")),
        ("autopath", "2: \"autopath\" has no argument; expected zones, if any, and then a file such as resolv.conf, or @kubernetes".into()),
        ("autopath @etcd", "2: \"autopath\" has the argument \"@etcd\"; expected @kubernetes or a file".into()),
        ("autopath a /nowhere/resolv.conf", "2: \"autopath\" has the argument \"/nowhere/resolv.conf\"; expected a file that can be read, or @kubernetes".into()),
        ("autopath @kubernetes {\nx\n}", "3: unknown option \"x\" of \"autopath\"; KernDNS knows: no option of it".into()),
        ("log", format!("2: plugin \"log\" of CoreDNS is not built yet; KernDNS knows: {KNOWN}")),
        ("kubernetes a {\nzoneal\n}", format!("3: unknown option \"zoneal\" of \"kubernetes\"; KernDNS knows: {KUBERNETES}")),
        ("forward . 192.0.2.1 {\npolicy random\n}", "3: option \"policy\" of \"forward\" is not built yet; KernDNS knows: except, max_concurrent, force_tcp, prefer_udp".into()),
        ("forward . 192.0.2.1 {\ntypo\n}", "3: unknown option \"typo\" of \"forward\"; KernDNS knows: except, max_concurrent, force_tcp, prefer_udp".into()),
        ("cache 30 {\nprefetch 1\n}", "3: option \"prefetch\" of \"cache\" is not built yet; KernDNS knows: success, denial, disable".into()),
        ("loop {\nx\n}", "3: unknown option \"x\" of \"loop\"; KernDNS knows: no option of it".into()),
        ("errors {\nconsolidate 5m \".*\"\n}", "3: option \"consolidate\" of \"errors\" is not built yet; KernDNS knows: no option of it".into()),
        ("loadbalance weighted f", "2: \"loadbalance\" \"weighted\" is not built yet; expected nothing, or \"round_robin\"".into()),
        ("errors\nerrors", "3: plugin \"errors\" is already in this server block, at line 2; expected it once".into()),
        ("kubernetes a\n\nkubernetes b", "4: plugin \"kubernetes\" is already in this server block, at line 2; expected it once".into()),
    ];
    for (lines, message) in rows {
        assert_eq!(faults(in_block(lines)), [message], "{lines}");
    }
}

#[test]
fn arguments_that_cannot_be_are_named_with_what_was_expected() {
    let rows = [
        (
            "bind",
            "2: \"bind\" has no argument; expected one or more IP addresses or names of interfaces",
        ),
        (
            "bind 10.0.0.0/8",
            "2: \"bind\" has the argument \"10.0.0.0/8\"; expected an IP address or the name of an interface",
        ),
        (
            "errors stderr",
            "2: \"errors\" has the argument \"stderr\"; expected nothing, or \"stdout\"",
        ),
        (
            "loadbalance a",
            "2: \"loadbalance\" has the argument \"a\"; expected nothing, or \"round_robin\"",
        ),
        (
            "health 8080",
            "2: \"health\" has the argument \"8080\"; expected an address to listen on, such as :8080 or 127.0.0.1:8080",
        ),
        (
            "health a b",
            "2: \"health\" has 2 arguments; expected at most one address",
        ),
        (
            "health {\nlameduck 5\n}",
            "3: \"lameduck\" has the argument \"5\"; expected a duration such as 5s, 1m30s or 500ms",
        ),
        (
            "health {\nlameduck\n}",
            "3: \"lameduck\" has no argument; expected one: a duration such as 5s, 1m30s or 500ms",
        ),
        (
            "health {\nlameduck 5s {\nx\n}\n}",
            "4: \"lameduck\" takes no block",
        ),
        (
            "ready :x",
            "2: \"ready\" has the argument \":x\"; expected an address to listen on, such as :8080 or 127.0.0.1:8080",
        ),
        (
            "prometheus a:b:1",
            "2: \"prometheus\" has the argument \"a:b:1\"; expected an address to listen on, such as :8080 or 127.0.0.1:8080",
        ),
        (
            "reload 1s",
            "2: \"reload\" has the argument \"1s\"; expected a duration of at least 2s",
        ),
        (
            "reload 3s 0s",
            "2: \"reload\" has the argument \"0s\"; expected a duration of at least 1s as the jitter",
        ),
        (
            "reload off",
            "2: \"reload\" has the argument \"off\"; expected a duration of at least 2s",
        ),
        (
            "kubernetes 10.0.0.0/8",
            "2: \"kubernetes\" has reverse zones only; expected the cluster domain too, such as cluster.local",
        ),
        ("kubernetes a..b", "2: zone \"a..b\" has an empty label"),
        (
            "kubernetes a {\nttl 3601\n}",
            "3: \"ttl\" has the argument \"3601\"; expected seconds from 0 to 3600",
        ),
        (
            "kubernetes a {\nttl -1\n}",
            "3: \"ttl\" has the argument \"-1\"; expected seconds from 0 to 3600",
        ),
        (
            "kubernetes a {\npods all\n}",
            "3: \"pods\" has the argument \"all\"; expected \"disabled\", \"insecure\" or \"verified\"",
        ),
        (
            "kubernetes a {\nnamespaces\n}",
            "3: \"namespaces\" has no argument; expected one or more namespaces",
        ),
        (
            "kubernetes a {\nnoendpoints x\n}",
            "3: \"noendpoints\" has 1 argument; expected none",
        ),
        (
            "kubernetes a {\nignore x\n}",
            "3: \"ignore\" has the argument \"x\"; expected \"empty_service\"",
        ),
        (
            "forward",
            "2: \"forward\" has no argument; expected a zone and one or more upstreams",
        ),
        (
            "forward .",
            "2: \"forward\" has 1 argument; expected a zone and one or more upstreams",
        ),
        (
            "forward 10.0.0.0/23 192.0.2.1",
            "2: \"forward\" \"10.0.0.0/23\" is 2 zones; expected one, so a prefix of whole octets (IPv4) or digits (IPv6)",
        ),
        (
            "forward . tls://192.0.2.1",
            "2: upstream \"tls://192.0.2.1\": transport \"tls\" is not built yet; expected an address without it, or dns://",
        ),
        (
            "forward . /no/such",
            "2: upstream \"/no/such\" is not an IP address, and as a file it cannot be read: No such file or directory (os error 2)",
        ),
        (
            "forward . /",
            "2: upstream \"/\" is not an IP address, and as a file it cannot be read: Is a directory (os error 21)",
        ),
        (
            "forward . /dev/null",
            "2: \"forward\" has no upstream: no \"nameserver\" line with an IP address in /dev/null",
        ),
        (
            "forward . 1.1.1.1 {\nexcept\n}",
            "3: \"except\" has no argument; expected one or more zones",
        ),
    ];
    for (lines, message) in rows {
        assert_eq!(faults(in_block(lines)), [message], "{lines}");
    }
    let sixteen = format!("forward . {}", "192.0.2.1 ".repeat(16));
    assert_eq!(
        faults(in_block(&sixteen)),
        ["2: \"forward\" has 16 upstreams; expected at most 15"]
    );
}

#[test]
fn options_of_kubernetes_that_contradict_each_other_are_refused() {
    for (lines, expected) in [
        (
            "labels",
            "3: \"labels\" has no argument; expected a label selector, such as \"app=web,tier in (a, b)\"",
        ),
        (
            "labels a gt 5",
            "3: \"labels\" has the argument \"a\"; expected a label selector, such as \"app=web,tier in (a, b)\"",
        ),
        (
            "namespaces a\nnamespace_labels b",
            "2: \"namespaces\" and \"namespace_labels\" cannot both be set; expected one of them",
        ),
        (
            "zonal\nnoendpoints",
            "2: \"zonal\" and \"noendpoints\" cannot both be set; expected one of them",
        ),
        (
            "multicluster b.",
            "2: zone \"b.\" of \"multicluster\" is none of \"kubernetes\"; expected one of a.",
        ),
        (
            "kubeconfig",
            "3: \"kubeconfig\" has no argument; expected a file, and perhaps a context of it",
        ),
        (
            "tls a b",
            "3: \"tls\" has 2 arguments; expected three files: certificate, key, authority",
        ),
        (
            "apiserver_qps -1",
            "3: \"apiserver_qps\" has the argument \"-1\"; expected requests a second, 0 for no limit",
        ),
        (
            "apiserver_burst x",
            "3: \"apiserver_burst\" has the argument \"x\"; expected a number of requests, 0 for no limit",
        ),
        (
            "startup_timeout 5",
            "3: \"startup_timeout\" has the argument \"5\"; expected a duration such as 5s, 1m30s or 500ms",
        ),
    ] {
        let lines = format!("kubernetes a {{\n{lines}\n}}");
        assert_eq!(faults(in_block(&lines)), [expected], "{lines}");
    }
    assert_eq!(
        faults(in_block("k8s_external example.org")),
        ["2: \"k8s_external\" needs \"kubernetes\" in the same server block"]
    );
    let two = "a {\nkubernetes {\nkubeconfig x\n}\n}\nb {\nkubernetes {\nkubeconfig y\n}\n}\nc {\nkubernetes\n}\n";
    assert_eq!(
        faults(parse(two)),
        [
            "6: \"kubernetes\" names another API server, or other limits for it, than the server block at \
          Corefile:1; expected the same in all blocks, or in one only: the objects of one cluster are followed"
        ]
    );
}

#[test]
fn a_zone_has_room_for_the_names_of_its_soa_record() {
    let label = "x".repeat(63);
    let zone = |last: usize| format!("{label}.{label}.{label}.{}", "x".repeat(last));
    let (longest, longer) = (zone(50), zone(51));
    assert_eq!(longer.len() + 2 + "hostmaster.".len(), 256);
    in_block(&format!("kubernetes {longest}")).unwrap();
    let message = |line, plugin, label| {
        format!(
            "{line}: zone \"{longer}.\" of {plugin:?} is so long that {label:?} below it, the mailbox of its SOA record, \
             would have more than 255 octets; expected a shorter zone"
        )
    };
    assert_eq!(
        faults(in_block(&format!("kubernetes {longer}"))),
        [message(2, "kubernetes", "hostmaster")]
    );
    let external = format!("kubernetes a\nk8s_external {longer} {{\napex b\n}}");
    assert_eq!(
        faults(in_block(&external)),
        [message(3, "k8s_external", "hostmaster.b")]
    );
}

#[test]
fn a_report_names_every_fault_of_every_block() {
    let directory = Directory::new("faults");
    let path = directory.file(
        "Corefile",
        "a.example {\n  erors\n  health {\n    lameduck x\n  }\n  loop\n}\ntls://b.example {\n  kubernetes {\n    pods some\n    zoneal\n  }\n}\n",
    );
    let (text, good) = check(Some(&path), None);
    let file = path.display();
    assert_eq!(
        text,
        format!(
            "{file}:2: unknown plugin \"erors\"; KernDNS knows: {KNOWN}
{file}:4: \"lameduck\" has the argument \"x\"; expected a duration such as 5s, 1m30s or 500ms
{file}:8: \"tls://b.example\" asks for transport \"tls\", which is not built yet; expected plain DNS, so dns:// or no scheme
{file}:10: \"pods\" has the argument \"some\"; expected \"disabled\", \"insecure\" or \"verified\"
{file}:11: unknown option \"zoneal\" of \"kubernetes\"; KernDNS knows: {KUBERNETES}
warning: {file}:6: plugin \"loop\" is accepted and has no effect yet
{file}: 5 errors
"
        )
    );
    assert!(!good);
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let directory = Directory::new("unreadable");
    let missing = directory.0.join("none");
    let (text, good) = check(Some(&missing), None);
    let missing = missing.display();
    assert_eq!(
        text,
        format!("{missing}: the Corefile cannot be read: No such file or directory (os error 2)\n")
    );
    assert!(!good);

    let binary = directory.0.join("binary");
    std::fs::write(&binary, b". {\n\xff\n}").unwrap();
    let (text, _) = check(Some(&binary), None);
    let binary = binary.display();
    assert_eq!(
        text,
        format!("{binary}: the Corefile cannot be read: line 2 is not UTF-8 text\n")
    );
}

/// The messages without the file's name.
fn faults(result: Result<super::Config, super::CorefileError>) -> Vec<String> {
    let message = result.unwrap_err().to_string();
    let lines = message.lines();
    lines
        .map(|line| line.strip_prefix("Corefile:").unwrap_or(line).to_owned())
        .collect()
}
