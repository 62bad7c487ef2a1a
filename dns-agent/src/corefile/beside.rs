//! A Corefile that belongs to the cluster's CoreDNS, read by an agent that answers beside it: what
//! the file says of sockets, upstreams and logs is CoreDNS's business, and a plugin that KernDNS
//! lacks is no fault of the file.
//!
//! An answer from the kernel goes past every plugin of its server block. Which of them could have
//! changed it, or has to see it, follows from CoreDNS's order of plugins (`plugin.cfg` of 1.15):
//! one that stands behind `kubernetes` sees a name of the cluster only where `kubernetes` lets it
//! fall through, and such names the kernel passes anyway. The zones of a server block with another
//! one are passed as a whole.

use super::error::{Fault, Problem, Report};
use super::parser::Directive;
use super::{Server, zone};
use crate::plugin::reload;
use crate::record::Name;

/// How a Corefile of CoreDNS's is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Beside {
    /// Plugins in spite of which the kernel answers.
    pub despite: Vec<String>,
}

/// The plugins past which an answer may go, with the reason where their place is before `kubernetes`.
const HARMLESS: [&str; 38] = [
    // Asked for by a QTYPE, QCLASS or opcode that the kernel passes: ANY, CH, AXFR and IXFR.
    "any",
    "chaos",
    "transfer",
    // Sockets, transports and the process.
    "bind",
    "cancel",
    "debug",
    "grpc_server",
    "health",
    "https",
    "https3",
    "multisocket",
    "pprof",
    "prometheus",
    "proxyproto",
    "quic",
    "ready",
    "reload",
    "root",
    "shed",
    "timeouts",
    "tls",
    // Tell other plugins something, or of failures.
    "errors",
    "geoip",
    "metadata",
    // Here, too.
    "kubernetes",
    "loadbalance",
    // Behind `kubernetes`.
    "auto",
    "erratic",
    "etcd",
    "file",
    "forward",
    "grpc",
    "loop",
    "nomad",
    "on",
    "secondary",
    "sign",
    "whoami",
];

/// The plugins that change nothing and write down each query.
const SEEING: [&str; 3] = ["dnstap", "log", "trace"];

/// The plugins before `kubernetes` that act in the zones of their arguments only, and the number of
/// other arguments before those.
const SCOPED: [(&str, usize); 6] = [
    ("acl", 0),
    ("dnssec", 0),
    ("hosts", 1),
    ("k8s_external", 0),
    ("log", 0),
    ("template", 2),
];

/// The smallest `bufsize` that leaves the kernel's answers as they are: none is longer.
const LONGEST_ANSWER: u16 = 1232;

impl Beside {
    /// Takes back those of the `faults` of `line` that are none where the file is CoreDNS's.
    pub(super) fn forgive(line: &Directive, faults: Vec<Fault>, report: &mut Report) {
        for fault in faults {
            match fault.problem {
                Problem::PluginNotBuilt { ref name, .. } if HARMLESS.contains(&name.as_str()) => {
                    let sentence = format_args!(
                        "KernDNS lacks plugin {name:?}, on which no answer of the kernel depends"
                    );
                    report.warn(&fault.at, sentence);
                }
                // `settle` decides by the plugin's name; nobody is asked by an agent without DNS sockets.
                Problem::UnknownPlugin { .. }
                | Problem::PluginNotBuilt { .. }
                | Problem::Upstream { .. }
                | Problem::UpstreamTransport { .. }
                | Problem::ManyUpstreams { .. }
                | Problem::NoUpstream { .. } => {}
                Problem::UnknownOption { ref option, .. }
                | Problem::OptionNotBuilt { ref option, .. } => {
                    lacks(line, &fault, option, report);
                }
                Problem::ArgumentNotBuilt {
                    ref name,
                    ref given,
                    ..
                } => {
                    lacks(line, &fault, &format!("{name} {given}"), report);
                }
                // The file it names is CoreDNS's to read.
                _ if line.name.text == "autopath" => {}
                _ => report.faults.push(fault),
            }
        }
    }

