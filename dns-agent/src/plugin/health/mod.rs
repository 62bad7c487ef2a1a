//! `health [ADDRESS] { lameduck DURATION }`: where `/health` is served, and how long queries are
//! still answered after SIGTERM.

use std::time::Duration;

use crate::corefile::{
    Directive, Health, Known, LISTEN_ADDRESS, Report, duration, is_listen_address,
};

const OPTIONS: Known = Known {
    plugin: "health",
    acting: &["lameduck"],
    silent: &[],
    missing: &[],
};

/// What the line says; the address is `:8080` and the time 0 unless said.
pub fn setup(line: &Directive, report: &mut Report) -> Health {
    let mut health = Health {
        address: ":8080".to_owned(),
        lameduck: Duration::ZERO,
    };
    if line.counts(0..=1, "at most one address", report)
        && let Some(address) = line.args.first()
    {
        health.address.clone_from(&address.text);
        if !is_listen_address(&address.text) {
            line.refuse(address, LISTEN_ADDRESS, report);
        }
    }
    for option in OPTIONS.options(line, report) {
        if let Some(lameduck) = option.only(duration::EXPECTED, duration::parse, report) {
            health.lameduck = lameduck;
        }
    }
    health
}
