//! `reload [INTERVAL [JITTER]]`: how often the Corefile is looked at for a change.

use std::time::Duration;

use crate::corefile::{Directive, Known, Report, duration};

const OPTIONS: Known = Known {
    plugin: "reload",
    acting: &[],
    silent: &[],
    missing: &[],
};

/// How often a Corefile is looked at unless it says so itself.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(30);
const MIN_INTERVAL: Duration = Duration::from_secs(2);
const MIN_JITTER: Duration = Duration::from_secs(1);

/// The interval, 30 s unless said. The jitter is checked and has no use: it spreads the load of
/// many replicas on one file server, and a node reads its own file.
pub fn setup(line: &Directive, report: &mut Report) -> Duration {
    OPTIONS.options(line, report);
    if !line.counts(0..=2, "an interval and a jitter at most", report) {
        return DEFAULT_INTERVAL;
    }
    let [interval, jitter] = [
        (0, MIN_INTERVAL, "a duration of at least 2s"),
        (1, MIN_JITTER, "a duration of at least 1s as the jitter"),
    ]
    .map(|(index, least, expected)| {
        let arg = line.args.get(index)?;
        let value = duration::parse(&arg.text).filter(|value| *value >= least);
        if value.is_none() {
            line.refuse(arg, expected, report);
        }
        value.map(|value| (arg, value))
    });
    if let Some((arg, _)) = jitter {
        report.warn(
            &arg.at,
            "the jitter of \"reload\" is accepted and has no effect yet",
        );
    }
    interval.map_or(DEFAULT_INTERVAL, |(_, interval)| interval)
}
