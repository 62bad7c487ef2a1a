//! What `kerndns check` prints: every fault and warning by line, or a summary of the servers; of a Corefile that is
//! CoreDNS's, the names that the kernel would answer.

use std::path::Path;

use super::error::CorefileError;
use super::{Beside, Config, Server};
use crate::plugin::kubernetes::{self, Pods};
use crate::plugin::{autopath, chaos, forward, k8s_external, transfer};
use crate::record::Name;

/// Reads the Corefile at `path`, the built-in one without a path; with `beside`, as CoreDNS's. Returns the report, which
/// ends with a line end, and whether KernDNS would start with it.
pub fn check(path: Option<&Path>, beside: Option<&Beside>) -> (String, bool) {
    let built_in = || "built-in kubeadm.Corefile".to_owned();
    let name = path.map_or_else(built_in, |path| path.display().to_string());
    let result = match (path, beside) {
        (Some(path), Some(beside)) => Config::load_beside(path, beside),
        (Some(path), None) => Config::load(path),
        // Nothing in it that `beside` has a say in.
        (None, _) => Config::embedded(),
    };
    let good = result.is_ok();
    let mut lines = match result {
        Ok(config) if beside.is_some() => beside_lines(&name, &config),
        Ok(config) => good_lines(&name, &config),
        Err(CorefileError::Faults { faults, warnings }) => {
            let mut lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
            lines.extend(warnings.iter().map(|warning| format!("warning: {warning}")));
            lines.push(format!("{name}: {}", count(faults.len(), "error")));
            lines
        }
        Err(error) => vec![error.to_string()],
    };
    lines.push(String::new());
    (lines.join("\n"), good)
}

fn good_lines(name: &str, config: &Config) -> Vec<String> {
    let warnings = config.warnings.iter();
    let mut lines: Vec<String> = warnings
        .map(|warning| format!("warning: {warning}"))
        .collect();
    let servers = count(config.servers.len(), "server");
    lines.push(format!("{name}: good, {servers}"));
    for server in &config.servers {
        lines.push(head(server));
        lines.extend(plugins(server).iter().map(|plugin| format!("    {plugin}")));
    }
    lines
}

/// What is CoreDNS's own business is left out.
fn beside_lines(name: &str, config: &Config) -> Vec<String> {
    let warnings = config.warnings.iter();
    let mut lines: Vec<String> = warnings
        .map(|warning| format!("warning: {warning}"))
        .collect();
    lines.extend(config.passed.iter().cloned());
    let blocks = config
        .servers
        .iter()
        .filter_map(|server| server.kubernetes.as_ref());
    let zones: Vec<String> = blocks.map(|options| names(&options.zones)).collect();
    lines.push(if zones.is_empty() {
        format!("{name}: good, and the kernel would answer nothing beside CoreDNS")
    } else {
        format!(
            "{name}: good, and beside CoreDNS the kernel would answer names of {}",
            zones.join(" ")
        )
    });
    lines
}

fn head(server: &Server) -> String {
    let addresses = match server.bind.as_slice() {
        [] => "all addresses".to_owned(),
        bind => bind.join(", "),
    };
    let zones = names(&server.zones);
    format!("{zones} on port {} of {addresses}", server.port)
}

/// One line for each plugin, alphabetically.
fn plugins(server: &Server) -> Vec<String> {
    let mut plugins = Vec::new();
    if server.any {
        plugins.push("any".to_owned());
    }
    plugins.extend(server.autopath.as_ref().map(autopath));
    plugins.extend(server.chaos.as_ref().map(chaos));
    if server.errors {
        plugins.push("errors".to_owned());
    }
    plugins.extend(server.forward.iter().map(forward));
    if let Some(health) = &server.health {
        let lameduck = health.lameduck;
        plugins.push(format!(
            "health on {}, lameduck {lameduck:?}",
            health.address
        ));
    }
    plugins.extend(server.k8s_external.as_ref().map(k8s_external));
    plugins.extend(server.kubernetes.as_ref().map(kubernetes));
    if server.loadbalance {
        plugins.push("loadbalance".to_owned());
    }
    plugins.extend(server.nsid.iter().map(|data| format!("nsid {data}")));
    let on = |plugin: &str, address: &String| format!("{plugin} on {address}");
    plugins.extend(server.prometheus.iter().map(|at| on("prometheus", at)));
    plugins.extend(server.ready.iter().map(|at| on("ready", at)));
    plugins.extend(server.reload.map(|every| format!("reload every {every:?}")));
    plugins.extend(server.transfer.iter().map(transfer));
    plugins
}

