//! `transfer [ZONES...] { to ADDRESSES...; source ADDRESS }` -> [`Options`], as CoreDNS reads it
//! (`plugin/transfer/setup.go`).

use super::{Options, To};
use crate::corefile::{Directive, Known, Problem, Report, Token, server_address, zones};
use crate::record::Name;

const OPTIONS: Known = Known {
    plugin: "transfer",
    acting: &["to", "source"],
    silent: &[],
    missing: &[],
};

const TO: &str = "IP addresses, each with or without a port, or \"*\"";
const SOURCE: &str = "an IP address of this host";

/// What the line and its block say; `None` where they do not say to whom.
pub fn setup(line: &Directive, server_zones: &[Name], report: &mut Report) -> Option<Options> {
    let mut options = Options {
        zones: zones(&line.args, report),
        to: Vec::new(),
        source: None,
    };
    if line.args.is_empty() {
        options.zones = server_zones.to_vec();
    }
    let before = report.faults();
    for option in OPTIONS.options(line, report) {
        if option.name.text == "to" {
            option.counts(1..=usize::MAX, TO, report);
            options.to.extend(
                option
                    .args
                    .iter()
                    .filter_map(|arg| read_to(option, arg, report)),
            );
        } else if options.source.is_some() {
            let problem = Problem::OptionTwice {
                plugin: line.name.text.clone(),
                option: option.name.text.clone(),
            };
            report.refuse(&option.name.at, problem);
        } else {
            options.source = option.only(SOURCE, |text| text.parse().ok(), report);
        }
    }
    // Where an address was refused the cause is told already.
    if options.to.is_empty() && report.faults() == before {
        report.refuse(&line.name.at, Problem::NoSecondary);
    }
    (!options.to.is_empty()).then_some(options)
}

fn read_to(option: &Directive, arg: &Token, report: &mut Report) -> Option<To> {
    if arg.text == "*" {
        return Some(To::Everyone);
    }
    let address = server_address(&arg.text);
    if address.is_none() {
        option.refuse(arg, TO, report);
    }
    address.map(To::Secondary)
}
