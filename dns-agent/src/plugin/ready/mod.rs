//! `ready [ADDRESS]`: where `/ready` is served.

use crate::corefile::{Directive, Known, LISTEN_ADDRESS, Report, is_listen_address};

const OPTIONS: Known = Known {
    plugin: "ready",
    acting: &[],
    silent: &[],
    missing: &["monitor"],
};

/// The address, `:8181` unless said.
pub fn setup(line: &Directive, report: &mut Report) -> String {
    OPTIONS.options(line, report);
    if line.args.is_empty() {
        return ":8181".to_owned();
    }
    let read = |text: &str| is_listen_address(text).then(|| text.to_owned());
    line.only(LISTEN_ADDRESS, read, report).unwrap_or_default()
}
