//! What an answer costs the programs themselves, each case at each hook to a row.

use anyhow::Result;
use dns_ebpf::outcome::Hook;
use kerndns_tests::cost::{Bench, CASES, Effort, Row, measure};
use serde_json::{Value, json};

use crate::interrupt;
use crate::report::{Goal, Part};

const FULL: Effort = Effort {
    rounds: 200,
    cold_rounds: 40,
    runs: 5_000,
};

const QUICK: Effort = Effort {
    rounds: 60,
    cold_rounds: 10,
    runs: 5_000,
};

/// Measures every case.
pub(crate) fn run(quick: bool) -> Result<Part> {
    let effort = if quick { QUICK } else { FULL };
    let bench = Bench::new(true)?;
    let mut rows = Vec::new();
    for hook in [Hook::Xdp, Hook::Tc] {
        for case in CASES {
            interrupt::check()?;
            rows.push(measure(&bench, case, hook, effort)?);
        }
    }
    Ok(Part {
        name: "cost",
        title: "What an answer costs the programs",
        text: table(&rows, effort),
        raw: rows.iter().map(raw).collect(),
        goals: rows.iter().filter_map(goal).collect(),
        ..Part::default()
    })
}

fn table(rows: &[Row], effort: Effort) -> String {
    let mut text = format!(
        "Nanoseconds of one answer: the fastest of {} rounds of {} runs (cold: {} rounds over the zone), the median in \
         brackets.\n`net` is the program less its floor: macswap for XDP, bpf_redirect_peer of nothing for tc.\n\n\
         | hook | question | drop | floor | program | net |\n\
         |---|---|---|---|---|---|\n",
        effort.rounds, effort.runs, effort.cold_rounds
    );
    for row in rows {
        text.push_str(&format!(
            "| {} | {} | {} ({}) | {} ({}) | {} ({}) | {} ({}) |\n",
            row.hook.label(),
            row.case.label,
            row.empty.least(),
            row.empty.median(),
            row.floor.least(),
            row.floor.median(),
            row.program.least(),
            row.program.median(),
            row.net(),
            row.net_median(),
        ));
    }
    text
}

fn goal(row: &Row) -> Option<Goal> {
    let goal = row.goal()?;
    Some(Goal {
        text: format!(
            "an answer < {goal} ns over the floor, {}: {}",
            row.hook.label(),
            row.case.label
        ),
        measured: format!("{} ns (median {})", row.net(), row.net_median()),
        reached: row.net() < goal,
    })
}

fn raw(row: &Row) -> Value {
    json!({
        "hook": row.hook.label(),
        "question": row.case.label,
        "drop_ns": row.empty.all(),
        "floor_ns": row.floor.all(),
        "program_ns": row.program.all(),
        "goal_ns": row.goal(),
    })
}
