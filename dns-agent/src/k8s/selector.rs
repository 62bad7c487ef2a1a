//! From the text of a label selector to a test of an object's labels.
//!
//! The grammar is that of the [API concepts]: requirements joined by commas, all of which must hold,
//! each `key`, `!key`, `key=value`, `key==value`, `key!=value`, `key in (a, b)` or
//! `key notin (a, b)`. The client library has the requirements and how they match, but reads no text.
//!
//! [API concepts]: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/

use std::collections::BTreeMap;
use std::fmt;

use kube::core::{Expression, Selector as Requirements, SelectorExt as _};

/// A label selector; without requirements it matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector(Requirements);

impl Selector {
    /// Reads a selector; `None` for what is none.
    pub fn parse(text: &str) -> Option<Self> {
        let expressions = split(text)?.into_iter().map(expression);
        expressions.collect::<Option<_>>().map(Self)
    }

    /// Whether every requirement holds.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.matches(labels)
    }
}

impl fmt::Display for Selector {
    /// As the API server reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The requirements' texts: commas within parentheses join values and not requirements.
fn split(text: &str) -> Option<Vec<&str>> {
    let (mut parts, mut start, mut is_open) = (Vec::new(), 0, false);
    for (at, letter) in text.char_indices() {
        match letter {
            '(' if is_open => return None,
            '(' => is_open = true,
            ')' if !is_open => return None,
            ')' => is_open = false,
            ',' if !is_open => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    (!is_open).then_some(parts)
}

fn expression(text: &str) -> Option<Expression> {
    let text = text.trim();
    if let Some(key) = text.strip_prefix('!') {
        return Some(Expression::DoesNotExist(label_key(key)?));
    }
    if let Some(values) = text.strip_suffix(')') {
        let (head, values) = values.split_once('(')?;
        let (key, operator) = head.trim().rsplit_once(char::is_whitespace)?;
        let values = values.split(',').map(label_value).collect::<Option<_>>()?;
        return match operator {
            "in" => Some(Expression::In(label_key(key)?, values)),
            "notin" => Some(Expression::NotIn(label_key(key)?, values)),
            _ => None,
        };
    }
    if let Some((key, value)) = text.split_once("!=") {
        return Some(Expression::NotEqual(label_key(key)?, label_value(value)?));
    }
    match text.split_once('=') {
        Some((key, value)) => {
            let value = value.strip_prefix('=').unwrap_or(value);
            Some(Expression::Equal(label_key(key)?, label_value(value)?))
        }
        None => Some(Expression::Exists(label_key(text)?)),
    }
}

/// `app` or `example.org/app`.
fn label_key(text: &str) -> Option<String> {
    let text = text.trim();
    let (prefix, name) = text.split_once('/').unwrap_or(("prefix", text));
    let is_key = !name.is_empty() && is_label_text(name) && !prefix.is_empty();
    let is_prefix = prefix.len() <= 253 && prefix.split('.').all(is_label_text);
    (is_key && is_prefix).then(|| text.to_owned())
}

fn label_value(text: &str) -> Option<String> {
    let text = text.trim();
    is_label_text(text).then(|| text.to_owned())
}

/// 63 letters, digits, `-`, `_` and `.` at most, a letter or digit at both ends; may be empty.
fn is_label_text(text: &str) -> bool {
    let inner = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet);
    let ends = [text.bytes().next(), text.bytes().next_back()];
    text.len() <= 63
        && text.bytes().all(inner)
        && ends.iter().flatten().all(u8::is_ascii_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(text: &str) -> BTreeMap<String, String> {
        let pairs = text
            .split_whitespace()
            .filter_map(|pair| pair.split_once('='));
        pairs
            .map(|(key, value)| (key.into(), value.into()))
            .collect()
    }

    #[test]
    fn an_object_matches_where_every_requirement_holds() {
        for (selector, object, expected) in [
            ("app=web", "app=web tier=x", true),
            ("app==web", "app=web", true),
            ("app = web", "app=db", false),
            ("app!=web", "", true),
            ("app != web", "app=web", false),
            ("app", "app=", true),
            ("app", "", false),
            ("!app", "", true),
            ("! app", "app=web", false),
            ("app=", "app=", true),
            (
                "environment in (staging, qa),application=nginx",
                "environment=qa application=nginx",
                true,
            ),
            (
                "environment in (staging, qa),application=nginx",
                "environment=qa",
                false,
            ),
            ("environment notin (staging,qa)", "", true),
            ("environment notin (staging,qa)", "environment=qa", false),
            (
                "example.org/part-of=x, !beta",
                "example.org/part-of=x",
                true,
            ),
        ] {
            let parsed = Selector::parse(selector).unwrap();
            assert_eq!(
                parsed.matches(&labels(object)),
                expected,
                "{selector}: {object}"
            );
            assert_eq!(
                Selector::parse(&parsed.to_string()),
                Some(parsed),
                "{selector}"
            );
        }
    }

    #[test]
    fn what_is_no_selector_is_refused() {
        for text in [
            "",
            "a,,b",
            "=x",
            "a=b=c",
            "a in b",
            "a in (b",
            "a in b)",
            "a in ((b))",
            "in (a)",
            "a gt 5",
            "a>5",
            "-a",
            "a=-b",
            "a b",
            "x/y/z=1",
            "/a",
            "a=b c",
        ] {
            assert_eq!(Selector::parse(text), None, "{text}");
        }
    }
}
