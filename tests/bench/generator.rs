//! How many answers a second one CPU gives when nobody's sockets are in the way: workloads at each hook, between a
//! sender and a sink that are programs themselves, beside the floors.

use std::os::fd::{AsFd as _, BorrowedFd};

use anyhow::{Result, ensure};
use dns_ebpf::outcome::{Hook, Outcome};
use kerndns_tests::figures::median;
use kerndns_tests::frame::Frame;
use kerndns_tests::generator::Generator;
use kerndns_tests::loaded::{COREFILE, Loaded};
use kerndns_tests::query::Query;
use kerndns_tests::runner::Runner;
use kerndns_tests::wrapper::{Queries, Wrapped, empty, floor};
use serde_json::{Value, json};

use crate::interrupt;
use crate::report::Part;
use crate::workload::WORKLOADS;

/// What a round is made of: long enough for a clock, short enough that most are not disturbed.
const FRAMES: u32 = 200_000;
/// Of so many answers one may be lost: the ring of a veth pair may be full when a sender is preempted.
const LOST: u32 = 10_000;

/// The answers of a workload at a hook.
struct Row {
    label: &'static str,
    hook: Hook,
    rates: Rates,
}

/// Frames per second, each round.
#[derive(Default)]
struct Rates {
    /// Made and dropped by the sender.
    idle: Vec<f64>,
    /// Dropped by the first program they meet.
    drop: Vec<f64>,
    /// Sent back as they are.
    floor: Vec<f64>,
    /// Answered.
    answers: Vec<f64>,
}

/// Measures every workload at both hooks.
pub(crate) fn run(quick: bool) -> Result<Part> {
    let rounds = if quick { 5 } else { 25 };
    let loaded = Loaded::with(COREFILE)?;
    let mut rows = Vec::new();
    for hook in [Hook::Xdp, Hook::Tc] {
        let generator = Generator::new(hook)?;
        for workload in &WORKLOADS {
            interrupt::check()?;
            let queries = workload.queries();
            let program = loaded.runner.program(hook)?;
            loaded.runner.settings().keep_alive();
            verify(&generator, program, &queries)?;
            let rates = measure(&generator, hook, program, &queries, rounds, &loaded.runner)?;
            rows.push(Row {
                label: workload.label,
                hook,
                rates,
            });
        }
    }
    Ok(Part {
        name: "generator",
        title: "Answers a second from queries made in the kernel",
        text: table(&rows, rounds),
        raw: rows.iter().map(raw).collect(),
        ..Part::default()
    })
}

/// Asks each query once; a socket in the pod must receive the answer.
fn verify(generator: &Generator, program: BorrowedFd<'_>, queries: &[Query]) -> Result<()> {
    let frames = frames(queries)?;
    let sender = generator.sender(&frames)?;
    let answers = generator.sample(program, &sender, queries)?;
    for (query, answer) in queries.iter().zip(answers) {
        ensure!(!answer.is_empty(), "an empty response to {query:?}");
    }
    Ok(())
}

fn measure(
    generator: &Generator,
    hook: Hook,
    program: BorrowedFd<'_>,
    queries: &[Query],
    rounds: u32,
    runner: &Runner,
) -> Result<Rates> {
    let frames = frames(queries)?;
    let sender = generator.sender(&frames)?;
    let (drop, floor) = (empty(hook)?, floor(hook)?);
    let mut rates = Rates::default();
    for _ in 0..rounds {
        let idle = generator.idle(&frames, FRAMES)?;
        rates.idle.push(f64::from(FRAMES) / idle.as_secs_f64());
        rates
            .drop
            .push(rate(generator, drop.as_fd(), &sender, false)?);
        rates
            .floor
            .push(rate(generator, floor.as_fd(), &sender, true)?);
        runner.settings().keep_alive();
        let before = answered(runner, hook)?;
        rates.answers.push(rate(generator, program, &sender, true)?);
        let answered = answered(runner, hook)? - before;
        ensure!(
            answered + u64::from(FRAMES / LOST) >= FRAMES.into(),
            "{answered} answers to {FRAMES} queries"
        );
    }
    Ok(rates)
}

/// Frames a second of one round; of a program that answers, those that came back.
fn rate(
    generator: &Generator,
    program: BorrowedFd<'_>,
    sender: &Wrapped<'_>,
    is_answering: bool,
) -> Result<f64> {
    let sent = generator.round(program, sender, FRAMES, is_answering)?;
    ensure!(
        !is_answering || sent.back + FRAMES / LOST >= FRAMES,
        "{} of {FRAMES} frames came back",
        sent.back
    );
    let frames = if is_answering { sent.back } else { FRAMES };
    Ok(f64::from(frames) / sent.time.as_secs_f64())
}

fn frames(queries: &[Query]) -> Result<Queries> {
    let frame = |query: &Query| Frame::v4(query.octets()).octets();
    Queries::new(&queries.iter().map(frame).collect::<Vec<_>>())
}

/// Queries that the hook's program has answered so far.
fn answered(runner: &Runner, hook: Hook) -> Result<u64> {
    let kinds = [Outcome::Answer, Outcome::NoData, Outcome::NxDomain];
    kinds.iter().map(|kind| runner.count(hook, *kind)).sum()
}

fn table(rows: &[Row], rounds: u32) -> String {
    let mut text = format!(
        "Answers that one CPU gives a second, in thousands: the median of {rounds} interleaved rounds of {FRAMES} queries \
         (lowest to highest).\nThe queries are made in the kernel (XDP live frames), on the same CPU: `sender` is what \
         it makes and drops, the floors are the same way with another program in KernDNS's place: dropping at once, and \
         sending back what came (XDP: macswap and XDP_TX; tc: bpf_redirect_peer of nothing).\nEach question's answer was \
         received and checked by a socket in the pod first; then each round's answers are counted by the program and \
         where they arrive.\n\n\
         | hook | workload | sender | drop | floor | KernDNS | of the floor |\n\
         |---|---|---|---|---|---|---|\n"
    );
    for Row { label, hook, rates } in rows {
        text.push_str(&format!(
            "| {} | {label} | {} | {} | {} | {} | {:.2} |\n",
            hook.label(),
            thousands(&rates.idle),
            thousands(&rates.drop),
            thousands(&rates.floor),
            thousands(&rates.answers),
            median(&rates.answers) / median(&rates.floor),
        ));
    }
    text
}

fn thousands(rates: &[f64]) -> String {
    let least = rates.iter().copied().fold(f64::INFINITY, f64::min);
    let most = rates.iter().copied().fold(0.0, f64::max);
    format!(
        "{:.0} ({:.0}-{:.0})",
        median(rates) / 1e3,
        least / 1e3,
        most / 1e3
    )
}

fn raw(row: &Row) -> Value {
    json!({
        "hook": row.hook.label(),
        "workload": row.label,
        "frames_per_round": FRAMES,
        "sender_per_second": row.rates.idle,
        "drop_per_second": row.rates.drop,
        "floor_per_second": row.rates.floor,
        "answers_per_second": row.rates.answers,
    })
}
