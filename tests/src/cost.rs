//! What one answer costs the real programs, in nanoseconds over a program that only sends the frame back: questions to
//! wrapped programs, measured in turn.
//!
//! Each case has a floor of its own, run on the same frames in the same round, and the two are subtracted. Of many short
//! rounds the fastest is the cost: what disturbs a machine only ever adds. The median says how much it did.

use std::os::fd::AsFd as _;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dns_agent::answer::held::{Placement, encode};
use dns_agent::record::{Name, Node, RRset, Rdata};
use dns_ebpf::outcome::{Hook, Outcome};
use dns_ebpf::zone::{Zone, flag};

use crate::assembly::Ran;
use crate::frame::Frame;
use crate::loaded::{COREFILE, Loaded};
use crate::query::{Edns, Query};
use crate::runner::{Runner, SEED};
use crate::wrapper::{Queries, Wrapped, empty, floor};

/// A question, or many, and what they are to cost.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// What the table calls it.
    pub label: &'static str,
    question: Question,
    edns: bool,
    outcome: Outcome,
    /// Nanoseconds over the floor that XDP may take; tc may take [`TC_MORE`] more.
    pub goal: Option<u32>,
}

#[derive(Debug, Clone, Copy)]
enum Question {
    /// One name and type, over and over.
    Hot(&'static str, &'static str),
    /// The A record of each name of a zone, in an order without neighbours.
    Cold(u32),
}

/// What tc may take more than XDP, nanoseconds.
pub const TC_MORE: u32 = 15;

/// The names of a whole zone.
const ZONE: u32 = 60_000;

/// A name of 36 octets with one address.
const ONE: &str = "nnnnnnnnnnn.shop.svc.cluster.local";
const TEN: &str = "ten.shop.svc.cluster.local";

/// What is measured.
pub const CASES: [Case; 9] = [
    hot("A, one record", (ONE, "A"), Outcome::Answer, Some(60)),
    Case {
        edns: true,
        ..hot("A, one record, EDNS", (ONE, "A"), Outcome::Answer, Some(60))
    },
    hot("A, ten records", (TEN, "A"), Outcome::Answer, Some(85)),
    Case {
        edns: true,
        ..hot(
            "A, sixty records, EDNS, 1.1 kB",
            ("sixty.shop.svc.cluster.local", "A"),
            Outcome::Answer,
            Some(95),
        )
    },
    hot(
        "NXDOMAIN, search path",
        ("web.shop.svc.cluster.local.shop.svc.cluster.local", "A"),
        Outcome::NxDomain,
        Some(85),
    ),
    hot("AAAA, NODATA", (ONE, "AAAA"), Outcome::NoData, None),
    hot(
        "SRV, one record",
        ("_http._tcp.web.shop.svc.cluster.local", "SRV"),
        Outcome::Answer,
        None,
    ),
    hot(
        "PTR",
        ("11.2.96.10.in-addr.arpa", "PTR"),
        Outcome::Answer,
        None,
    ),
    Case {
        label: "A, one record, 60,000 names cold",
        question: Question::Cold(ZONE),
        edns: false,
        outcome: Outcome::Answer,
        goal: Some(450),
    },
];

const fn hot(
    label: &'static str,
    question: (&'static str, &'static str),
    outcome: Outcome,
    goal: Option<u32>,
) -> Case {
    Case {
        label,
        question: Question::Hot(question.0, question.1),
        edns: false,
        outcome,
        goal,
    }
}

impl Case {
    /// Whether the same name is asked for again and again.
    pub fn is_hot(&self) -> bool {
        matches!(self.question, Question::Hot(..))
    }

    fn queries(&self) -> Vec<Query> {
        let plain: Vec<Query> = match self.question {
            Question::Hot(name, rtype) => vec![Query::of_type(name, rtype)],
            // A stride that has no divisor with the number of names, and that no prefetcher follows.
            Question::Cold(count) => (0..count)
                .map(|i| Query::of_type(&cold_name((i * 7919) % count), "A"))
                .collect(),
        };
        let with = |query: Query| {
            if self.edns {
                query.with(Edns::default())
            } else {
                query
            }
        };
        plain.into_iter().map(with).collect()
    }
}

/// Programs, loaded with what the cases ask for.
pub struct Bench {
    hot: Loaded,
    cold: Option<Runner>,
}

impl Bench {
    /// The test cluster's objects for the hot cases; for the cold ones, a zone of 60,000 names more.
    pub fn new(with_cold: bool) -> Result<Self> {
        Ok(Self {
            hot: Loaded::with(COREFILE)?,
            cold: with_cold.then(cold_zone).transpose()?,
        })
    }

    /// The programs that a case runs on.
    pub fn runner(&self, case: &Case) -> Result<&Runner> {
        match case.question {
            Question::Hot(..) => Ok(&self.hot.runner),
            Question::Cold(_) => self.cold.as_ref().context("the large zone is not loaded"),
        }
    }

