//! Corefiles of CoreDNS's, beside which the agent answers: what is forgiven, what is passed, and what
//! is as wrong as ever.

use std::path::Path;

use super::super::{Beside, Config, CorefileError, check};

fn parse(text: &str, despite: &[&str]) -> Result<Config, CorefileError> {
    let despite = despite.iter().map(|&plugin| plugin.to_owned()).collect();
    Config::parse_beside(text, Path::new("Corefile"), &Beside { despite })
}

/// One server block for `.`, with `kubernetes cluster.local 10.0.0.0/8` at line 2 and `line` at line 5.
fn with(line: &str) -> Config {
    let kubernetes = "kubernetes cluster.local 10.0.0.0/8 {\n ttl 30\n }";
    parse(&format!(".:53 {{\n{kubernetes}\n{line}\n}}\n"), &[]).unwrap()
}

fn answers(config: &Config) -> bool {
    config
        .servers
        .iter()
        .any(|server| server.kubernetes.is_some())
}

#[test]
fn a_plugin_that_can_change_or_must_see_an_answer_has_its_block_passed_and_is_named_by_line() {
    let rows = [
        (
            "rewrite name a.example b.example",
            "plugin \"rewrite\" may change an answer",
        ),
        (
            "template IN A {\n}",
            "plugin \"template\" may change an answer",
        ),
        (
            "hosts /etc/hosts {\n fallthrough\n }",
            "plugin \"hosts\" may change an answer",
        ),
        ("acl {\n block\n }", "plugin \"acl\" may change an answer"),
        ("dns64", "plugin \"dns64\" may change an answer"),
        (
            "autopath @kubernetes",
            "plugin \"autopath\" may change an answer",
        ),
        (
            "autopath /nowhere/resolv.conf",
            "plugin \"autopath\" may change an answer",
        ),
        (
            "k8s_external",
            "plugin \"k8s_external\" may change an answer",
        ),
        ("nsid", "plugin \"nsid\" may change an answer"),
        ("minimal", "plugin \"minimal\" may change an answer"),
        (
            "view v {\n expr true\n }",
            "plugin \"view\" may change an answer",
        ),
        ("log", "plugin \"log\" has to see each query"),
        ("log . {combined}", "plugin \"log\" has to see each query"),
        ("bufsize 512", "plugin \"bufsize\" may shorten an answer"),
        (
            "cache 10",
            "plugin \"cache\" may lower the TTL of an answer",
        ),
        (
            "cache {\n success 9984 10\n }",
            "plugin \"cache\" may lower the TTL of an answer",
        ),
        (
            "tsig {\n require all\n }",
            "plugin \"tsig\" may refuse a query",
        ),
        (
            "template IN A default.svc.cluster.local {\n}",
            "plugin \"template\" may change an answer",
        ),
        (
            "hosts x 0.0.10.in-addr.arpa",
            "plugin \"hosts\" may change an answer",
        ),
        (
            "of-another-build x",
            "plugin \"of-another-build\" may change an answer",
        ),
        (
            "loadbalance weighted x",
            "KernDNS lacks \"loadbalance weighted\" of \"loadbalance\"",
        ),
    ];
    for (line, why) in rows {
        let config = with(line);
        assert!(!answers(&config), "{line}");
        let expected =
            format!("Corefile:5: {why}: the kernel passes the names of this server block (.)");
        assert_eq!(config.passed, [expected], "{line}");
    }
}

#[test]
fn a_plugin_on_which_no_answer_depends_is_at_most_warned_of() {
    let silent = [
        "cache 30",
        "cache 60 {\n disable success cluster.local\n }",
        "loop",
        "errors",
        "prometheus",
        "reload",
        "bufsize",
        "bufsize 1232",
        "health :8080",
        "ready",
        "forward . /nowhere/resolv.conf",
        "forward . tls://192.0.2.1",
        "bind 169.254.20.10",
        "log example.org",
        "template IN A example.org {\n}",
        "hosts x example.org",
        "acl example.org {\n block\n }",
    ];
    for line in silent {
        let config = with(line);
        assert!(answers(&config), "{line}");
        assert_eq!((config.warnings, config.passed), (vec![], vec![]), "{line}");
    }
    for plugin in ["file", "etcd", "whoami", "pprof", "debug", "geoip"] {
        let config = with(&format!("{plugin} x"));
        assert!(answers(&config), "{plugin}");
        assert_eq!(config.passed, [""; 0], "{plugin}");
        assert_eq!(config.warnings.len(), 1, "{plugin}");
        assert!(config.warnings[0].starts_with("Corefile:5: "), "{plugin}");
    }
}

