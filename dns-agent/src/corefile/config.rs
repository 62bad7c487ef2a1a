//! Server blocks -> [`Config`]: keys read, each plugin's lines handed to its folder in `plugin`,
//! zones that are served twice refused, as in CoreDNS (`core/dnsserver/register.go`).

use std::collections::HashMap;
use std::path::Path;

use super::args::Known;
use super::error::{CorefileError, Problem, Report};
use super::lexer::{Environment, Position};
use super::parser::{self, Directive, ServerBlock};
use super::{Beside, Config, Server, ZoneError, import, zone};
use crate::k8s::needs::SELECTORS;
use crate::k8s::selector::Selector;
use crate::k8s::target::Target;
use crate::plugin::{
    any, autopath, bind, chaos, errors, forward, health, k8s_external, kubernetes, loadbalance,
    nsid, prometheus, ready, reload, transfer,
};
use crate::record::Name;

/// The port of a key that names none.
const DNS_PORT: u16 = 53;

/// The plugins that act.
const ACTING: &[&str] = &[
    "any",
    "autopath",
    "bind",
    "chaos",
    "errors",
    "forward",
    "health",
    "k8s_external",
    "kubernetes",
    "loadbalance",
    "nsid",
    "prometheus",
    "ready",
    "reload",
    "transfer",
];

/// The other plugins of the kubeadm and NodeLocal DNSCache Corefiles, with the options they have
/// there. Accepted as a whole, with one warning.
const SILENT: [Known; 2] = [
    Known {
        plugin: "cache",
        acting: &["success", "denial", "disable"],
        silent: &[],
        missing: &["keepttl", "prefetch", "serve_stale", "servfail"],
    },
    Known {
        plugin: "loop",
        acting: &[],
        silent: &[],
        missing: &[],
    },
];

/// The rest of CoreDNS 1.15's plugins (`plugin.cfg`): a name of these is no slip of the pen.
const NOT_BUILT: &str = "acl auto azure bufsize cancel clouddns debug dns64 \
    dnssec dnstap dynupdate erratic etcd file geoip grpc grpc_server header hosts https https3 \
    local log metadata minimal multisocket nomad pprof proxyproto quic \
    rewrite root route53 secondary shed sign siit template timeouts tls trace tsig view \
    whoami";

impl Config {
    /// Reads a Corefile's text; `file` is its name, for messages and as the place from which
    /// relative imports start.
    pub fn parse(text: &str, file: &Path) -> Result<Self, CorefileError> {
        parse_with(text, file, &|name| std::env::var(name).ok())
    }

    /// Reads a Corefile.
    pub fn load(path: &Path) -> Result<Self, CorefileError> {
        let text = import::read(path).map_err(|source| CorefileError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text, path)
    }

    /// The Corefile that kubeadm installs, with the zone cluster.local. Its upstreams are this
    /// machine's /etc/resolv.conf; without any there it is an error.
    pub fn embedded() -> Result<Self, CorefileError> {
        Self::parse(
            include_str!("kubeadm.Corefile"),
            Path::new("built-in kubeadm.Corefile"),
        )
    }