    /// Decides whether the kernel may answer in a server block, and takes out of it what is
    /// CoreDNS's.
    pub(super) fn settle(&self, lines: &[Directive], server: &mut Server, report: &mut Report) {
        server.forward.clear();
        (server.health, server.ready, server.prometheus) = (None, None, None);
        // Followed in any case: what CoreDNS does with a change is not known here.
        server.reload.get_or_insert(reload::DEFAULT_INTERVAL);
        let lacking = std::mem::take(&mut report.lacking);
        let Some(options) = server.kubernetes.take() else {
            return;
        };
        let mut may = true;
        let mut pass = |at: &super::Position, what: String, report: &mut Report| {
            may = false;
            let zones: Vec<String> = server.zones.iter().map(Name::to_string).collect();
            report.pass(
                at,
                format_args!(
                    "{what}: the kernel passes the names of this server block ({})",
                    zones.join(" ")
                ),
            );
        };
        for (at, what) in lacking {
            pass(&at, what, report);
        }
        for line in lines {
            let name = &line.name.text;
            let Some(why) = effect(line, &options.zones, options.ttl) else {
                continue;
            };
            if self.despite.contains(name) {
                report.warn(
                    &line.name.at,
                    format_args!("plugin {name:?} {why}; the kernel answers in spite of it"),
                );
            } else {
                pass(&line.name.at, format!("plugin {name:?} {why}"), report);
            }
        }
        if may {
            server.kubernetes = Some(options);
        }
    }
}

/// An option that KernDNS lacks: of `kubernetes` or `loadbalance` it bears on the answers.
fn lacks(line: &Directive, fault: &Fault, option: &str, report: &mut Report) {
    let plugin = &line.name.text;
    if matches!(plugin.as_str(), "kubernetes" | "loadbalance") {
        let what = format!("KernDNS lacks {option:?} of {plugin:?}");
        report.lacking.push((fault.at.clone(), what));
    }
}

/// Why an answer may not go past the plugin of this line, if it may not. `zones` and `ttl` are those
/// of `kubernetes`.
fn effect(line: &Directive, zones: &[Name], ttl: u32) -> Option<&'static str> {
    let name = line.name.text.as_str();
    if HARMLESS.contains(&name) || is_elsewhere(line, zones) {
        return None;
    }
    match name {
        "bufsize" => (number(line.args.first()).is_some_and(|size| size < LONGEST_ANSWER.into()))
            .then_some("may shorten an answer"),
        "cache" => cuts_ttl(line, ttl).then_some("may lower the TTL of an answer"),
        // Without it an unsigned query is answered, and a signed one the kernel passes.
        "tsig" => line
            .block
            .iter()
            .any(|option| option.name.text == "require")
            .then_some("may refuse a query"),
        _ if SEEING.contains(&name) => Some("has to see each query"),
        _ => Some("may change an answer"),
    }
}

/// Whether the plugin acts in zones only that share no name with those of `kubernetes`.
fn is_elsewhere(line: &Directive, zones: &[Name]) -> bool {
    let Some((_, before)) = SCOPED.iter().find(|(name, _)| *name == line.name.text) else {
        return false;
    };
    let mut own = Vec::new();
    for arg in line.args.iter().skip(*before) {
        // What is no zone is something else, as the format of `log` is.
        if let Ok(more) = zone::parse(&arg.text) {
            own.extend(more);
        }
    }
    let apart = |own: &Name| {
        !zones
            .iter()
            .any(|zone| own.is_under(zone) || zone.is_under(own))
    };
    !own.is_empty() && own.iter().all(apart)
}

/// Whether `cache` lowers a TTL of `ttl`: `cache [TTL]` and `success CAPACITY [TTL]` cap it, but for
/// zones of `disable`, where that is every zone.
fn cuts_ttl(line: &Directive, ttl: u32) -> bool {
    let success = line
        .block
        .iter()
        .find(|option| option.name.text == "success")
        .and_then(|option| option.args.get(1));
    number(success.or(line.args.first())).is_some_and(|most| most < ttl)
}

fn number(arg: Option<&super::Token>) -> Option<u32> {
    arg?.text.parse().ok()
}
