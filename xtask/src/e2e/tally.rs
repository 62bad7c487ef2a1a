//! What `in_pod ask` says of its queries, and pods that ask while something else happens.

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::cluster::{Cluster, NAMESPACE};
use super::fixture;
use crate::demo::{Type, query};

/// What became of the queries for one name; times in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Tally {
    pub(super) sent: u64,
    /// NOERROR with records, or NXDOMAIN where that is right.
    pub(super) answered: u64,
    /// Another response.
    pub(super) other: u64,
    /// No response within a second.
    pub(super) lost: u64,
    /// ICMP port unreachable.
    pub(super) refused: u64,
    pub(super) p50: f64,
    pub(super) p99: f64,
    pub(super) p999: f64,
    pub(super) max: f64,
    /// Of the thread that asks.
    pub(super) cpu: f64,
}

impl Tally {
    /// The last words for each name.
    pub(super) fn read(text: &str) -> Vec<Self> {
        let mut tallies = Vec::new();
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let ["tally", index, rest @ ..] = words.as_slice() else {
                continue;
            };
            let word = |name| {
                let place = rest.iter().position(|word| *word == name);
                place.and_then(|place| rest.get(place + 1).copied())
            };
            let count = |name| word(name).and_then(|word| word.parse().ok());
            let of = |name| count(name).unwrap_or_default();
            let time = |name| word(name).and_then(|word| word.parse().ok());
            let micros = |name| time(name).unwrap_or_default();
            let index: usize = index.parse().unwrap_or_default();
            if tallies.len() <= index {
                tallies.resize(index + 1, Self::default());
            }
            tallies[index] = Self {
                sent: of("sent"),
                answered: of("answered"),
                other: of("other"),
                lost: of("lost"),
                refused: of("refused"),
                p50: micros("p50"),
                p99: micros("p99"),
                p999: micros("p999"),
                max: micros("max"),
                cpu: micros("cpu"),
            };
        }
        tallies
    }

    /// How many went wrong.
    pub(super) fn failed(&self) -> u64 {
        self.other + self.lost + self.refused
    }

    /// Fails if any went wrong.
    pub(super) fn all_answered(&self, what: &str) -> Result<()> {
        ensure!(self.sent > 0, "{what}: nothing was asked");
        ensure!(
            self.failed() == 0,
            "{what}: of {} queries {} lost, {} refused, {} with another answer",
            self.sent,
            self.lost,
            self.refused,
            self.other
        );
        Ok(())
    }
}

/// A query for the address of a name in hexadecimal, as `in_pod` takes it.
pub(super) fn hex(name: &str, rrtype: Type) -> Result<String> {
    let octets = query(0x4b44, name, rrtype, true)?;
    Ok(octets.iter().map(|octet| format!("{octet:02x}")).collect())
}

/// The full name of a Service of the checks.
pub(super) fn full(service: &str) -> String {
    format!("{service}.{NAMESPACE}.svc.cluster.local.")
}

/// Runs `act` while a pod of its own asks for each of `names` in turn every 5 ms; a second before it, three after it.
pub(super) fn while_asking(
    cluster: &Cluster,
    pod: &str,
    names: &[&str],
    act: impl FnOnce() -> Result<()>,
) -> Result<Vec<Tally>> {
    let queries = names
        .iter()
        .map(|name| hex(name, Type::A))
        .collect::<Result<Vec<_>>>()?;
    let server = format!("{}:53", cluster.dns);
    let mut words = vec!["ask", server.as_str(), "5000", "400"];
    words.extend(queries.iter().map(String::as_str));
    cluster.apply(&format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {pod}, namespace: {NAMESPACE}}}\nspec: \
         {{terminationGracePeriodSeconds: 0, restartPolicy: Never, containers: [{}]}}\n",
        fixture::client(&words)
    ))?;
    let name = format!("pod/{pod}");
    cluster.here(&["wait", "--for=condition=Ready", "--timeout=60s", &name])?;
    thread::sleep(Duration::from_secs(1));
    let done = act();
    thread::sleep(Duration::from_secs(3));
    let log = cluster.here(&["logs", pod]);
    cluster.here(&["delete", "--grace-period=1", &name])?;
    done?;
    let tallies = Tally::read(&log?);
    ensure!(
        tallies.len() == names.len(),
        "the log of {pod} has {} tallies",
        tallies.len()
    );
    Ok(tallies)
}

/// The only one.
pub(super) fn one(tallies: &[Tally]) -> Result<Tally> {
    tallies.first().copied().context("no tally")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_count() {
        let text = "tally 0 sent 5 answered 5 other 0 lost 0 refused 0 p50 20.5 p99 40.5 p999 60.5 max 90.5 cpu 7\nnoise\n\
            tally 1 sent 1 answered 0 other 0 lost 1 refused 0 p50 0.0 p99 0.0 p999 0.0 max 0.0 cpu 7\n\
            tally 0 sent 9 answered 8 other 1 lost 0 refused 0 p50 21.5 p99 41.5 p999 61.5 max 91.5 cpu 8\n";
        let tallies = Tally::read(text);
        let expected = Tally {
            sent: 9,
            answered: 8,
            other: 1,
            p50: 21.5,
            p99: 41.5,
            p999: 61.5,
            max: 91.5,
            cpu: 8.0,
            ..Tally::default()
        };
        assert_eq!((tallies[0], tallies[0].failed()), (expected, 1));
        assert!(tallies[1].all_answered("x").is_err());
    }
}