    /// Reads a Corefile that is CoreDNS's, beside which the agent answers.
    pub fn load_beside(path: &Path, beside: &Beside) -> Result<Self, CorefileError> {
        let text = import::read(path).map_err(|source| CorefileError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        Self::parse_beside(&text, path, beside)
    }

    /// As [`Self::load_beside`], from the file's text.
    pub fn parse_beside(text: &str, file: &Path, beside: &Beside) -> Result<Self, CorefileError> {
        let report = Report::beside(beside.clone());
        parse_into(report, text, file, &|name| std::env::var(name).ok())
    }

    /// The Corefile that kubeadm installs, with this cluster domain, as if it were CoreDNS's.
    pub fn embedded_beside(domain: &Name) -> Result<Self, CorefileError> {
        let domain = domain.to_string();
        let text = include_str!("kubeadm.Corefile").replace("cluster.local", &domain);
        let file = Path::new("built-in kubeadm.Corefile");
        Self::parse_beside(&text, file, &Beside::default())
    }

    /// The server block, as an index of `servers`, that CoreDNS chooses for `name` on `port`: that
    /// of the longest zone above it. Of blocks that differ only in `bind`, the first.
    pub fn select(&self, port: u16, name: &Name) -> Option<usize> {
        let mut best: Option<(usize, usize)> = None;
        for (index, server) in self.servers.iter().enumerate() {
            if server.port != port {
                continue;
            }
            for zone in server.zones.iter().filter(|zone| name.is_under(zone)) {
                let labels = zone.labels().count();
                if best.is_none_or(|(_, most)| labels > most) {
                    best = Some((index, labels));
                }
            }
        }
        best.map(|(index, _)| index)
    }
}

/// [`Config::parse`] with environment variables from elsewhere.
pub(super) fn parse_with(
    text: &str,
    file: &Path,
    environment: Environment<'_>,
) -> Result<Config, CorefileError> {
    parse_into(Report::default(), text, file, environment)
}

fn parse_into(
    mut report: Report,
    text: &str,
    file: &Path,
    environment: Environment<'_>,
) -> Result<Config, CorefileError> {
    let blocks = parser::parse(text, file, environment, &mut report);
    if blocks.is_empty() && report.faults.is_empty() {
        let start = Position {
            file: file.into(),
            line: 1,
        };
        report.refuse(&start, Problem::NoServer);
    }
    let mut servers = Vec::new();
    let mut served = Served::default();
    let mut followed = Followed::default();
    for block in &blocks {
        let built = build(block, &mut served, &mut report);
        if let (Some(key), Some(server)) = (block.keys.first(), built.first()) {
            followed.add(server, &key.at, &mut report);
        }
        servers.extend(built);
    }
    let (faults, warnings, passed) = report.sorted(file);
    if faults.is_empty() {
        Ok(Config {
            servers,
            warnings,
            passed,
        })
    } else {
        Err(CorefileError::Faults { faults, warnings })
    }
}

/// A server block as one server for each port it names.
fn build(block: &ServerBlock, served: &mut Served, report: &mut Report) -> Vec<Server> {
    let mut keys: Vec<(Name, u16, &Position)> = Vec::new();
    for token in &block.keys {
        match zone::key(&token.text) {
            Ok(key) => {
                let port = key.port.unwrap_or(DNS_PORT);
                keys.extend(key.zones.into_iter().map(|zone| (zone, port, &token.at)));
            }
            // Another transport is CoreDNS's business: the kernel answers plain DNS only.
            Err(ZoneError::Transport { .. }) if report.beside.is_some() => {}
            Err(error) => report.refuse(&token.at, error),
        }
    }
    let zones: Vec<Name> = keys.iter().map(|(zone, _, _)| zone.clone()).collect();
    let whole = plugins(&block.directives, zones, report);
    let mut servers: Vec<Server> = Vec::new();
    for (zone, port, at) in keys {
        served.add(&zone, port, &whole.bind, at, report);
        match servers.iter_mut().find(|server| server.port == port) {
            Some(server) => server.zones.push(zone),
            None => servers.push(Server {
                zones: vec![zone],
                port,
                ..whole.clone()
            }),
        }
    }
    servers
}

/// What the lines of a block say, for all its zones.
fn plugins(lines: &[Directive], zones: Vec<Name>, report: &mut Report) -> Server {
    let mut server = Server {
        zones,
        port: DNS_PORT,
        bind: Vec::new(),
        autopath: None,
        k8s_external: None,
        kubernetes: None,
        transfer: Vec::new(),
        forward: Vec::new(),
        nsid: None,
        any: false,
        chaos: None,
        loadbalance: false,
        errors: false,
        health: None,
        ready: None,
        prometheus: None,
        reload: None,
    };
    let mut first: HashMap<&str, usize> = HashMap::new();
    for line in lines {
        let mark = report.mark();
        let name = line.name.text.as_str();
        let repeatable = matches!(name, "bind" | "forward" | "loadbalance" | "transfer");
        if !repeatable
            && ACTING.contains(&name)
            && let Some(line_number) = first.insert(name, line.name.at.line)
        {
            let (plugin, line_number) = (name.to_owned(), line_number);
            let problem = Problem::PluginTwice {
                plugin,
                line: line_number,
            };
            report.refuse(&line.name.at, problem);
        }
        match name {
            "any" => {
                any::setup(line, report);
                server.any = true;
            }
            "autopath" => server.autopath = autopath::setup(line, &server.zones, report),
            "bind" => server.bind.extend(bind::setup(line, report)),
            "chaos" => server.chaos = Some(chaos::setup(line, report)),
            "errors" => {
                errors::setup(line, report);
                server.errors = true;
            }
            "forward" => server.forward.extend(forward::setup(line, report)),
            "health" => server.health = Some(health::setup(line, report)),
            "k8s_external" => {
                server.k8s_external = Some(k8s_external::setup(line, &server.zones, report));
            }
            "kubernetes" => {
                server.kubernetes = Some(kubernetes::setup(line, &server.zones, report));
            }
            "loadbalance" => {
                loadbalance::setup(line, report);
                server.loadbalance = true;
            }
            "nsid" => server.nsid = Some(nsid::setup(line, report)),
            "prometheus" => server.prometheus = Some(prometheus::setup(line, report)),
            "ready" => server.ready = Some(ready::setup(line, report)),
            "reload" => server.reload = Some(reload::setup(line, report)),
            "transfer" => server
                .transfer
                .extend(transfer::setup(line, &server.zones, report)),
            _ => without_effect(line, report),
        }
        report.read(line, mark);
    }
    let has_kubernetes = server.kubernetes.is_some();
    if let Some(beside) = report.beside.clone() {
        beside.settle(lines, &mut server, report);
    }
    let asks_kubernetes = server
        .autopath
        .as_ref()
        .is_some_and(|a| a.search.is_kubernetes());
    if let Some(line) = lines.iter().find(|line| line.name.text == "autopath")
        && asks_kubernetes
        && !has_kubernetes
    {
        let sentence = "\"autopath @kubernetes\" has no effect: there is no \"kubernetes\" in this server block";
        report.warn(&line.name.at, sentence);
    }
    let external = lines.iter().find(|line| line.name.text == "k8s_external");
    if let Some(line) = external.filter(|_| !has_kubernetes) {
        report.refuse(&line.name.at, Problem::NoKubernetes);
    }
    server
}

fn without_effect(line: &Directive, report: &mut Report) {
    let name = line.name.text.as_str();
    if let Some(known) = SILENT.iter().find(|known| known.plugin == name) {
        known.options(line, report);
        let sentence = format_args!("plugin {name:?} is accepted and has no effect yet");
        return report.warn(&line.name.at, sentence);
    }
    let silent = SILENT.iter().map(|known| known.plugin);
    let mut known: Vec<&str> = ACTING.iter().copied().chain(silent).collect();
    known.sort_unstable();
    let (name, known) = (name.to_owned(), known.join(", "));
    let problem = if NOT_BUILT.split_whitespace().any(|plugin| plugin == name) {
        Problem::PluginNotBuilt { name, known }
    } else {
        Problem::UnknownPlugin { name, known }
    };
    report.refuse(&line.name.at, problem);
}

/// What of which API server is followed.
#[derive(Default)]
struct Followed {
    target: Option<(Target, Position)>,
    selectors: Vec<Selector>,
}

impl Followed {
    /// Adds a block's, and reports what cannot be followed together.
    fn add(&mut self, server: &Server, at: &Position, report: &mut Report) {
        let Some(options) = &server.kubernetes else {
            return;
        };
        for selector in [&options.labels, &options.namespace_labels]
            .into_iter()
            .flatten()
        {
            if !self.selectors.contains(selector) {
                self.selectors.push(selector.clone());
            }
        }
        // One more of each kind is that of the blocks without one.
        if self.selectors.len() >= SELECTORS {
            report.refuse(at, Problem::ManySelectors(SELECTORS - 1));
        }
        if options.target == Target::default() {
            return;
        }
        match &self.target {
            Some((target, first)) if *target != options.target => {
                let first = first.clone();
                report.refuse(at, Problem::OtherApiServer { first });
            }
            Some(_) => {}
            None => self.target = Some((options.target.clone(), at.clone())),
        }
    }
}

/// Who serves what on which port.
#[derive(Default)]
struct Served(HashMap<(Name, u16), Vec<Listener>>);

struct Listener {
    /// Empty: all addresses.
    bind: Vec<String>,
    /// Where the key stands.
    at: Position,
}

impl Served {
    /// Adds a zone, and reports it if it is served already on one of the same addresses.
    fn add(&mut self, zone: &Name, port: u16, bind: &[String], at: &Position, report: &mut Report) {
        let others = self.0.entry((zone.clone(), port)).or_default();
        let overlaps = |other: &&Listener| {
            bind.is_empty()
                || other.bind.is_empty()
                || bind.iter().any(|address| other.bind.contains(address))
        };
        // CoreDNS tells such blocks apart by `view`; the kernel does not, and passes their names.
        if report.beside.is_none()
            && let Some(other) = others.iter().find(overlaps)
        {
            let (zone, first) = (zone.to_string(), other.at.clone());
            report.refuse(at, Problem::ZoneTwice { zone, port, first });
        }
        others.push(Listener {
            bind: bind.to_vec(),
            at: at.clone(),
        });
    }
}
