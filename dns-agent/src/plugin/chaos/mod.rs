//! `chaos [VERSION [AUTHORS...]]`: who and what the server is, as TXT records of class CH.

mod handler;

use std::collections::BTreeSet;

use crate::corefile::{Directive, Known, Report, Token};

pub use handler::Chaos;

/// What the line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// `version.bind` and `version.server`
    pub version: String,
    /// `authors.bind`, one record each.
    pub authors: BTreeSet<String>,
}

const OPTIONS: Known = Known {
    plugin: "chaos",
    acting: &[],
    silent: &[],
    missing: &[],
};

/// The longest character-string (RFC 1035 3.3).
const TEXT_MAX: usize = 255;
/// What is said of a longer one.
const EXPECTED: &str = "at most 255 octets";

/// What the line says; `KernDNS-<version>` and its authors unless said.
pub fn setup(line: &Directive, report: &mut Report) -> Options {
    OPTIONS.options(line, report);
    let mut texts = line.args.iter().map(|arg| text(line, arg, report));
    let version = texts.next();
    let authors: BTreeSet<String> = texts.collect();
    Options {
        version: version.unwrap_or_else(|| format!("KernDNS-{}", env!("CARGO_PKG_VERSION"))),
        authors: if authors.is_empty() {
            BTreeSet::from(["The KernDNS authors".to_owned()])
        } else {
            authors
        },
    }
}

fn text(line: &Directive, arg: &Token, report: &mut Report) -> String {
    if arg.text.len() > TEXT_MAX {
        line.refuse(arg, EXPECTED, report);
    }
    arg.text.clone()
}
