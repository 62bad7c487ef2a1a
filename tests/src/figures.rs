//! Many figures to the few that stand for them.

/// The value that `percent` of the values do not exceed; sorts them. Zero of none.
pub fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = (values.len() * percent).div_ceil(100);
    values.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
}

/// The value in the middle; of an even number, the mean of the two in the middle. Not a number of none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (one, other) = (sorted.len().saturating_sub(1) / 2, sorted.len() / 2);
    match (sorted.get(one), sorted.get(other)) {
        (Some(one), Some(other)) => f64::midpoint(*one, *other),
        _ => f64::NAN,
    }
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
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]).to_bits(), 2.5_f64.to_bits());
        assert_eq!(
            percentile(&mut [4.0, 1.0, 3.0, 2.0], 99).to_bits(),
            4.0_f64.to_bits()
        );
    }
}
