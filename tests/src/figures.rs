//! Many figures to the few that stand for them.

/// The value that `percent` of the values do not exceed; sorts them. Zero of none.
pub fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = (values.len() * percent).div_ceil(100);
    values.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
}

/// The value in the middle.
pub fn median(values: &[f64]) -> f64 {
    percentile(&mut values.to_vec(), 50)
}

/// A count to calculate with.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub fn real(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_values_do_not_exceed_the_median() {
        assert_eq!(median(&[3.0, 1.0, 2.0]).to_bits(), 2.0_f64.to_bits());
        assert_eq!(
            percentile(&mut [4.0, 1.0, 3.0, 2.0], 99).to_bits(),
            4.0_f64.to_bits()
        );
    }
}
