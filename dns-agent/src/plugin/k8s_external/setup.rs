//! `k8s_external [ZONES...] { ... }` -> [`Options`], with the defaults of CoreDNS
//! (`plugin/k8s_external/setup.go`).

use super::Options;
use crate::corefile::{Directive, Known, Report, check_room_for_soa, zones};
use crate::record::Name;

const OPTIONS: Known = Known {
    plugin: "k8s_external",
    acting: &["apex", "ttl", "headless", "fallthrough"],
    silent: &[],
    missing: &[],
};

/// What the line and its block say; the zones are `server_zones` where it names none.
pub fn setup(line: &Directive, server_zones: &[Name], report: &mut Report) -> Options {
    let mut options = Options {
        zones: zones(&line.args, report),
        apex: "dns".into(),
        ttl: 5,
        headless: false,
        fallthrough: Vec::new(),
    };
    if line.args.is_empty() {
        options.zones = server_zones.to_vec();
    }
    for option in OPTIONS.options(line, report) {
        match option.name.text.as_str() {
            "apex" => {
                let label = |text: &str| {
                    let is_label = Name::root().child(text.as_bytes()).is_some();
                    (is_label && !text.contains('.')).then(|| text.to_ascii_lowercase())
                };
                if let Some(apex) = option.only("one DNS label", label, report) {
                    options.apex = apex;
                }
            }
            "ttl" => {
                let seconds = |text: &str| text.parse().ok().filter(|ttl| *ttl <= 3600);
                if let Some(ttl) = option.only("seconds from 0 to 3600", seconds, report) {
                    options.ttl = ttl;
                }
            }
            "headless" => options.headless = option.counts(0..=0, "none", report),
            "fallthrough" if option.args.is_empty() => {
                options.fallthrough.clone_from(&options.zones);
            }
            // `OPTIONS` lets nothing else through.
            _ => options.fallthrough = zones(&option.args, report),
        }
    }
    let mailbox = ["hostmaster", &options.apex];
    check_room_for_soa(line, &options.zones, &mailbox, report);
    options
}
