//! What a run has found: counts, differences in full, and the last line.

use std::collections::BTreeMap;

use crate::message::Response;
use crate::questions::Question;
use crate::rules::{self, TARGET_CASE, TRUNCATED};

/// How many differences are printed in full.
const SHOWN: usize = 40;

/// The counts of a run.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Questions asked of both servers.
    pub(crate) questions: usize,
    /// Of those, by TCP.
    pub(crate) tcp: usize,
    /// Of those, with an OPT record.
    pub(crate) edns: usize,
    /// Of those, also asked through the kernel.
    pub(crate) through_kernel: usize,
    /// What the programs have answered of those.
    pub(crate) by_kernel: u64,
    /// Questions by the rule that explained a difference.
    rules: BTreeMap<&'static str, usize>,
    /// Questions without any difference.
    same: usize,
    /// Those that nothing explains, by the parts that differ.
    unexplained: BTreeMap<String, usize>,
    shown: usize,
}

impl Report {
    /// Counts a question that was answered as it should be, with the rules that it took.
    pub(crate) fn explained(&mut self, rules: &[&'static str]) {
        self.same += usize::from(rules.is_empty());
        for rule in rules {
            *self.rules.entry(rule).or_default() += 1;
        }
    }

    /// Counts and shows one that was not.
    pub(crate) fn differs(
        &mut self,
        place: &str,
        question: &Question,
        why: &anyhow::Error,
        responses: [(&str, Option<&[u8]>); 2],
    ) {
        let why = format!("{why:#}");
        let kind = why.lines().next().unwrap_or_default().to_owned();
        let count = self.unexplained.entry(kind).or_default();
        *count += 1;
        // A few of each kind say more than many of one.
        if *count > 4 || self.shown >= SHOWN {
            return;
        }
        self.shown += 1;
        println!("DIFFERENT: {question}\n    run      {place}\n    parts    {why}");
        for (who, octets) in responses {
            let text = match octets {
                None => "no response".into(),
                Some(octets) => match Response::parse(&question.octets, octets) {
                    Ok(response) => response.to_string(),
                    Err(error) => format!("{error:#}: {octets:02x?}"),
                },
            };
            println!("    {who:8} {text}");
        }
    }

    /// Prints the summary; whether everything was explained.
    pub(crate) fn finish(&self, is_full: bool) -> bool {
        println!("\n{:<28} {:>9}", "rule", "questions");
        for name in rules::RULES
            .iter()
            .map(|rule| rule.name)
            .chain([TARGET_CASE, TRUNCATED])
        {
            let count = self.rules.get(name).copied().unwrap_or_default();
            let remark = if count == 0 && is_full {
                "  never used"
            } else {
                ""
            };
            println!("{name:<28} {count:>9}{remark}");
        }
        println!("{:<28} {:>9}", "no rule needed", self.same);
        for (kind, count) in &self.unexplained {
            println!("{kind:<28} {count:>9}  UNEXPLAINED");
        }
        let unexplained: usize = self.unexplained.values().sum();
        println!(
            "parity: {} questions ({} by TCP, {} with EDNS), {unexplained} unexplained differences; \
             kernel: {} asked, {} answered",
            self.questions, self.tcp, self.edns, self.through_kernel, self.by_kernel
        );
        unexplained == 0
    }
}
