//! What a pod's TCP streams lose to the program at its veth, which looks at each packet and lets it through: the same
//! stream with and without the program, in turn.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::Result;
use dns_ebpf::outcome::Hook;
use kerndns_tests::figures::median;
use kerndns_tests::link::Link;
use kerndns_tests::loaded::{COREFILE, Loaded};
use kerndns_tests::netns::Netns;
use kerndns_tests::tcp_stream::rate;
use kerndns_tests::testbed::{Testbed, pod_address_v4};
use nix::net::if_::if_nametoindex;
use serde_json::{Value, json};

use crate::interrupt;
use crate::report::{Goal, Part};

/// How long a stream is measured.
const TIME: Duration = Duration::from_millis(500);
/// What counts as unchanged.
const GOAL: f64 = 0.98;

/// One way that streams go.
struct Row {
    label: &'static str,
    /// Octets a second, each round.
    without: Vec<f64>,
    with: Vec<f64>,
}

impl Row {
    /// With the program to without, of each round.
    fn ratios(&self) -> Vec<f64> {
        let pairs = self.with.iter().zip(&self.without);
        pairs.map(|(with, without)| with / without).collect()
    }

    fn goal(&self) -> Goal {
        let ratio = median(&self.ratios());
        Goal {
            text: format!("TCP throughput unchanged (>= {GOAL} x), {}", self.label),
            measured: format!("{ratio:.3} x"),
            reached: ratio >= GOAL,
        }
    }
}

/// Measures a stream from a pod, to it, and to another pod.
pub(crate) fn run(quick: bool) -> Result<Part> {
    let rounds = if quick { 6 } else { 40 };
    let loaded = Loaded::with(COREFILE)?;
    let testbed = Testbed::routed(2)?;
    let [pod, other] = &testbed.pods[..] else {
        anyhow::bail!("two pods were asked for");
    };
    let outside = IpAddr::from([192, 0, 2, 2]);
    let ways: [(&str, &Netns, &Netns, IpAddr); 3] = [
        ("pod -> outside", pod, &testbed.client, outside),
        ("outside -> pod", &testbed.client, pod, pod_address_v4(0)),
        ("pod -> pod", pod, other, pod_address_v4(1)),
    ];
    let mut rows = Vec::new();
    for (label, sender, receiver, address) in ways {
        let mut row = Row {
            label,
            without: Vec::new(),
            with: Vec::new(),
        };
        let measure = || rate(sender, receiver, address, TIME);
        for round in 0..rounds {
            interrupt::check()?;
            // Which comes first changes, so that what one leaves behind is no advantage.
            if round % 2 == 0 {
                row.without.push(measure()?);
            }
            let links = attach(&testbed, &loaded)?;
            row.with.push(measure()?);
            drop(links);
            if round % 2 == 1 {
                row.without.push(measure()?);
            }
        }
        rows.push(row);
    }
    Ok(Part {
        name: "throughput",
        title: "TCP throughput of a pod",
        text: table(&rows, rounds),
        raw: rows.iter().map(raw).collect(),
        goals: rows.iter().map(Row::goal).collect(),
        ..Part::default()
    })
}

/// The tc program at the veths of both pods.
fn attach(testbed: &Testbed, loaded: &Loaded) -> Result<Vec<Link>> {
    loaded.runner.settings().keep_alive();
    let program = loaded.runner.program(Hook::Tc)?;
    testbed.node.enter(|| {
        let at = |interface| Link::new(Hook::Tc, if_nametoindex(interface)?, program);
        ["veth0", "veth1"].into_iter().map(at).collect()
    })
}

fn table(rows: &[Row], rounds: u32) -> String {
    let mut text = format!(
        "TCP throughput of one stream through the node, Gbit/s, with the tc program at the pods' veths and without: the \
         median of {rounds} interleaved rounds of {} ms each. The ratio is the median of the rounds' own.\n\n\
         | stream | without | with | ratio |\n\
         |---|---|---|---|\n",
        TIME.as_millis()
    );
    for row in rows {
        let ratio = median(&row.ratios());
        text.push_str(&format!(
            "| {} | {:.2} | {:.2} | {ratio:.3} |\n",
            row.label,
            median(&row.without) * 8e-9,
            median(&row.with) * 8e-9,
        ));
    }
    text
}

fn raw(row: &Row) -> Value {
    json!({
        "stream": row.label,
        "octets_per_second_without": row.without,
        "octets_per_second_with": row.with,
    })
}
