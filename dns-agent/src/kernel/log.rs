//! The programs' own log records (`--kernel-log`) to the agent's log, numbers turned into words.
//!
//! A record is a [`Logged`] in hexadecimal. Records get lost when they come faster than they are read: the
//! counters do not.

use std::fmt::Write as _;
use std::io;

use ::log::{Log, Metadata, Record};
use aya::Ebpf;
use aya_log::EbpfLogger;
use dns_ebpf::log::Logged;
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
        // The level is the programs' business (`--kernel-log`): what comes here was asked for.
        if let Some(logged) = octets(&line).and_then(|octets| Logged::from_octets(&octets)) {
            info!(target: "kernel", "{}", words(&logged));
        } else {
            info!(target: "kernel", "{line}");
        }
    }

    fn flush(&self) {}
}

/// `answered web.default.svc.cluster.local. A on veth1: answer`.
fn words(logged: &Logged) -> String {
    let outcome = Outcome::ALL
        .iter()
        .find(|outcome| **outcome as u32 == logged.outcome);
    let label = outcome.map_or_else(
        || format!("outcome {}", logged.outcome),
        |outcome| outcome.label().to_owned(),
    );
    let done = if outcome.is_some_and(|outcome| outcome.is_answer()) {
        "answered"
    } else {
        "passed"
    };
    let name = text(
        &logged.name.map(u64::to_ne_bytes).concat(),
        logged.name_len as usize,
    );
    let rtype = mnemonic(u16::try_from(logged.rtype).unwrap_or_default());
    format!(
        "{done} {name} {rtype} on {}: {label}",
        interface(logged.ifindex)
    )
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

    fn logged(outcome: u32, rtype: u32, name: &[u8], len: u32) -> Logged {
        let mut octets = [0; 64];
        octets[..name.len()].copy_from_slice(name);
        let mut logged = Logged {
            outcome,
            ifindex: 1,
            rtype,
            name_len: len,
            ..Logged::ZERO
        };
        for (word, octets) in logged.name.iter_mut().zip(octets.chunks(8)) {
            *word = u64::from_ne_bytes(octets.try_into().unwrap());
        }
        logged
    }

    fn name(octets: &[u8], len: usize) -> String {
        text(octets, len)
    }

    #[test]
    fn a_record_becomes_words() {
        let said = words(&logged(2, 28, b"\x03web\x03lab\0rest", 9));
        assert_eq!(said, "answered web.lab. AAAA on lo: nxdomain");
        let said = words(&logged(23, 65280, b"\x03web\0", 5));
        assert_eq!(said, "passed web. TYPE65280 on lo: out_of_zone");
        let said = words(&logged(14, 0, b"\x03old\0", 0));
        assert_eq!(said, "passed - - on lo: counts");
        assert!(words(&logged(63, 1, b"\0", 1)).ends_with("passed . A on lo: outcome 63"));
    }

    #[test]
    fn what_is_behind_the_name_is_not_shown() {
        assert_eq!(name(b"\x03web\0secret", 5), "web.");
        assert_eq!(name(b"\x03web\0secret", 0), "-");
        assert_eq!(name(b"\0\x03old\0", 1), ".");
    }

    #[test]
    fn a_cut_name_ends_in_an_ellipsis() {
        let mut octets = vec![b'a'; 64];
        (octets[0], octets[63]) = (62, 30);
        assert_eq!(name(&octets, 95), format!("{}.…", "a".repeat(62)));
        octets[0] = 63;
        assert_eq!(name(&octets[..20], 95), format!("{}…", "a".repeat(19)));
        octets[63] = b'a';
        assert_eq!(name(&octets, 95), format!("{}.…", "a".repeat(63)));
    }

    #[test]
    fn hostile_octets_do_not_reach_the_terminal() {
        assert_eq!(name(b"\x04\x1b[m.\0", 6), "\\027[m\\..");
    }

    #[test]
    fn what_is_not_hexadecimal_is_no_record() {
        assert_eq!(octets("0aff"), Some(vec![10, 255]));
        for text in ["0", "0x", "words, ö"] {
            assert_eq!(octets(text), None, "{text}");
        }
    }
}
