//! `any`, `chaos`, `nsid` and `transfer`: what their lines come to, and what is said of bad ones.

use super::super::check;
use super::{Directory, in_block};
use crate::plugin::transfer::To;

#[test]
fn what_is_said_of_the_server_has_the_defaults_of_coredns() {
    let config = in_block("chaos\nnsid\nany").unwrap();
    let server = &config.servers[0];
    let chaos = server.chaos.as_ref().unwrap();
    assert!(chaos.version.starts_with("KernDNS-"), "{}", chaos.version);
    assert_eq!(chaos.authors.len(), 1);
    assert_eq!(server.nsid, Some(crate::serve::identity::host_name()));
    assert!(server.any);
    let config = in_block("chaos V-1 b@c a@b b@c\nnsid the second node").unwrap();
    let server = &config.servers[0];
    let chaos = server.chaos.as_ref().unwrap();
    assert_eq!(chaos.version, "V-1");
    assert!(chaos.authors.iter().eq(["a@b", "b@c"]));
    assert_eq!(server.nsid.as_deref(), Some("the second node"));
    assert!(!server.any);
}

#[test]
fn a_transfer_is_to_whom_its_block_says() {
    let config = in_block(
        "transfer {\nto 192.0.2.1 *\nto [2001:db8::1]:54\n}\ntransfer a.example 10.0.0.0/8 {\nsource 192.0.2.9\nto 192.0.2.2:5353\n}",
    );
    let [all, some] = &config.unwrap().servers[0].transfer[..] else {
        panic!("two lines")
    };
    let to: Vec<String> = all.to.iter().map(To::to_string).collect();
    assert_eq!(to, ["192.0.2.1:53", "*", "[2001:db8::1]:54"]);
    let zones =
        |zones: &[crate::record::Name]| zones.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(zones(&all.zones), ["."]);
    assert_eq!(zones(&some.zones), ["a.example.", "10.in-addr.arpa."]);
    assert_eq!(some.source, Some("192.0.2.9".parse().unwrap()));
}

#[test]
fn what_cannot_be_is_named_by_line() {
    let long = "x".repeat(256);
    let to = "IP addresses, each with or without a port, or \"*\"";
    let rows = [
        (
            "any x",
            "2: \"any\" has 1 argument; expected nothing".to_owned(),
        ),
        (
            "any {\nx\n}",
            "3: unknown option \"x\" of \"any\"; KernDNS knows: no option of it".into(),
        ),
        (
            "any\nany",
            "3: plugin \"any\" is already in this server block, at line 2; expected it once".into(),
        ),
        (
            &format!("chaos V {long}"),
            format!("2: \"chaos\" has the argument \"{long}\"; expected at most 255 octets"),
        ),
        (
            "chaos {\nx\n}",
            "3: unknown option \"x\" of \"chaos\"; KernDNS knows: no option of it".into(),
        ),
        (
            &format!("nsid {long}"),
            format!("2: \"nsid\" has the argument \"{long}\"; expected at most 128 octets in all"),
        ),
        (
            "nsid a\nnsid b",
            "3: plugin \"nsid\" is already in this server block, at line 2; expected it once"
                .into(),
        ),
        (
            "transfer",
            "2: \"transfer\" says to nobody; expected \"to\" with one or more addresses, or \"*\""
                .into(),
        ),
        (
            "transfer {\nto\n}",
            format!("3: \"to\" has no argument; expected {to}"),
        ),
        (
            "transfer {\nto ns.example 192.0.2.1\n}",
            format!("3: \"to\" has the argument \"ns.example\"; expected {to}"),
        ),
        (
            "transfer {\nto *\nsource ns.example\n}",
            "4: \"source\" has the argument \"ns.example\"; expected an IP address of this host"
                .into(),
        ),
        (
            "transfer {\nto *\nsource 192.0.2.1\nsource ::1\n}",
            "5: option \"source\" of \"transfer\" is already in this block; expected it once"
                .into(),
        ),
        (
            "transfer {\nto *\nfrom 192.0.2.1\n}",
            "4: unknown option \"from\" of \"transfer\"; KernDNS knows: to, source".into(),
        ),
    ];
    for (lines, message) in rows {
        let error = in_block(lines).unwrap_err().to_string();
        assert_eq!(error, format!("Corefile:{message}"), "{lines}");
    }
}

#[test]
fn each_has_its_line_in_the_summary() {
    let directory = Directory::new("authority");
    let path = directory.file(
        "Corefile",
        "cluster.local {\nkubernetes\nany\nchaos V-1 a b\nnsid n\ntransfer {\nto * 192.0.2.1\nsource 192.0.2.2\n}\n}\n",
    );
    let (text, good) = check(Some(&path), None);
    assert!(good, "{text}");
    for line in [
        "any",
        "chaos V-1 by a, b",
        "nsid n",
        "transfer cluster.local. to * 192.0.2.1:53, notifying from 192.0.2.2",
    ] {
        assert!(
            text.lines().any(|found| found == format!("    {line}")),
            "{line} in {text}"
        );
    }
}
