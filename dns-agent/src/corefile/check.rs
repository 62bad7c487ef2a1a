//! What `kerndns check` prints: every fault and warning by line, or a summary of the servers.

use std::fmt::Write;
use std::path::Path;

use super::error::CorefileError;
use super::{Config, Server};
use crate::plugin::kubernetes::{self, Pods};
use crate::record::Name;

/// Reads the Corefile at `path`, the built-in one without a path. Returns the report, which ends
/// with a line end, and whether KernDNS would start with it.
pub fn check(path: Option<&Path>) -> (String, bool) {
    let (name, result) = match path {
        Some(path) => (path.display().to_string(), Config::load(path)),
        None => ("built-in kubeadm.Corefile".to_owned(), Config::embedded()),
    };
    let mut text = String::new();
    let good = match result {
        Ok(config) => {
            lines(&mut text, "warning: ", &config.warnings);
            text.push_str(&summary(&name, &config));
            true
        }
        Err(CorefileError::Faults { faults, warnings }) => {
            lines(&mut text, "", &faults);
            lines(&mut text, "warning: ", &warnings);
            let count = match faults.len() {
                1 => "1 error".to_owned(),
                count => format!("{count} errors"),
            };
            lines(&mut text, "", &[format!("{name}: {count}")]);
            false
        }
        Err(error) => {
            lines(&mut text, "", &[error]);
            false
        }
    };
    (text, good)
}

fn lines<T: std::fmt::Display>(text: &mut String, before: &str, lines: &[T]) {
    for line in lines {
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "{before}{line}");
    }
}

fn summary(name: &str, config: &Config) -> String {
    let count = match config.servers.len() {
        1 => "1 server".to_owned(),
        count => format!("{count} servers"),
    };
    let mut text = format!("{name}: good, {count}\n");
    for server in &config.servers {
        lines(&mut text, "", &[head(server)]);
        lines(&mut text, "    ", &plugins(server));
    }
    text
}

fn head(server: &Server) -> String {
    let addresses = match server.bind.as_slice() {
        [] => "all addresses".to_owned(),
        bind => bind.join(", "),
    };
    format!(
        "{} on port {} of {addresses}",
        names(&server.zones),
        server.port
    )
}

/// One line for each plugin, alphabetically.
fn plugins(server: &Server) -> Vec<String> {
    let mut plugins = Vec::new();
    if server.errors {
        plugins.push("errors".to_owned());
    }
    for forward in &server.forward {
        let to: Vec<String> = forward.to.iter().map(ToString::to_string).collect();
        let mut line = format!("forward {} to {}", forward.from, to.join(" "));
        if !forward.except.is_empty() {
            line += &format!(", except {}", names(&forward.except));
        }
        plugins.push(line);
    }
    if let Some(health) = &server.health {
        let lameduck = health.lameduck;
        plugins.push(format!(
            "health on {}, lameduck {lameduck:?}",
            health.address
        ));
    }
    plugins.extend(server.kubernetes.as_ref().map(kubernetes));
    if server.loadbalance {
        plugins.push("loadbalance".to_owned());
    }
    let on = |plugin: &str, address: &String| format!("{plugin} on {address}");
    plugins.extend(server.prometheus.iter().map(|at| on("prometheus", at)));
    plugins.extend(server.ready.iter().map(|at| on("ready", at)));
    plugins.extend(server.reload.map(|every| format!("reload every {every:?}")));
    plugins
}

fn kubernetes(options: &kubernetes::Options) -> String {
    let pods = match options.pods {
        Pods::Disabled => "disabled",
        Pods::Insecure => "insecure",
    };
    let zones = names(&options.zones);
    let mut line = format!("kubernetes {zones}: pods {pods}, ttl {}", options.ttl);
    if !options.fallthrough.is_empty() {
        line += &format!(", fallthrough {}", names(&options.fallthrough));
    }
    if !options.namespaces.is_empty() {
        let namespaces: Vec<&str> = options.namespaces.iter().map(AsRef::as_ref).collect();
        line += &format!(", namespaces {}", namespaces.join(" "));
    }
    let flags = [
        (options.endpoint_pod_names, ", endpoint_pod_names"),
        (options.noendpoints, ", noendpoints"),
        (options.ignore_empty_service, ", ignore empty_service"),
    ];
    line.extend(flags.iter().filter(|(set, _)| *set).map(|(_, flag)| *flag));
    line
}

fn names(names: &[Name]) -> String {
    let names: Vec<String> = names.iter().map(Name::to_string).collect();
    names.join(" ")
}