#[test]
fn what_belongs_to_coredns_is_not_ours() {
    let config =
        with("health 10.0.0.1:80 {\n lameduck 5s\n }\nready\nprometheus\nforward . 192.0.2.1");
    let server = &config.servers[0];
    assert_eq!(
        (&server.health, &server.ready, &server.prometheus),
        (&None, &None, &None)
    );
    assert_eq!(server.forward, []);
    assert!(
        server.reload.is_some(),
        "a change is followed whether CoreDNS does or not"
    );
}

#[test]
fn an_option_that_is_lacking_passes_only_where_answers_depend_on_it() {
    let text = ".:53 {\n kubernetes cluster.local {\n  an-option-of-tomorrow x\n }\n}\n";
    let config = parse(text, &[]).unwrap();
    assert!(!answers(&config));
    assert!(
        config.passed[0].starts_with("Corefile:3: KernDNS lacks \"an-option-of-tomorrow\""),
        "{config:?}"
    );
    assert!(answers(&with("health {\n an-option-of-tomorrow\n }")));
    let verified = ".:53 {\n kubernetes cluster.local {\n  pods verified\n }\n}\n";
    let verified = parse(verified, &[]).unwrap();
    assert!(answers(&verified) && verified.passed.is_empty());
}

#[test]
fn the_administrator_may_decide_otherwise() {
    let text = ".:53 {\n log\n kubernetes cluster.local\n}\n";
    let config = parse(text, &["log"]).unwrap();
    assert!(answers(&config));
    assert_eq!(config.passed, [""; 0]);
    let said =
        "Corefile:2: plugin \"log\" has to see each query; the kernel answers in spite of it";
    assert_eq!(config.warnings, [said]);
}

#[test]
fn one_block_is_passed_and_another_is_not() {
    let text = "cluster.local {\n kubernetes\n log\n}\nk8s.example {\n kubernetes\n}\ntls://. {\n forward . 192.0.2.1\n}\n";
    let config = parse(text, &[]).unwrap();
    let has: Vec<bool> = config
        .servers
        .iter()
        .map(|server| server.kubernetes.is_some())
        .collect();
    assert_eq!(has, [false, true]);
    assert_eq!(config.passed.len(), 1);
}

#[test]
fn a_broken_file_is_as_broken_as_ever() {
    for text in [
        "",
        ". {",
        ". {\n kubernetes cluster.local {\n  ttl soon\n }\n}",
        ". {\n kubernetes cluster.local\n} }",
        ". {\n health nowhere\n}",
        "a/b:x {\n}",
    ] {
        assert!(
            matches!(parse(text, &[]), Err(CorefileError::Faults { .. })),
            "{text}"
        );
    }
}

/// What k3s installs has `hosts` before `kubernetes`.
#[test]
fn a_check_beside_coredns_says_which_names_would_be_answered_and_which_line_keeps_others() {
    let name = format!("kerndns-beside-{}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let text = ".:53 {\n errors\n kubernetes cluster.local in-addr.arpa\n \
                hosts /etc/coredns/NodeHosts {\n  ttl 60\n  reload 15s\n  fallthrough\n }\n forward . /etc/resolv.conf\n}\n";
    std::fs::write(&path, text).unwrap();
    let (passed, good) = check(Some(&path), Some(&Beside::default()));
    let despite = vec!["hosts".to_owned()];
    let (answered, _) = check(Some(&path), Some(&Beside { despite }));
    std::fs::remove_file(&path).unwrap();
    assert!(good);
    assert!(
        passed.contains(":4: plugin \"hosts\" may change an answer: the kernel passes"),
        "{passed}"
    );
    assert!(
        passed.ends_with("would answer nothing beside CoreDNS\n"),
        "{passed}"
    );
    assert!(
        answered.ends_with("the kernel would answer names of cluster.local. in-addr.arpa.\n"),
        "{answered}"
    );
}
