//! `kubernetes [ZONES...] { ... }` -> [`Options`], with the defaults of CoreDNS
//! (`plugin/kubernetes/setup.go`).

use std::sync::Arc;

use super::{Options, Pods};
use crate::corefile::{Directive, Known, Problem, Report, is_reverse, zones};
use crate::record::Name;

const OPTIONS: Known = Known {
    plugin: "kubernetes",
    acting: &[
        "pods",
        "ttl",
        "fallthrough",
        "namespaces",
        "endpoint_pod_names",
        "noendpoints",
        "ignore",
    ],
    silent: &[],
    missing: &[
        "apiserver_burst",
        "apiserver_max_inflight",
        "apiserver_qps",
        "endpoint",
        "kubeconfig",
        "labels",
        "multicluster",
        "namespace_labels",
        "startup_timeout",
        "tls",
        "zonal",
    ],
};

const PODS: &str = "\"disabled\", \"insecure\" or \"verified\"";
const NOTHING: &str = "none";

/// What the line and its block say; the zones are `server_zones` where it names none.
pub fn setup(line: &Directive, server_zones: &[Name], report: &mut Report) -> Options {
    let mut options = Options {
        zones: zones(&line.args, report),
        ..Options::default()
    };
    if line.args.is_empty() {
        options.zones = server_zones.to_vec();
    }
    if !options.zones.is_empty() && options.zones.iter().all(is_reverse) {
        report.refuse(&line.name.at, Problem::NoClusterDomain);
    }
    for option in OPTIONS.options(line, report) {
        read(option, &mut options, report);
    }
    options
}

fn read(option: &Directive, options: &mut Options, report: &mut Report) {
    match option.name.text.as_str() {
        "pods" => read_pods(option, options, report),
        "ttl" => {
            let seconds = |text: &str| text.parse().ok().filter(|ttl| *ttl <= 3600);
            if let Some(ttl) = option.only("seconds from 0 to 3600", seconds, report) {
                options.ttl = ttl;
            }
        }
        "fallthrough" if option.args.is_empty() => options.fallthrough.clone_from(&options.zones),
        "fallthrough" => options.fallthrough = zones(&option.args, report),
        "namespaces" => {
            option.counts(1..=usize::MAX, "one or more namespaces", report);
            let names = option.args.iter().map(|arg| Arc::from(arg.text.as_str()));
            options.namespaces.extend(names);
        }
        "endpoint_pod_names" => {
            options.endpoint_pod_names = option.counts(0..=0, NOTHING, report);
        }
        "noendpoints" => options.noendpoints = option.counts(0..=0, NOTHING, report),
        "ignore" => {
            let empty_service = |text: &str| (text == "empty_service").then_some(true);
            let ignore = option.only("\"empty_service\"", empty_service, report);
            options.ignore_empty_service = ignore.unwrap_or_default();
        }
        // `OPTIONS` lets nothing else through.
        _ => {}
    }
}

fn read_pods(option: &Directive, options: &mut Options, report: &mut Report) {
    let mode = |text: &str| match text {
        "disabled" => Some(Pods::Disabled),
        "insecure" => Some(Pods::Insecure),
        "verified" => Some(Pods::Verified),
        _ => None,
    };
    if let Some(pods) = option.only(PODS, mode, report) {
        options.pods = pods;
    }
}
