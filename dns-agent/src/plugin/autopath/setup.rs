//! `autopath [ZONE...] RESOLV-CONF` -> [`Options`], as CoreDNS reads it (`plugin/autopath/setup.go`).

use std::path::Path;

use super::{Options, Search};
use crate::corefile::{Directive, Known, Report, Token, parse_zone, read_text, zones};
use crate::record::Name;

const OPTIONS: Known = Known {
    plugin: "autopath",
    acting: &[],
    silent: &[],
    missing: &[],
};

const EXPECTED: &str = "zones, if any, and then a file such as resolv.conf, or @kubernetes";
/// This host's, for what pods have behind the cluster's own domains.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// What the line says; the zones are `server_zones` where it names none. `None`: it does not say enough.
pub fn setup(line: &Directive, server_zones: &[Name], report: &mut Report) -> Option<Options> {
    OPTIONS.options(line, report);
    let Some((from, named)) = line.args.split_last() else {
        line.counts(1..=usize::MAX, EXPECTED, report);
        return None;
    };
    let zones = match named {
        [] => server_zones.to_vec(),
        named => zones(named, report),
    };
    let search = match from.text.strip_prefix('@') {
        // Without the file a pod still has the cluster's own domains.
        Some("kubernetes") => Search::Kubernetes {
            own: read_text(Path::new(RESOLV_CONF))
                .map_or_else(|_| Vec::new(), |text| search(&text).0),
        },
        Some(_) => {
            line.refuse(from, "@kubernetes or a file", report);
            return None;
        }
        None => Search::File(read_file(line, from, report)?),
    };
    Some(Options { zones, search })
}

fn read_file(line: &Directive, arg: &Token, report: &mut Report) -> Option<Vec<Name>> {
    let Ok(text) = read_text(arg.text.as_ref()) else {
        line.refuse(arg, "a file that can be read, or @kubernetes", report);
        return None;
    };
    let (names, bad) = search(&text);
    for word in bad {
        let path = &arg.text;
        report.warn(
            &arg.at,
            format_args!("{path}: search {word:?} is not a domain name; left out"),
        );
    }
    if names.is_empty() {
        let path = &arg.text;
        report.warn(
            &arg.at,
            format_args!("{path} has no \"search\" line with a domain: \"autopath\" has no effect"),
        );
    }
    Some(names)
}

/// The domains of resolv.conf(5) that are searched, and the words there that are none. Of several `search` and
/// `domain` lines the last one counts.
fn search(text: &str) -> (Vec<Name>, Vec<&str>) {
    let mut last: Vec<&str> = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("search") => last = words.collect(),
            Some("domain") => last = words.take(1).collect(),
            _ => {}
        }
    }
    let mut names = Vec::new();
    let mut bad = Vec::new();
    for word in last {
        match parse_zone(word).map(|mut zones| (zones.pop(), zones.is_empty())) {
            Ok((Some(name), true)) => names.push(name),
            _ => bad.push(word),
        }
    }
    (names, bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_search_line_counts_and_its_good_domains_are_kept() {
        let rows: [(&str, &[&str], &[&str]); 6] = [
            ("", &[], &[]),
            (
                "nameserver 1.1.1.1\nsearch a.test B.test.\n",
                &["a.test.", "b.test."],
                &[],
            ),
            ("search a.test\nsearch b.test", &["b.test."], &[]),
            ("search a.test\ndomain c.test d.test", &["c.test."], &[]),
            ("  search\ta..test b.test", &["b.test."], &["a..test"]),
            ("# search a.test\n;search b.test", &[], &[]),
        ];
        for (text, expected, expected_bad) in rows {
            let (names, bad) = search(text);
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            assert_eq!(names, expected, "{text:?}");
            assert_eq!(bad, expected_bad, "{text:?}");
        }
    }
}
