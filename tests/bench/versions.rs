//! The programs that are compared, that ask and that build, to their versions.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use serde::Serialize;

/// Programs with their versions.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub(crate) struct Versions(BTreeMap<&'static str, String>);

impl Versions {
    /// Asks all of them; one that is not there says so.
    pub(crate) fn read() -> Self {
        let coredns = env::var_os("COREDNS").unwrap_or_default();
        let assets = PathBuf::from(env::var_os("KUBEBUILDER_ASSETS").unwrap_or_default());
        // dnsperf says it only when it runs: with nothing to ask.
        let idle = ["-s", "127.0.0.1", "-l", "1", "-d", "/dev/null"];
        let programs: [(&str, OsString, &[&str]); 9] = [
            ("CoreDNS", coredns, &["-version"]),
            ("Knot DNS", "knotd".into(), &["--version"]),
            ("NSD", "nsd".into(), &["-v"]),
            ("Unbound", "unbound".into(), &["-V"]),
            ("dnsmasq", "dnsmasq".into(), &["--version"]),
            ("dnsperf", "dnsperf".into(), &idle),
            (
                "kube-apiserver",
                assets.join("kube-apiserver").into(),
                &["--version"],
            ),
            ("rustc", "rustc".into(), &["--version"]),
            ("bpf-linker", "bpf-linker".into(), &["--version"]),
        ];
        let own = env!("CARGO_PKG_VERSION").to_owned();
        let mut versions = BTreeMap::from([("KernDNS", own)]);
        for (name, program, arguments) in programs {
            let output = Command::new(program).args(arguments).output();
            let text = output.map_or_else(
                |_| String::new(),
                // NSD says it on the other one.
                |output| String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into(),
            );
            let version = number(&text).unwrap_or("of unknown version");
            versions.insert(name, version.to_owned());
        }
        Self(versions)
    }

    /// `NAME VERSION` of those that are named, with commas between.
    pub(crate) fn text(&self, names: &[&str]) -> String {
        let versions = names
            .iter()
            .filter_map(|name| Some(format!("{name} {}", self.0.get(name)?)));
        versions.collect::<Vec<_>>().join(", ")
    }
}

/// The first that looks like the number of a release.
fn number(text: &str) -> Option<&str> {
    let mut words = text.split(|c: char| !c.is_ascii_digit() && c != '.');
    let word = words.find(|word| {
        let inside = word.trim_matches('.');
        inside.contains('.')
    })?;
    Some(word.trim_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_programs_own_words_are_understood() {
        for (text, version) in [
            ("CoreDNS-1.15.0\nlinux/amd64, go1.26.8, \n", "1.15.0"),
            ("knotd (Knot DNS), version 3.2.6\n", "3.2.6"),
            ("Dnsmasq version 2.90  Copyright (c) 2000-2024", "2.90"),
            ("Kubernetes v1.36.3\n", "1.36.3"),
            ("rustc 1.95.0 (59807616e 2026-04-14)\n", "1.95.0"),
        ] {
            assert_eq!(number(text), Some(version));
        }
        assert_eq!(number("Usage: x [-f ...] 5"), None);
    }

    #[test]
    fn those_that_are_named_are_written_in_their_order() {
        let versions = [("KernDNS", "0.1"), ("NSD", "4.6.1"), ("rustc", "1.95.0")];
        let versions = Versions(
            versions
                .map(|(name, version)| (name, version.to_owned()))
                .into(),
        );
        assert_eq!(versions.text(&["rustc", "NSD"]), "rustc 1.95.0, NSD 4.6.1");
    }
}
