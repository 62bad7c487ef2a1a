//! `loadbalance [round_robin]`: the order of addresses is shuffled per answer (`round_robin` is
//! CoreDNS's name for a shuffle).

use crate::corefile::{Directive, Known, Problem, Report};

const OPTIONS: Known = Known {
    plugin: "loadbalance",
    acting: &[],
    silent: &[],
    missing: &["prefer", "reload"],
};

const EXPECTED: &str = "nothing, or \"round_robin\"";

/// Reads the line; that it is there is all it says.
pub fn setup(line: &Directive, report: &mut Report) {
    OPTIONS.options(line, report);
    match line.args.as_slice() {
        [policy, ..] if policy.text == "weighted" => {
            let problem = Problem::ArgumentNotBuilt {
                name: line.name.text.clone(),
                given: policy.text.clone(),
                expected: EXPECTED,
            };
            report.refuse(&policy.at, problem);
        }
        [policy] if policy.text != "round_robin" => line.refuse(policy, EXPECTED, report),
        _ => {
            line.counts(0..=1, EXPECTED, report);
        }
    }
}
