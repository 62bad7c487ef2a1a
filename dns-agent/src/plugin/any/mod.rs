//! `any`: queries of type ANY get one record that says nothing (RFC 8482 4.2), whatever the name.

mod handler;

use crate::corefile::{Directive, Known, Report};

pub use handler::Any;

const OPTIONS: Known = Known {
    plugin: "any",
    acting: &[],
    silent: &[],
    missing: &[],
};

/// Reads the line; that it is there is all it says.
pub fn setup(line: &Directive, report: &mut Report) {
    OPTIONS.options(line, report);
    line.counts(0..=0, "nothing", report);
}
