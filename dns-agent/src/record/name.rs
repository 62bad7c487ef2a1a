//! Domain names in wire form, folded to lower case (RFC 1035 3.1, RFC 4343).

use std::fmt;

use thiserror::Error;

/// Why a text is not a domain name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    /// An empty label, as in `a..b`.
    #[error("{0:?} has an empty label")]
    EmptyLabel(String),
    /// A label of more than 63 octets.
    #[error("{0:?} has a label of more than 63 octets")]
    LongLabel(String),
    /// A name of more than 255 octets in wire form.
    #[error("{0:?} is longer than 255 octets")]
    LongName(String),
}

/// A domain name: length-prefixed labels with the root's zero octet, lower case, 1 to 255 octets.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Box<[u8]>);

impl Name {
    /// The root, `.`.
    pub fn root() -> Self {
        Self(Box::new([0]))
    }

    /// From text such as `cluster.local` or `cluster.local.`; no escapes. `.` and the empty text are
    /// the root.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let labels = text.strip_suffix('.').unwrap_or(text);
        if labels.is_empty() {
            return Ok(Self::root());
        }
        let mut wire = Vec::with_capacity(labels.len() + 2);
        for label in labels.split('.') {
            let octets = label.as_bytes();
            match u8::try_from(octets.len()) {
                Ok(0) => return Err(NameError::EmptyLabel(text.into())),
                Ok(length @ 1..=63) => wire.push(length),
                _ => return Err(NameError::LongLabel(text.into())),
            }
            wire.extend(octets.iter().map(u8::to_ascii_lowercase));
        }
        wire.push(0);
        if wire.len() > 255 {
            return Err(NameError::LongName(text.into()));
        }
        Ok(Self(wire.into()))
    }

    /// From an uncompressed wire-form name that starts `octets`; `None` where there is none.
    pub fn from_wire(octets: &[u8]) -> Option<Self> {
        let mut at = 0;
        loop {
            let length = usize::from(*octets.get(at)?);
            if length > 63 || at + length >= 255 {
                return None;
            }
            at += 1 + length;
            if length == 0 {
                return Some(Self(octets.get(..at)?.to_ascii_lowercase().into()));
            }
        }
    }

    /// This name with one more label on its left; `None` where it would be too long or the label is
    /// not 1 to 63 octets.
    pub fn child(&self, label: &[u8]) -> Option<Self> {
        let length = u8::try_from(label.len())
            .ok()
            .filter(|length| (1..=63).contains(length))?;
        if 1 + label.len() + self.0.len() > 255 {
            return None;
        }
        let mut wire = Vec::with_capacity(1 + label.len() + self.0.len());
        wire.push(length);
        wire.extend(label.iter().map(u8::to_ascii_lowercase));
        wire.extend_from_slice(&self.0);
        Some(Self(wire.into()))
    }

    /// This name without its leftmost label; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        let length = usize::from(*self.0.first()?);
        let rest = self.0.get(1 + length..).filter(|rest| !rest.is_empty())?;
        Some(Self(rest.into()))
    }

    /// The octets, root's zero included.
    pub fn wire(&self) -> &[u8] {
        &self.0
    }

    /// The labels from left to right, without the root.
    pub fn labels(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest: &[u8] = &self.0;
        std::iter::from_fn(move || {
            let (&length, tail) = rest.split_first()?;
            let label = tail
                .get(..usize::from(length))
                .filter(|label| !label.is_empty())?;
            rest = &tail[label.len()..];
            Some(label)
        })
    }

    /// Whether this is `zone` or below it.
    pub fn is_under(&self, zone: &Name) -> bool {
        self.above(zone.wire()).is_some()
    }

    /// How many octets there are before `end`, a name in wire form that this one ends with; `None`: it does not.
    pub fn above(&self, end: &[u8]) -> Option<usize> {
        let above = self.0.len().checked_sub(end.len())?;
        if !self.0.ends_with(end) {
            return None;
        }
        // The same octets may begin within a label.
        let mut at = 0;
        while at < above {
            at += 1 + usize::from(self.0[at]);
        }
        (at == above).then_some(above)
    }

    /// The labels between this name and `zone`, left to right; `None` where it is not under `zone`.
    pub fn labels_above(&self, zone: &Name) -> Option<Vec<&[u8]>> {
        let mut left = self.above(zone.wire())?;
        let is_above = |label: &&[u8]| {
            let is_above = left > 0;
            left = left.saturating_sub(1 + label.len());
            is_above
        };
        Some(self.labels().take_while(is_above).collect())
    }

    /// As [`Self::labels_above`], where each label could be an object's name: text without a dot in it.
    pub fn texts_above(&self, zone: &Name) -> Option<Vec<&str>> {
        let text = |label| {
            let text = str::from_utf8(label).ok()?;
            (!text.contains('.')).then_some(text)
        };
        self.labels_above(zone)?.into_iter().map(text).collect()
    }
}

