//! Queries with what is right about their answers, and the times that these took to quantiles.

use anyhow::{Result, ensure};

use crate::peers::question::{Answer, Question, Truth};
use crate::peers::servers::Server;
use crate::series::quantile;

/// What a lost query counts as: no answer that is waited for takes as long, microseconds.
pub(crate) const LOST: f64 = 1e6;

/// What one run has shown; times in microseconds.
#[derive(Debug)]
pub(crate) struct Latencies {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    /// The share of the queries that had no answer within a second.
    pub(crate) lost: f64,
}

impl Latencies {
    /// Of the answers to `sent` queries.
    pub(crate) fn new(mut answered: Vec<f64>, sent: usize) -> Result<Self> {
        ensure!(!answered.is_empty(), "{sent} queries, no answer");
        #[expect(clippy::cast_precision_loss, reason = "counts of one run")]
        let lost = 1.0 - answered.len() as f64 / sent as f64;
        answered.resize(sent, LOST);
        answered.sort_by(f64::total_cmp);
        let at = |share| quantile(&answered, share);
        Ok(Self {
            p50: at(0.5),
            p99: at(0.99),
            p999: at(0.999),
            lost,
        })
    }
}

/// A query, and what tells a right answer from a wrong one at a glance.
pub(crate) struct Wanted {
    /// With the ID 0.
    pub(crate) query: Vec<u8>,
    /// The RCODE's four bits.
    rcode: u8,
    /// ANCOUNT.
    answers: u16,
}

impl Wanted {
    /// Of each question to this server.
    pub(crate) fn all(
        server: &Server<'_>,
        questions: &[Question],
        truth: &Truth,
    ) -> Result<Vec<Self>> {
        let one = |question: &Question| {
            let answer = if server.is_floor() {
                Answer::EMPTY
            } else {
                truth.answer(question)
            };
            Ok(Self {
                query: question.octets()?,
                rcode: answer.rcode.low(),
                answers: u16::try_from(answer.records.len())?,
            })
        };
        questions.iter().map(one).collect()
    }

    /// An error unless the response has the right code and the right number of records.
    pub(crate) fn check(&self, response: &[u8]) -> Result<()> {
        let is_right = match response {
            [_, _, _, flags, _, _, high, low, ..] => {
                flags & 0xf == self.rcode && u16::from_be_bytes([*high, *low]) == self.answers
            }
            _ => false,
        };
        ensure!(
            is_right,
            "a wrong response: {response:02x?} to {:02x?}",
            self.query
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_is_among_the_slowest() {
        let answered = (1..=98).map(f64::from).collect();
        let latencies = Latencies::new(answered, 100).unwrap();
        assert!((latencies.p50 - 50.0).abs() < 1e-9);
        assert!((latencies.p99 - LOST).abs() < 1e-9);
        assert!((latencies.lost - 0.02).abs() < 1e-9);
        assert!(Latencies::new(Vec::new(), 5).is_err());
    }
}
