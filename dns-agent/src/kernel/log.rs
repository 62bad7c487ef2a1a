//! The programs' own log records (`--kernel-log`) to the agent's log, numbers turned into words.
//!
//! `dns-ebpf`'s `kernel/log.rs` writes `outcome <number> type <number> ifindex <number> len <octets> name <hex>`,
//! the name being the first 64 octets of the folded QNAME in wire form; what lies behind `len` is an earlier
//! query's. Records get lost when they come faster than they are read: the counters do not.

use std::fmt::Write as _;
use std::io;

use ::log::{Log, Metadata, Record};
use aya::Ebpf;
use aya_log::EbpfLogger;
use dns_ebpf::outcome::Outcome;
use hickory_proto::rr::RecordType;
use nix::net::if_::if_indextoname;
use thiserror::Error;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tracing::info;

/// Why the programs' records cannot be read.
#[derive(Debug, Error)]
pub enum KernelLogError {
    /// The object has no ring buffer for them.
    #[error("cannot read the kernel programs' log: {0}")]
    Ring(#[from] aya_log::Error),
    /// The ring buffer cannot be waited for.
    #[error("cannot wait for the kernel programs' log: {0}")]
    Wait(#[from] io::Error),
}

/// The programs' records, read as they come.
pub struct KernelLog(AsyncFd<EbpfLogger<Words>>);

impl KernelLog {
    /// Takes the ring buffer out of the object. Must be called within a tokio runtime.
    pub fn open(ebpf: &mut Ebpf) -> Result<Self, KernelLogError> {
        let logger = EbpfLogger::init_with_logger(ebpf, Words)?;
        // SAFETY: the logger owns the ring buffer's descriptor, always gives the same one, and closes it when it is
        // dropped, with the `AsyncFd` around it.
        let logger = unsafe { AsyncFd::register_with_interest(logger, Interest::READABLE) };
        Ok(Self(logger.map_err(io::Error::from)?))
    }

    /// Writes each record to the log until the future is dropped; ends only with an error.
    pub async fn follow(mut self) -> Result<(), KernelLogError> {
        loop {
            let mut ready = self.0.readable_mut().await?;
            ready.get_inner_mut().flush();
            ready.clear_ready();
        }
    }
}

/// What aya-log hands records to.
struct Words;

impl Log for Words {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let line = record.args().to_string();
        let Some(verdict) = Verdict::parse(&line) else {
            info!(target: "kernel", "{line}");
            return;
        };
        let Verdict {
            outcome,
            rtype,
            ifindex,
            name,
        } = verdict;
        // The level is the programs' business (`--kernel-log`): what comes here was asked for.
        info!(
            target: "kernel",
            "{} {name} {} on {}: {}",
            if is_answer(outcome) { "answered" } else { "passed" },
            mnemonic(rtype),
            interface(ifindex),
            label(outcome),
        );
    }

    fn flush(&self) {}
}

/// One record, read.
#[derive(Debug, PartialEq, Eq)]
struct Verdict {
    outcome: u32,
    rtype: u16,
    ifindex: u32,
    name: String,
}

impl Verdict {
    fn parse(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [
            "outcome",
            outcome,
            "type",
            rtype,
            "ifindex",
            ifindex,
            "len",
            len,
            "name",
            name,
        ] = words[..]
        else {
            return None;
        };
        Some(Self {
            outcome: outcome.parse().ok()?,
            rtype: rtype.parse().ok()?,
            ifindex: ifindex.parse().ok()?,
            name: text(&octets(name)?, len.parse().ok()?),
        })
    }
}

fn octets(hex: &str) -> Option<Vec<u8>> {
    let octet = |at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
    (0..hex.len()).step_by(2).map(octet).collect()
}

/// The name as text, `…` where it was cut; `-` for a query that could not be read.
fn text(octets: &[u8], len: usize) -> String {
    let known = octets.get(..len).unwrap_or(octets);
    let mut text = String::new();
    let mut rest = known;
    while let Some((&length, behind)) = rest.split_first() {
        if length == 0 {
            return if text.is_empty() {
                ".".to_owned()
            } else {
                text
            };
        }
        let label = &behind[..behind.len().min(length.into())];
        for &octet in label {
            match octet {
                b'.' | b'\\' => text.extend(['\\', char::from(octet)]),
                b'!'..=b'~' => text.push(char::from(octet)),
                _ => {
                    let _ = write!(text, "\\{octet:03}");
                }
            }
        }
        rest = &behind[label.len()..];
        text.push(if label.len() < length.into() {
            '…'
        } else {
            '.'
        });
    }
    match text.chars().last() {
        None => "-".to_owned(),
        Some('…') => text,
        Some(_) => text + "…",
    }
}

fn is_answer(number: u32) -> bool {
    outcome(number).is_some_and(Outcome::is_answer)
}

fn label(number: u32) -> String {
    outcome(number).map_or_else(
        || format!("outcome {number}"),
        |outcome| outcome.label().to_owned(),
    )
}

fn outcome(number: u32) -> Option<Outcome> {
    Outcome::ALL
        .iter()
        .copied()
        .find(|outcome| *outcome as u32 == number)
}

/// The type's name, or `TYPE` with its number (RFC 3597 5); 0 is of a query that could not be read.
fn mnemonic(rtype: u16) -> String {
    match RecordType::from(rtype) {
        _ if rtype == 0 => "-".to_owned(),
        RecordType::Unknown(number) => format!("TYPE{number}"),
        known => known.to_string(),
    }
}

/// The interface's name in the agent's network namespace.
fn interface(ifindex: u32) -> String {
    let name = if_indextoname(ifindex)
        .ok()
        .and_then(|name| name.into_string().ok());
    name.unwrap_or_else(|| format!("interface {ifindex}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(octets: &[u8]) -> String {
        octets.iter().map(|octet| format!("{octet:02x}")).collect()
    }

    fn parse(name: &[u8], len: usize) -> String {
        let line = format!("outcome 23 type 28 ifindex 1 len {len} name {}", hex(name));
        Verdict::parse(&line).unwrap().name
    }

    #[test]
    fn a_record_becomes_words() {
        let line = format!(
            "outcome 2 type 28 ifindex 7 len 9 name {}",
            hex(b"\x03web\x03lab\0rest")
        );
        let verdict = Verdict::parse(&line).unwrap();
        let expected = Verdict {
            outcome: 2,
            rtype: 28,
            ifindex: 7,
            name: "web.lab.".to_owned(),
        };
        assert_eq!(verdict, expected);
        assert_eq!(
            (label(2), is_answer(2), mnemonic(28)),
            ("nxdomain".to_owned(), true, "AAAA".to_owned())
        );
        assert_eq!(
            (label(23), is_answer(23)),
            ("out_of_zone".to_owned(), false)
        );
        assert_eq!(interface(1), "lo");
    }

    #[test]
    fn what_is_behind_the_name_is_not_shown() {
        assert_eq!(parse(b"\x03web\0secret", 5), "web.");
        assert_eq!(parse(b"\x03web\0secret", 0), "-");
        assert_eq!(parse(b"\0\x03old\0", 1), ".");
    }

    #[test]
    fn a_cut_name_ends_in_an_ellipsis() {
        let mut name = vec![b'a'; 64];
        name[0] = 62;
        name[63] = 30;
        assert_eq!(parse(&name, 95), format!("{}.…", "a".repeat(62)));
        name[0] = 63;
        name[63] = b'a';
        assert_eq!(parse(&name, 95), format!("{}.…", "a".repeat(63)));
        assert_eq!(parse(&name[..20], 95), format!("{}…", "a".repeat(19)));
    }

    #[test]
    fn hostile_octets_do_not_reach_the_terminal() {
        assert_eq!(parse(b"\x04\x1b[m.\0", 6), "\\027[m\\..");
    }

    #[test]
    fn another_program_s_words_and_numbers_not_known_yet_are_shown_as_they_are() {
        assert_eq!(Verdict::parse("something else"), None);
        assert_eq!(
            Verdict::parse("outcome x type 1 ifindex 1 len 1 name 00"),
            None
        );
        assert_eq!(
            Verdict::parse("outcome 1 type 1 ifindex 1 len 1 name 0"),
            None
        );
        assert_eq!(
            (label(63), mnemonic(65280), mnemonic(0)),
            ("outcome 63".into(), "TYPE65280".into(), "-".into())
        );
    }
}