impl fmt::Display for Name {
    /// Presentation format with a trailing dot; octets that are not printable as `\DDD` (RFC 1035 5.1).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.len() == 1 {
            return f.write_str(".");
        }
        for label in self.labels() {
            for &octet in label {
                match octet {
                    b'.' | b'\\' | b'"' | b'(' | b')' | b';' | b'@' | b'$' => {
                        write!(f, "\\{}", char::from(octet))?;
                    }
                    0x21..=0x7e => write!(f, "{}", char::from(octet))?,
                    _ => write!(f, "\\{octet:03}")?,
                }
            }
            f.write_str(".")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_wire_forms_agree() {
        let name = Name::parse("Web.Default.svc.cluster.local").unwrap();
        assert_eq!(
            name.wire(),
            b"\x03web\x07default\x03svc\x07cluster\x05local\0"
        );
        assert_eq!(name.to_string(), "web.default.svc.cluster.local.");
        assert_eq!(
            Name::from_wire(b"\x03WEB\x07default\x03svc\x07cluster\x05local\0xx"),
            Some(name)
        );
        assert_eq!(Name::parse(".").unwrap(), Name::root());
        assert_eq!(Name::root().to_string(), ".");
    }

    #[test]
    fn a_parent_is_one_label_shorter() {
        let name = Name::parse("a.b").unwrap();
        assert_eq!(name.parent(), Some(Name::parse("b").unwrap()));
        assert_eq!(name.parent().unwrap().parent(), Some(Name::root()));
        assert_eq!(Name::root().parent(), None);
    }

    #[test]
    fn bad_names_are_refused() {
        assert!(matches!(Name::parse("a..b"), Err(NameError::EmptyLabel(_))));
        assert!(matches!(
            Name::parse(&"x".repeat(64)),
            Err(NameError::LongLabel(_))
        ));
        assert!(matches!(
            Name::parse(&"abc.".repeat(64)),
            Err(NameError::LongName(_))
        ));
        assert_eq!(Name::from_wire(b"\x03ab"), None);
        assert_eq!(Name::from_wire(b"\xc0\x0c"), None);
        assert_eq!(Name::from_wire(&[1; 300]), None);
    }

    #[test]
    fn labels_above_a_zone_respect_label_boundaries() {
        let zone = Name::parse("cluster.local").unwrap();
        let name = Name::parse("a.b.cluster.local").unwrap();
        assert_eq!(name.labels_above(&zone), Some(vec![&b"a"[..], b"b"]));
        assert_eq!(zone.labels_above(&zone), Some(vec![]));
        assert!(!Name::parse("xcluster.local").unwrap().is_under(&zone));
        let dotted = Name::root()
            .child(b"local")
            .and_then(|n| n.child(b"b.cluster"))
            .unwrap();
        assert!(!dotted.is_under(&zone));
        assert_eq!(dotted.to_string(), "b\\.cluster.local.");
    }
}
