//! Durations as Go writes them (`time.ParseDuration`): `5s`, `1m30s`, `1.5h`, `100ms`, `0`.

use std::time::Duration;

/// What a message says was expected.
pub const EXPECTED: &str = "a duration such as 5s, 1m30s or 500ms";

/// Reads a duration; `None` for what is not one, is negative, or is longer than Go's 292 years.
pub fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    let mut nanoseconds: u128 = 0;
    while !rest.is_empty() {
        let number = rest.find(|c: char| c != '.' && !c.is_ascii_digit())?;
        let (digits, tail) = rest.split_at(number);
        let unit = tail
            .find(|c: char| c == '.' || c.is_ascii_digit())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit);
        nanoseconds = nanoseconds.checked_add(scaled(digits, nanoseconds_in(unit)?)?)?;
        rest = tail;
    }
    let nanoseconds = i64::try_from(nanoseconds).ok()?;
    Some(Duration::from_nanos(nanoseconds.unsigned_abs()))
}

fn nanoseconds_in(unit: &str) -> Option<u128> {
    Some(match unit {
        "ns" => 1,
        // The micro sign and the Greek letter, both of which Go takes.
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// `1.5` of a unit. What is below a nanosecond is cut off, as in Go.
fn scaled(digits: &str, unit: u128) -> Option<u128> {
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let whole: u128 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let mut sum = whole.checked_mul(unit)?;
    let mut place = unit;
    for digit in fraction.chars() {
        let digit = u128::from(digit.to_digit(10)?);
        sum = sum.checked_add(place * digit / 10)?;
        place /= 10;
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        let rows = [
            ("5s", Some(5_000)),
            ("1m30s", Some(90_000)),
            ("1.5h", Some(5_400_000)),
            ("100ms", Some(100)),
            (".5s", Some(500)),
            ("2.s", Some(2_000)),
            ("0", Some(0)),
            ("+1s", Some(1_000)),
            ("2000\u{b5}s", Some(2)),
            ("", None),
            ("5", None),
            ("s", None),
            (".s", None),
            ("1.2.3s", None),
            ("-5s", None),
            ("5 s", None),
            ("5d", None),
            ("9999999999h", None),
            ("99999999999999999999999999999999999999999h", None),
        ];
        for (text, milliseconds) in rows {
            assert_eq!(
                parse(text),
                milliseconds.map(Duration::from_millis),
                "{text:?}"
            );
        }
    }
}