    /// The frames of a case, each asked once and its answer checked.
    pub fn queries(&self, case: &Case, hook: Hook) -> Result<Queries> {
        let runner = self.runner(case)?;
        let before = runner.count(hook, case.outcome)?;
        let queries = case.queries();
        let mut frames = Vec::new();
        for query in &queries {
            let frame = Frame::v4(query.octets());
            let octets = frame.octets();
            let response = runner.run(hook, &octets)?;
            let response = response.with_context(|| format!("{}: no answer", case.label))?;
            query.answered_by(&frame.message_of_response(&response)?)?;
            frames.push(octets);
        }
        let answered = runner.count(hook, case.outcome)? - before;
        ensure!(
            answered == queries.len() as u64,
            "{}: {answered} times {}",
            case.label,
            case.outcome.label()
        );
        Queries::new(&frames)
    }
}

/// How long and how often.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Rounds of a hot case.
    pub rounds: u32,
    /// Rounds of a cold one, each over the whole zone.
    pub cold_rounds: u32,
    /// Runs in a round of a hot case: about a millisecond, so that most rounds are not interrupted.
    pub runs: u32,
}

/// The rounds of one program, nanoseconds per run.
#[derive(Debug, Clone, Default)]
pub struct Times(Vec<u64>);

impl Times {
    /// No round yet.
    pub const NONE: Self = Self(Vec::new());

    /// Adds a round.
    pub fn push(&mut self, each: Duration) {
        self.0
            .push(u64::try_from(each.as_nanos()).unwrap_or(u64::MAX));
    }

    /// The fastest round.
    pub fn least(&self) -> u64 {
        self.0.iter().copied().min().unwrap_or(0)
    }

    /// The round in the middle.
    pub fn median(&self) -> u64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied().unwrap_or(0)
    }

    /// Every round, in order.
    pub fn all(&self) -> &[u64] {
        &self.0
    }
}

/// A case at a hook.
#[derive(Debug, Clone)]
pub struct Row {
    /// Where.
    pub hook: Hook,
    /// What.
    pub case: Case,
    /// Behind the wrapper, a program that drops.
    pub empty: Times,
    /// Behind the wrapper, a program that only sends back.
    pub floor: Times,
    /// Behind the wrapper, the real program.
    pub program: Times,
}

impl Row {
    /// Nanoseconds of the fastest round over that of the floor.
    pub fn net(&self) -> u64 {
        self.program.least().saturating_sub(self.floor.least())
    }

    /// The same of the medians.
    pub fn net_median(&self) -> u64 {
        self.program.median().saturating_sub(self.floor.median())
    }

    /// Nanoseconds that it may take.
    pub fn goal(&self) -> Option<u64> {
        let more = match self.hook {
            Hook::Xdp => 0,
            Hook::Tc => TC_MORE,
        };
        self.case.goal.map(|goal| u64::from(goal + more))
    }
}

/// Measures a case at a hook: one round of each program after the other, again and again.
pub fn measure(bench: &Bench, case: Case, hook: Hook, effort: Effort) -> Result<Row> {
    let runner = bench.runner(&case)?;
    let queries = bench.queries(&case, hook)?;
    let (empty, floor) = (empty(hook)?, floor(hook)?);
    let programs = [empty.as_fd(), floor.as_fd(), runner.program(hook)?];
    let [empty, floor, program] = programs.map(|program| Wrapped::new(hook, &queries, program));
    let (empty, floor, program) = (empty?, floor?, program?);
    let (rounds, runs) = match case.question {
        Question::Hot(..) => (effort.rounds, effort.runs),
        Question::Cold(count) => (effort.cold_rounds, count),
    };
    let mut row = Row {
        hook,
        case,
        empty: Times::default(),
        floor: Times::default(),
        program: Times::default(),
    };
    let before = runner.count(hook, case.outcome)?;
    for _ in 0..rounds {
        row.empty.push(empty.run(runs)?.each);
        row.floor.push(floor.run(runs)?.each);
        // What is measured is a program that answers: its deadline must not pass.
        runner.settings().keep_alive();
        let Ran { each, .. } = program.run(runs)?;
        row.program.push(each);
    }
    let answered = runner.count(hook, case.outcome)? - before;
    let asked = u64::from(rounds) * u64::from(runs);
    ensure!(
        answered == asked,
        "{} at {}: {answered} answers to {asked} queries",
        case.label,
        hook.label()
    );
    Ok(row)
}

/// A name of the large zone: 36 octets on the wire, as that of the hot cases.
fn cold_name(number: u32) -> String {
    format!("n{number:010}.shop.svc.cluster.local")
}

/// A zone of 60,000 names with one address each, and nothing else.
fn cold_zone() -> Result<Runner> {
    let (runner, mut held) = Runner::load(SEED, 2 * ZONE)?;
    let apex = Name::parse("cluster.local")?;
    let mut zone = Zone::new(apex.wire());
    zone.flags = flag::USED | flag::SERVED | flag::COMPLETE;
    held.settings().change(|| held.set_zones(&[zone]));
    let placement = Placement {
        zone: 0,
        zone_len: u8::try_from(apex.wire().len())?,
        shuffle: false,
        account: 0,
    };
    for number in 0..ZONE {
        let [_, high, middle, low] = number.to_be_bytes();
        let address = RRset {
            ttl: 30,
            rdata: vec![Rdata::A([10, high, middle, low].into())],
            additional: Vec::new(),
        };
        let node = Node {
            rrsets: vec![address],
        };
        let (record, entry) = encode(&Name::parse(&cold_name(number))?, &node, placement);
        held.put(record, entry)?;
    }
    // The maps are the programs'; what knows where there is room in them is not needed any more.
    drop(held);
    Ok(runner)
}
