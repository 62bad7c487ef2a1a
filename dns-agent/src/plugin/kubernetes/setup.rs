//! `kubernetes [ZONES...] { ... }` -> [`Options`], with the defaults of CoreDNS
//! (`plugin/kubernetes/setup.go`).

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use super::{Options, Pods};
use crate::corefile::{
    Directive, Known, Problem, Report, check_room_for_soa, duration, is_reverse, zones,
};
use crate::k8s::selector::Selector;
use crate::k8s::target::{Target, Tls};
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
        "labels",
        "namespace_labels",
        "zonal",
        "multicluster",
        "startup_timeout",
        "kubeconfig",
        "endpoint",
        "tls",
        "apiserver_qps",
        "apiserver_burst",
        "apiserver_max_inflight",
    ],
    silent: &[],
    missing: &[],
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
    check_room_for_soa(line, &options.zones, &["hostmaster"], report);
    for option in OPTIONS.options(line, report) {
        read(option, &mut options, report);
    }
    contradictions(line, &options, report);
    options
}

fn contradictions(line: &Directive, options: &Options, report: &mut Report) {
    let mut exclude = |is_so, option, other| {
        if is_so {
            report.refuse(&line.name.at, Problem::OptionsExclude { option, other });
        }
    };
    let both = !options.namespaces.is_empty() && options.namespace_labels.is_some();
    exclude(both, "namespaces", "namespace_labels");
    // Zone-scoped names are made of endpoints.
    exclude(options.zonal && options.noendpoints, "zonal", "noendpoints");
    for zone in &options.multicluster {
        if !options.zones.contains(zone) {
            let zones: Vec<String> = options.zones.iter().map(Name::to_string).collect();
            let problem = Problem::NotAuthoritative {
                zone: zone.to_string(),
                zones: zones.join(", "),
            };
            report.refuse(&line.name.at, problem);
        }
    }
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
        "labels" => options.labels = selector(option, report),
        "namespace_labels" => options.namespace_labels = selector(option, report),
        "zonal" => options.zonal = option.counts(0..=0, NOTHING, report),
        "multicluster" => options.multicluster = zones(&option.args, report),
        "startup_timeout" => {
            if let Some(timeout) = option.only(duration::EXPECTED, duration::parse, report) {
                options.startup_timeout = timeout;
            }
        }
        _ => read_target(option, &mut options.target, report),
    }
}

/// The options that say which API server is followed.
fn read_target(option: &Directive, target: &mut Target, report: &mut Report) {
    let texts: Vec<String> = option.args.iter().map(|arg| arg.text.clone()).collect();
    match (option.name.text.as_str(), texts.as_slice()) {
        ("kubeconfig", [file, context @ ..]) if context.len() < 2 => {
            target.kubeconfig = Some(file.into());
            target.context = context.first().cloned();
        }
        ("kubeconfig", _) => {
            option.counts(1..=2, "a file, and perhaps a context of it", report);
        }
        ("endpoint", [url, others @ ..]) => {
            if !others.is_empty() {
                let sentence = "only the first \"endpoint\" is used";
                report.warn(&option.name.at, sentence);
            }
            // As client-go has it, an address alone is one of plain HTTP.
            let url = if url.contains("://") {
                url.clone()
            } else {
                format!("http://{url}")
            };
            target.endpoint = Some(url);
        }
        ("endpoint", []) => {
            option.counts(1..=1, "a URL", report);
        }
        ("tls", [certificate, key, authority]) => {
            target.tls = Some(Tls {
                certificate: certificate.clone(),
                key: key.clone(),
                authority: authority.clone(),
            });
        }
        ("tls", _) => {
            option.counts(3..=3, "three files: certificate, key, authority", report);
        }
        ("apiserver_qps", _) => {
            let rate = |text: &str| text.parse().ok().filter(|rate: &f32| *rate >= 0.0);
            let interval = option.only("requests a second, 0 for no limit", rate, report);
            let interval = interval.map(|rate| Duration::try_from_secs_f32(rate.recip()));
            target.limits.interval = interval
                .and_then(Result::ok)
                .filter(|interval| !interval.is_zero());
        }
        ("apiserver_burst", _) => target.limits.burst = limit(option, report),
        ("apiserver_max_inflight", _) => target.limits.in_flight = limit(option, report),
        // `OPTIONS` lets nothing else through.
        _ => {}
    }
}

/// A number of requests; 0 is no limit.
fn limit<T: FromStr + Default + PartialEq>(option: &Directive, report: &mut Report) -> Option<T> {
    let number = |text: &str| text.parse().ok();
    let limit = option.only("a number of requests, 0 for no limit", number, report);
    limit.filter(|limit| *limit != T::default())
}

/// The arguments as one label selector.
fn selector(option: &Directive, report: &mut Report) -> Option<Selector> {
    const EXPECTED: &str = "a label selector, such as \"app=web,tier in (a, b)\"";
    let first = option.args.first();
    let texts: Vec<&str> = option.args.iter().map(|arg| arg.text.as_str()).collect();
    let selector = Selector::parse(&texts.join(" "));
    match first {
        Some(first) if selector.is_none() => option.refuse(first, EXPECTED, report),
        Some(_) => {}
        None => {
            option.counts(1..=usize::MAX, EXPECTED, report);
        }
    }
    selector
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