fn autopath(options: &autopath::Options) -> String {
    let path = match &options.search {
        autopath::Search::Kubernetes { own } if own.is_empty() => "@kubernetes".to_owned(),
        autopath::Search::Kubernetes { own } => format!("@kubernetes, then {}", names(own)),
        autopath::Search::File(path) => names(path),
    };
    format!("autopath {}: {path}", names(&options.zones))
}

fn chaos(options: &chaos::Options) -> String {
    let authors: Vec<&str> = options.authors.iter().map(String::as_str).collect();
    let version = &options.version;
    format!("chaos {version} by {}", authors.join(", "))
}

fn forward(options: &forward::Options) -> String {
    let to: Vec<String> = options.to.iter().map(ToString::to_string).collect();
    let mut parts = vec![format!("forward {} to {}", options.from, to.join(" "))];
    if !options.except.is_empty() {
        parts.push(format!("except {}", names(&options.except)));
    }
    parts.join(", ")
}

fn transfer(options: &transfer::Options) -> String {
    let to: Vec<String> = options.to.iter().map(ToString::to_string).collect();
    let mut text = format!("transfer {} to {}", names(&options.zones), to.join(" "));
    if let Some(source) = options.source {
        text.push_str(&format!(", notifying from {source}"));
    }
    text
}

fn k8s_external(options: &k8s_external::Options) -> String {
    let zones = names(&options.zones);
    let mut parts = vec![format!("k8s_external {zones}: ttl {}", options.ttl)];
    parts.push(format!("apex {}", options.apex));
    if options.headless {
        parts.push("headless".to_owned());
    }
    if !options.fallthrough.is_empty() {
        parts.push(format!("fallthrough {}", names(&options.fallthrough)));
    }
    parts.join(", ")
}

fn kubernetes(options: &kubernetes::Options) -> String {
    let pods = match options.pods {
        Pods::Disabled => "disabled",
        Pods::Insecure => "insecure",
        Pods::Verified => "verified",
    };
    let zones = names(&options.zones);
    let mut parts = vec![format!(
        "kubernetes {zones}: pods {pods}, ttl {}",
        options.ttl
    )];
    if !options.fallthrough.is_empty() {
        parts.push(format!("fallthrough {}", names(&options.fallthrough)));
    }
    if !options.namespaces.is_empty() {
        let namespaces: Vec<&str> = options.namespaces.iter().map(AsRef::as_ref).collect();
        parts.push(format!("namespaces {}", namespaces.join(" ")));
    }
    for (option, selector) in [
        ("labels", &options.labels),
        ("namespace_labels", &options.namespace_labels),
    ] {
        parts.extend(
            selector
                .iter()
                .map(|selector| format!("{option} {selector}")),
        );
    }
    if !options.multicluster.is_empty() {
        parts.push(format!("multicluster {}", names(&options.multicluster)));
    }
    let flags = [
        (options.endpoint_pod_names, "endpoint_pod_names"),
        (options.noendpoints, "noendpoints"),
        (options.ignore_empty_service, "ignore empty_service"),
        (options.zonal, "zonal"),
    ];
    let set = flags.into_iter().filter(|(set, _)| *set);
    parts.extend(set.map(|(_, flag)| flag.to_owned()));
    parts.join(", ")
}

fn names(names: &[Name]) -> String {
    let names: Vec<String> = names.iter().map(Name::to_string).collect();
    names.join(" ")
}

fn count(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}
