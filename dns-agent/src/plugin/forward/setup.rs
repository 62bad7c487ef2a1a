//! `forward FROM TO... { ... }` -> [`Options`], as CoreDNS reads it (`plugin/forward/setup.go`).
//! A `TO` is an address with or without a port, or a file like resolv.conf(5), of which the
//! `nameserver` lines count.

use std::net::SocketAddr;

use super::Options;
use crate::corefile::{
    Directive, Known, Problem, Report, Token, parse_zone, read_text, server_address, zones,
};
use crate::record::Name;

const OPTIONS: Known = Known {
    plugin: "forward",
    acting: &["except"],
    silent: &["max_concurrent", "force_tcp", "prefer_udp"],
    missing: &[
        "doh_method",
        "expire",
        "failfast_all_unhealthy_upstreams",
        "failover",
        "health_check",
        "max_age",
        "max_connect_attempts",
        "max_fails",
        "max_idle_conns",
        "next",
        "next_on_nodata",
        "policy",
        "resolver",
        "tls",
        "tls_servername",
    ],
};

/// CoreDNS's limit.
const MAX_UPSTREAMS: usize = 15;

/// What the line and its block say; `None` where the line does not say enough.
pub fn setup(line: &Directive, report: &mut Report) -> Option<Options> {
    let mut except = Vec::new();
    for option in OPTIONS.options(line, report) {
        option.counts(1..=usize::MAX, "one or more zones", report);
        except.extend(zones(&option.args, report));
    }
    let [from, to @ ..] = line.args.as_slice() else {
        line.counts(2..=usize::MAX, EXPECTED, report);
        return None;
    };
    let from = read_from(from, report);
    if !line.counts(2..=usize::MAX, EXPECTED, report) {
        return None;
    }
    let to = upstreams(line, to, report);
    Some(Options {
        from: from?,
        to,
        except,
    })
}

const EXPECTED: &str = "a zone and one or more upstreams";

fn read_from(arg: &Token, report: &mut Report) -> Option<Name> {
    match parse_zone(&arg.text) {
        Ok(mut zones) if zones.len() == 1 => zones.pop(),
        Ok(zones) => {
            let (given, zones) = (arg.text.clone(), zones.len());
            report.refuse(&arg.at, Problem::ManyZones { given, zones });
            None
        }
        Err(error) => {
            report.refuse(&arg.at, error);
            None
        }
    }
}

fn upstreams(line: &Directive, args: &[Token], report: &mut Report) -> Vec<SocketAddr> {
    let before = report.faults();
    let mut to = Vec::new();
    for arg in args {
        let address = match arg.text.split_once("://") {
            None => arg.text.as_str(),
            Some(("dns", address)) => address,
            Some((transport, _)) => {
                let (given, transport) = (arg.text.clone(), transport.to_owned());
                report.refuse(&arg.at, Problem::UpstreamTransport { given, transport });
                continue;
            }
        };
        match server_address(address) {
            Some(address) => to.push(address),
            None => to.extend(read_file(arg, address, report)),
        }
    }
    let given = to.len();
    if given > MAX_UPSTREAMS {
        let most = MAX_UPSTREAMS;
        report.refuse(&line.name.at, Problem::ManyUpstreams { given, most });
    }
    // With an upstream that was refused the cause is told already.
    if given == 0 && report.faults() == before {
        let files: Vec<&str> = args.iter().map(|arg| arg.text.as_str()).collect();
        let files = files.join(", ");
        report.refuse(&line.name.at, Problem::NoUpstream { files });
    }
    to
}

fn read_file(arg: &Token, path: &str, report: &mut Report) -> Vec<SocketAddr> {
    let text = match read_text(path.as_ref()) {
        Ok(text) => text,
        Err(error) => {
            let problem = Problem::Upstream {
                given: arg.text.clone(),
                reason: error.to_string(),
            };
            report.refuse(&arg.at, problem);
            return Vec::new();
        }
    };
    let mut servers = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let mut words = line.split_whitespace();
        if words.next() != Some("nameserver") {
            continue;
        }
        let Some(word) = words.next() else { continue };
        match server_address(word) {
            Some(server) => servers.push(server),
            // The C library, too, goes on behind such a line.
            None => report.warn(
                &arg.at,
                format_args!(
                    "{path}:{}: nameserver {word:?} is not an IP address; left out",
                    number + 1
                ),
            ),
        }
    }
    servers
}
