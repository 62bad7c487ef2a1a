//! Interface names as shell patterns: the values of `--pods` and `--nic`.
//!
//! `*` and `?` and `[...]` as in glob(7). An interface name holds no `/`, so none is special.

use std::fmt;

use globset::{Glob, GlobSet, GlobSetBuilder};

/// Patterns of interface names; a name matches when any of them does.
#[derive(Clone, Debug, Default)]
pub struct Globs {
    set: GlobSet,
    patterns: Vec<String>,
}

/// A pattern that is none.
#[derive(Debug, thiserror::Error)]
#[error("`{pattern}` is not a pattern of interface names: {reason}; write for example `veth*`")]
pub struct GlobError {
    pattern: String,
    reason: String,
}

impl Globs {
    /// Patterns as the command line gives them. None at all match nothing.
    pub fn new<S: AsRef<str>>(patterns: impl IntoIterator<Item = S>) -> Result<Self, GlobError> {
        let mut set = GlobSetBuilder::new();
        let mut kept = Vec::new();
        for pattern in patterns {
            let pattern = pattern.as_ref();
            let fault = |reason: String| GlobError {
                pattern: pattern.to_owned(),
                reason,
            };
            if pattern.is_empty() {
                return Err(fault("it is empty".to_owned()));
            }
            set.add(Glob::new(pattern).map_err(|error| fault(error.kind().to_string()))?);
            kept.push(pattern.to_owned());
        }
        let set = set.build().map_err(|error| GlobError {
            pattern: kept.join(" "),
            reason: error.kind().to_string(),
        })?;
        Ok(Self {
            set,
            patterns: kept,
        })
    }

    /// Whether a pattern matches the whole of `name`.
    pub fn matches(&self, name: &str) -> bool {
        self.set.is_match(name)
    }

    /// Whether nothing can match.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }
}

impl fmt::Display for Globs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.patterns.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_matches_as_a_whole_and_any_pattern_will_do() {
        let globs = Globs::new(["veth*", "cali?", "eth0"]).unwrap();
        for name in ["veth", "veth12ab", "cali1", "eth0"] {
            assert!(globs.matches(name), "{name}");
        }
        for name in ["myveth0", "cali", "cali12", "eth0.5", "eth", ""] {
            assert!(!globs.matches(name), "{name}");
        }
    }

    #[test]
    fn no_pattern_matches_nothing() {
        let globs = Globs::new::<&str>([]).unwrap();
        assert!(globs.is_empty());
        assert!(!globs.matches("eth0"));
    }

    #[test]
    fn a_broken_pattern_is_named() {
        let error = Globs::new(["veth*", "eth[0"]).unwrap_err().to_string();
        assert!(error.contains("`eth[0`"), "{error}");
        assert!(Globs::new([""]).is_err());
    }
}
