//! From the text that Prometheus reads to sums of samples.

/// The outcomes by which the kernel answers; all others pass the query on.
const ANSWERS: [&str; 3] = ["answer", "nodata", "nxdomain"];

/// How many queries the kernel has answered: `kerndns_kernel_outcomes_total{hook="...",outcome="..."}` over all hooks.
pub(crate) fn kernel_answers(metrics: &str) -> u64 {
    let counts = ANSWERS.map(|outcome| {
        let label = format!("outcome=\"{outcome}\"");
        sum(metrics, "kerndns_kernel_outcomes_total", &label)
    });
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts of packets, far below 2^53"
    )]
    let sum = counts.iter().sum::<f64>() as u64;
    sum
}

/// The sum of a metric's samples whose labels have `label` among them; all of them where it is empty.
pub(crate) fn sum(metrics: &str, name: &str, label: &str) -> f64 {
    let samples = metrics.lines().filter_map(|line| {
        let (labels, value) = match line.strip_prefix(name)?.split_once('}') {
            Some((labels, value)) => (labels.strip_prefix('{')?, value),
            None => ("", line.strip_prefix(name)?.strip_prefix(' ')?),
        };
        let is_wanted = label.is_empty() || labels.split(',').any(|found| found == label);
        let value: f64 = value.split_whitespace().next()?.parse().ok()?;
        is_wanted.then_some(value)
    });
    samples.sum()
}

/// A label's value in the first sample of a metric; nothing where it has none.
pub(crate) fn label<'a>(metrics: &'a str, name: &str, label: &str) -> Option<&'a str> {
    let labels = metrics
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('{'))?;
    let (labels, _) = labels.split_once('}')?;
    labels.split(',').find_map(|found| {
        let value = found.strip_prefix(label)?.strip_prefix("=\"")?;
        value.strip_suffix('"')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_outcomes_that_answer_are_counted() {
        let metrics = "# TYPE kerndns_kernel_outcomes counter\n\
            kerndns_kernel_outcomes_total{hook=\"tc\",outcome=\"answer\"} 5\n\
            kerndns_kernel_outcomes_total{hook=\"xdp\",outcome=\"nxdomain\"} 2\n\
            kerndns_kernel_outcomes_total{hook=\"tc\",outcome=\"not_dns\"} 90\n";
        assert_eq!(kernel_answers(metrics), 7);
    }

    #[test]
    fn a_sum_is_of_one_metric_and_not_of_those_whose_names_begin_so() {
        let metrics = "up 3\nup_time 40\nup{a=\"1\",b=\"2\"} 5\nup{a=\"2\"} 6 1700000000\n";
        assert!((sum(metrics, "up", "") - 14.0).abs() < f64::EPSILON);
        assert!((sum(metrics, "up", "a=\"2\"") - 6.0).abs() < f64::EPSILON);
        assert!(sum(metrics, "down", "").abs() < f64::EPSILON);
    }
    #[test]
    fn a_label_is_found_by_its_whole_name() {
        let metrics = "# HELP build_info x\nbuild_info{goversion=\"go1\",version=\"1.15.0\"} 1\n";
        assert_eq!(label(metrics, "build_info", "version"), Some("1.15.0"));
        assert_eq!(label(metrics, "build_info", "sion"), None);
    }
}
