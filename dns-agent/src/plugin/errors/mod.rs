//! `errors [stdout]`: failures of queries are logged.

mod handler;

use crate::corefile::{Directive, Known, Report};

pub use handler::Errors;

const OPTIONS: Known = Known {
    plugin: "errors",
    acting: &[],
    silent: &[],
    missing: &["consolidate", "stacktrace"],
};

const EXPECTED: &str = "nothing, or \"stdout\"";

/// Reads the line; that it is there is all it says.
pub fn setup(line: &Directive, report: &mut Report) {
    OPTIONS.options(line, report);
    if line.counts(0..=1, EXPECTED, report)
        && let Some(file) = line.args.first().filter(|file| file.text != "stdout")
    {
        line.refuse(file, EXPECTED, report);
    }
}
