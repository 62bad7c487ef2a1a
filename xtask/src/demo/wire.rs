//! As much of the DNS message format (RFC 1035, 4.1) as the demo's clock and its upstream need:
//! one question written, one question read. Answers that matter are read by dig.

use std::fmt;

use anyhow::ensure;

/// The record types that the demo knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    A,
    Cname,
    Ptr,
    Aaaa,
    Srv,
}

impl Type {
    /// Its number (RFC 1035 3.2.2, RFC 3596, RFC 2782).
    pub(super) fn number(self) -> u16 {
        match self {
            Self::A => 1,
            Self::Cname => 5,
            Self::Ptr => 12,
            Self::Aaaa => 28,
            Self::Srv => 33,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "A",
            Self::Cname => "CNAME",
            Self::Ptr => "PTR",
            Self::Aaaa => "AAAA",
            Self::Srv => "SRV",
        })
    }
}

/// A query for one name in class IN, with recursion desired and, if `edns`, an OPT record that takes
/// 1232 octets (RFC 6891).
pub(crate) fn query(id: u16, name: &str, rrtype: Type, edns: bool) -> anyhow::Result<Vec<u8>> {
    let mut message = Vec::with_capacity(64);
    message.extend(id.to_be_bytes());
    message.extend([0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, u8::from(edns)]);
    for label in name.trim_end_matches('.').split('.') {
        ensure!(
            (1..=63).contains(&label.len()),
            "`{label}` in {name} is no label"
        );
        message.push(u8::try_from(label.len())?);
        message.extend(label.as_bytes());
    }
    message.push(0);
    message.extend(rrtype.number().to_be_bytes());
    message.extend([0, 1]);
    if edns {
        message.extend([0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0]);
    }
    Ok(message)
}

/// What a query asks, as far as its first question: the name in lower case with a trailing dot, the
/// type's number, and where the question ends. `None` for anything else.
pub(super) fn read_question(message: &[u8]) -> Option<(String, u16, usize)> {
    let is_query = message.get(2)? & 0xf8 == 0;
    if !is_query || message.get(4..6)? != [0, 1] {
        return None;
    }
    let (mut name, mut at) = (String::new(), 12);
    loop {
        let length = usize::from(*message.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        // 64 and more would be a compression pointer, which has nothing to point at here.
        let label = (length < 64).then(|| message.get(at..at + length))??;
        name.push_str(&String::from_utf8_lossy(label).to_ascii_lowercase());
        name.push('.');
        at += length;
    }
    let rrtype = message.get(at..at + 2)?;
    let end = at + 4;
    (end <= message.len()).then(|| (name, u16::from_be_bytes([rrtype[0], rrtype[1]]), end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_that_is_written_is_read_back() {
        let message =
            query(7, "Frontend.shop.svc.cluster.local.", Type::Aaaa, true).expect("a name");
        let (name, rrtype, end) = read_question(&message).expect("a question");
        assert_eq!(
            (name.as_str(), rrtype),
            ("frontend.shop.svc.cluster.local.", 28)
        );
        assert_eq!(
            message.len() - end,
            11,
            "an OPT record without options follows"
        );
    }

    #[test]
    fn a_question_that_is_cut_anywhere_is_none() {
        let message = query(7, "www.example.com.", Type::A, false).expect("a name");
        for length in 0..message.len() {
            assert_eq!(
                read_question(&message[..length]),
                None,
                "cut to {length} octets"
            );
        }
    }
}
