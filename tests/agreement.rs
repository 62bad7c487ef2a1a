//! The programs and the agent give the same octets to the same query: over every name and type of a zone, and over
//! queries that were mutated at random.
//!
//! `KERNDNS_TEST_SEED` repeats a run whose seed was printed.

use std::env;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use dns_agent::plugin::kubernetes::respond_from;
use dns_ebpf::outcome::Hook;
use dns_ebpf::scratch::Scratch;
use hickory_proto::op::Message;
use kerndns_tests::frame::Frame;
use kerndns_tests::loaded::{COREFILE, Loaded};
use kerndns_tests::query::{Edns, Query, TYPES, text};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// How many mutated queries are tried.
const MUTATIONS: usize = 20_000;

/// What became of queries.
#[derive(Debug, Default)]
struct Tally {
    answers: usize,
    passes: usize,
}

/// Asks the agent and the programs, and compares.
struct Judge {
    loaded: Loaded,
    /// Whether the order of addresses is drawn: then the records are compared as sets.
    is_drawn: bool,
    scratch: Box<Scratch>,
    tally: Tally,
}

impl Judge {
    fn new(corefile: &str, is_drawn: bool) -> Result<Self> {
        Ok(Self {
            loaded: Loaded::with(corefile)?,
            is_drawn,
            scratch: Box::new(Scratch::ZERO),
            tally: Tally::default(),
        })
    }

    fn judge(&mut self, message: &[u8]) -> Result<()> {
        let agent = respond_from(&mut self.scratch, message, self.loaded.cluster.held());
        let v4 = Frame::v4(message.to_vec());
        let v6 = Frame::v6(message.to_vec());
        for (hook, frame) in [
            (Hook::Xdp, &v4),
            (Hook::Xdp, &v6),
            (Hook::Tc, &v4),
            (Hook::Tc, &v6),
        ] {
            let kernel = match self.loaded.runner.run(hook, &frame.octets())? {
                Some(response) => Some(frame.message_of_response(&response)?),
                None => None,
            };
            let is_same = match (&agent, &kernel) {
                (Some(agent), Some(kernel)) if self.is_drawn => is_alike(agent, kernel)?,
                _ => agent == kernel,
            };
            ensure!(
                is_same,
                "{hook:?}, {message:02x?}\n agent: {agent:02x?}\nkernel: {kernel:02x?}"
            );
        }
        match agent {
            Some(_) => self.tally.answers += 1,
            None => self.tally.passes += 1,
        }
        Ok(())
    }

    /// Every name, upper and lower case, with every type, with and without EDNS; and a name below each.
    fn judge_zone(&mut self) -> Result<()> {
        for name in self.loaded.names() {
            for (_, qtype) in TYPES {
                let query = Query::of_wire(name.wire(), qtype);
                let upper = Query::of_wire(&name.wire().to_ascii_uppercase(), qtype);
                self.judge(&query.octets())?;
                self.judge(&upper.with(Edns::default()).octets())?;
            }
            if let Some(below) = name.child(b"below") {
                self.judge(&Query::of_wire(below.wire(), 1).octets())?;
            }
        }
        Ok(())
    }
}

/// The same header and question, as many octets, and the same records.
fn is_alike(one: &[u8], other: &[u8]) -> Result<bool> {
    let messages = (Message::from_vec(one)?, Message::from_vec(other)?);
    let question = messages.0.queries.first().context("no question")?;
    let end = 16 + question.name().len();
    Ok(one.len() == other.len()
        && one.get(..end) == other.get(..end)
        && text(&messages.0) == text(&messages.1))
}

#[test]
fn every_name_and_type_of_the_zone_has_the_same_octets_from_both() -> Result<()> {
    let mut judge = Judge::new(COREFILE, false)?;
    judge.judge_zone()?;
    println!("{:?}", judge.tally);
    assert!(
        judge.tally.answers > 1000 && judge.tally.passes > 100,
        "{:?}",
        judge.tally
    );
    Ok(())
}

#[test]
fn with_loadbalance_they_have_the_same_records() -> Result<()> {
    let corefile = COREFILE.replace("forward .", "loadbalance\n    forward .");
    let mut judge = Judge::new(&corefile, true)?;
    judge.judge_zone()?;
    println!("{:?}", judge.tally);
    Ok(())
}

#[test]
fn mutated_queries_pass_in_both_or_have_the_same_octets() -> Result<()> {
    let seed = match env::var("KERNDNS_TEST_SEED") {
        Ok(seed) => seed.parse()?,
        Err(_) => u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos())?,
    };
    println!("KERNDNS_TEST_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut judge = Judge::new(COREFILE, false)?;
    let names = judge.loaded.names();
    for _ in 0..MUTATIONS {
        let name = names[random.random_range(0..names.len())].wire();
        let qtype = TYPES[random.random_range(0..TYPES.len())].1;
        let mut query = Query::of_wire(name, qtype);
        if random.random() {
            query = query.with(edns(&mut random));
        }
        let mut message = query.octets();
        mutate(&mut message, &mut random);
        judge
            .judge(&message)
            .with_context(|| format!("seed {seed}"))?;
    }
    println!("{:?}", judge.tally);
    assert!(
        judge.tally.answers > 1000 && judge.tally.passes > 1000,
        "{:?}",
        judge.tally
    );
    Ok(())
}

fn edns(random: &mut StdRng) -> Edns {
    let options = match random.random_range(0..3) {
        0 => vec![0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8],
        1 => [0, 12, 0, 0].repeat(random.random_range(0..10)),
        _ => Vec::new(),
    };
    Edns {
        payload: random.random(),
        version: u8::from(random.random_ratio(1, 20)),
        flags: random.random(),
        options,
    }
}

/// Changes, removes, adds or cuts off octets; now and then nothing.
fn mutate(message: &mut Vec<u8>, random: &mut StdRng) {
    for _ in 0..random.random_range(0..4) {
        let at = random.random_range(0..message.len());
        match random.random_range(0..6) {
            0 => message[at] = random.random(),
            1 => message[at] ^= 1 << random.random_range(0..8),
            2 => message[at] ^= 0x20,
            3 => message.insert(at, random.random()),
            4 if message.len() > 1 => drop(message.remove(at)),
            _ if random.random_ratio(1, 4) => message.truncate(at.max(1)),
            _ => {}
        }
    }
}
