//! Arguments and options of plugins' lines: counted, read and refused the same way everywhere.

use std::str::FromStr;

use super::error::{Problem, Report};
use super::lexer::Token;
use super::parser::Directive;
use super::zone;
use crate::record::Name;

/// The options of a plugin, by what becomes of them.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// The plugin.
    pub plugin: &'static str,
    /// What the plugin reads.
    pub acting: &'static [&'static str],
    /// Accepted, with a warning that it has no effect yet.
    pub silent: &'static [&'static str],
    /// CoreDNS has it and KernDNS has not.
    pub missing: &'static [&'static str],
}

impl Known {
    /// Whether the plugin has to read the option of this line; what becomes of all others is done
    /// here.
    pub fn acts(&self, line: &Directive, report: &mut Report) -> bool {
        let name = line.name.text.as_str();
        if self.acting.contains(&name) {
            return true;
        }
        let (plugin, option) = (self.plugin.to_owned(), name.to_owned());
        if self.silent.contains(&name) {
            let sentence =
                format_args!("option {option:?} of {plugin:?} is accepted and has no effect yet");
            report.warn(&line.name.at, sentence);
            return false;
        }
        let known = match [self.acting, self.silent].concat().as_slice() {
            [] => "no option of it".to_owned(),
            known => known.join(", "),
        };
        let problem = if self.missing.contains(&name) {
            Problem::OptionNotBuilt {
                plugin,
                option,
                known,
            }
        } else {
            Problem::UnknownOption {
                plugin,
                option,
                known,
            }
        };
        report.refuse(&line.name.at, problem);
        false
    }

    /// The options in `line`'s block that the plugin has to read.
    pub fn options<'a>(&self, line: &'a Directive, report: &mut Report) -> Vec<&'a Directive> {
        let mut options = Vec::new();
        for option in &line.block {
            if self.acts(option, report) {
                option.without_block(report);
                options.push(option);
            }
        }
        options
    }
}

impl Directive {
    /// Reports a block where there should be none.
    pub fn without_block(&self, report: &mut Report) {
        if let Some(first) = self.block.first() {
            let name = self.name.text.clone();
            report.refuse(&first.name.at, Problem::NoBlockExpected { name });
        }
    }

    /// Reports arguments that are fewer or more than `count`, which `expected` puts in words; says
    /// whether they are right.
    pub fn counts(
        &self,
        count: std::ops::RangeInclusive<usize>,
        expected: &'static str,
        report: &mut Report,
    ) -> bool {
        let given = self.args.len();
        if count.contains(&given) {
            return true;
        }
        let name = self.name.text.clone();
        report.refuse(
            &self.name.at,
            Problem::Arguments {
                name,
                given,
                expected,
            },
        );
        false
    }

    /// The only argument, read by `read`; reported where it is not the only one or cannot be read.
    pub fn only<T>(
        &self,
        expected: &'static str,
        read: impl Fn(&str) -> Option<T>,
        report: &mut Report,
    ) -> Option<T> {
        let [arg] = self.args.as_slice() else {
            let (name, given) = (self.name.text.clone(), self.args.len());
            report.refuse(
                &self.name.at,
                Problem::OneArgument {
                    name,
                    given,
                    expected,
                },
            );
            return None;
        };
        let value = read(&arg.text);
        if value.is_none() {
            self.refuse(arg, expected, report);
        }
        value
    }

    /// Reports an argument that cannot be read.
    pub fn refuse(&self, arg: &Token, expected: &'static str, report: &mut Report) {
        let problem = Problem::Argument {
            name: self.name.text.clone(),
            given: arg.text.clone(),
            expected,
        };
        report.refuse(&arg.at, problem);
    }
}

/// The zones that arguments name; what names none is reported.
pub fn zones(args: &[Token], report: &mut Report) -> Vec<Name> {
    let mut zones = Vec::new();
    for arg in args {
        match zone::parse(&arg.text) {
            Ok(more) => zones.extend(more),
            Err(error) => report.refuse(&arg.at, error),
        }
    }
    zones
}

/// Reports the zones of a plugin's line that are too long for the name that `labels` make below them,
/// the longest one in the SOA record of the zone.
pub fn check_room_for_soa(line: &Directive, zones: &[Name], labels: &[&str], report: &mut Report) {
    for zone in zones {
        let longest = labels
            .iter()
            .rev()
            .try_fold(zone.clone(), |name, label| name.child(label.as_bytes()));
        if longest.is_none() {
            let problem = Problem::NoRoomForSoa {
                plugin: line.name.text.clone(),
                zone: zone.to_string(),
                label: labels.join("."),
            };
            report.refuse(&line.name.at, problem);
        }
    }
}

/// What a message says was expected where [`is_listen_address`] says no.
pub const LISTEN_ADDRESS: &str = "an address to listen on, such as :8080 or 127.0.0.1:8080";

/// Whether a text is `host:port`, the host perhaps empty, a name, or an IPv6 address in brackets.
pub fn is_listen_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let host_is_good = match bare {
        Some(v6) => std::net::Ipv6Addr::from_str(v6).is_ok(),
        None => !host.contains([':', '[', ']', '/']),
    };
    host_is_good && !port.starts_with('+') && u16::from_str(port).is_ok()
}
