//! Figures of interleaved rounds to medians, and to ratios where both figures are of the same rounds.

use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Result, ensure};
use kerndns_tests::figures::median;
use serde::Serialize;

/// Rounds in which everything that is to be compared was measured in turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Run(u32);

impl Run {
    /// Begins rounds that no figure is of yet.
    pub(crate) fn begin() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// A figure that these rounds are going to measure.
    pub(crate) fn series(self) -> Series {
        Series {
            run: self,
            rounds: Vec::new(),
        }
    }
}

/// One figure, measured once in each round.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Series {
    run: Run,
    rounds: Vec<f64>,
}

impl Series {
    /// Adds what the next round measured.
    pub(crate) fn push(&mut self, value: f64) {
        self.rounds.push(value);
    }

    /// The middle of the rounds; of an even number, the mean of the two in the middle.
    pub(crate) fn median(&self) -> f64 {
        median(&self.rounds)
    }

    /// The least and the most of the rounds.
    pub(crate) fn range(&self) -> (f64, f64) {
        let least = self.rounds.iter().copied().fold(f64::INFINITY, f64::min);
        (least, self.rounds.iter().copied().fold(0.0, f64::max))
    }

    /// What this is more than `other`, round by round; an error as of [`Self::ratio`].
    pub(crate) fn above(&self, other: &Self) -> Result<Self> {
        self.comparable(other)?;
        let pairs = self.rounds.iter().zip(&other.rounds);
        Ok(Self {
            run: self.run,
            rounds: pairs.map(|(one, other)| one - other).collect(),
        })
    }

    /// How many times `other` this is: the median of the rounds' own ratios. An error if the two were not measured in
    /// the same rounds, since then the machine was not the same either.
    pub(crate) fn ratio(&self, other: &Self) -> Result<f64> {
        self.comparable(other)?;
        let pairs = self.rounds.iter().zip(&other.rounds);
        let ratios: Vec<f64> = pairs.map(|(one, other)| one / other).collect();
        Ok(median(&ratios))
    }

    fn comparable(&self, other: &Self) -> Result<()> {
        ensure!(
            self.run == other.run && self.rounds.len() == other.rounds.len(),
            "not to be compared: these figures are not of the same rounds ({:?}, {:?})",
            self.run,
            other.run
        );
        Ok(())
    }
}

/// The value that `share` of the sorted values do not exceed.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a rank among the values of one run"
    )]
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted
        .get(rank.saturating_sub(1))
        .copied()
        .unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(run: Run, values: &[f64]) -> Series {
        let mut series = run.series();
        for value in values {
            series.push(*value);
        }
        series
    }

    #[test]
    fn a_ratio_is_the_median_of_the_rounds_own() {
        let run = Run::begin();
        let (one, other) = (
            series(run, &[10.0, 90.0, 40.0]),
            series(run, &[5.0, 30.0, 10.0]),
        );
        assert!((one.ratio(&other).unwrap() - 3.0).abs() < 1e-9);
    }

    #[test]
    fn figures_of_different_runs_have_no_ratio() {
        let (one, other) = (series(Run::begin(), &[1.0]), series(Run::begin(), &[1.0]));
        assert!(one.ratio(&other).is_err());
        let run = Run::begin();
        assert!(
            series(run, &[1.0])
                .ratio(&series(run, &[1.0, 2.0]))
                .is_err()
        );
    }

    #[test]
    fn a_quantile_is_one_of_the_values() {
        let values: Vec<f64> = (1..=1000).map(f64::from).collect();
        assert!((quantile(&values, 0.5) - 500.0).abs() < 1e-9);
        assert!((quantile(&values, 0.999) - 999.0).abs() < 1e-9);
        assert!(quantile(&[], 0.5).is_nan());
    }
}
