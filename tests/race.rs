//! Records that are replaced, removed and added again as fast as can be, while both CPUs ask for them: each answer is
//! wholly of one generation of the name that was asked for.
//!
//! What a record says can be told from its octets: every address holds the generation and the name's number, every
//! TTL is the generation. So an answer from another record, from half of one, or from a slot that
//! was written to while it was read, is seen. The names are few, their records long and nearly of one size: so what is
//! being replaced is being read at that moment, and a slot that were given to another record at once would be seen to
//! change (an arena that does so fails this test within seconds).

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use dns_agent::answer::held::{Placement, encode};
use dns_agent::map::held::Held;
use dns_agent::record::{Name, Node, RRset, Rdata};
use dns_ebpf::arena::NameEntry;
use dns_ebpf::outcome::Hook;
use dns_ebpf::zone::{Zone, flag};
use kerndns_tests::frame::Frame;
use kerndns_tests::query::{Edns, Query};
use kerndns_tests::runner::{Runner, SEED};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};

const DURATION: Duration = Duration::from_secs(30);
/// Names that are always there: whenever one is asked for, it has records.
const STAYING: u16 = 8;
/// Names that are removed and added again.
const COMING: u16 = 8;
/// How many generations of a name there are; they follow each other in a circle.
const GENERATIONS: u8 = 32;
const A: u16 = 1;
const AAAA: u16 = 28;

/// What one reader saw.
#[derive(Debug, Default)]
struct Seen {
    answers: u64,
    denials: u64,
    passes: u64,
}

fn zone() -> Name {
    Name::parse("race.test").unwrap_or_else(|_| Name::root())
}

/// Names of one length, so that their records share slots.
fn name(number: u16) -> Result<Name> {
    let label = format!("n{number:05}");
    zone().child(label.as_bytes()).context("a name")
}

/// The records of a name in a generation: their number differs between names and generations, the size of the slot
/// that they take hardly does.
fn node(number: u16, generation: u8) -> Node {
    let count = 24 + (u32::from(number) * 5 + u32::from(generation) * 3) % 7;
    let [high, low] = number.to_be_bytes();
    let v4 = |_| Rdata::A([10, generation, high, low].into());
    let v6 = |_| Rdata::Aaaa([0xfd00, generation.into(), number, 0, 0, 0, 0, 1].into());
    let set = |rdata| RRset {
        ttl: generation.into(),
        rdata,
        additional: Vec::new(),
    };
    Node {
        rrsets: vec![
            set((0..count).map(v4).collect()),
            set((0..count.div_ceil(2)).map(v6).collect()),
        ],
    }
}

/// What is held for a name in a generation.
fn record(number: u16, generation: u8) -> Result<(Vec<u8>, NameEntry)> {
    let placement = Placement {
        zone: 0,
        zone_len: u8::try_from(zone().wire().len())?,
        // A set's addresses are all the same, so that their order may be drawn.
        shuffle: number.is_multiple_of(2),
        account: 0,
    };
    Ok(encode(&name(number)?, &node(number, generation), placement))
}

#[test]
fn no_answer_is_mixed_or_anothers_while_every_record_is_being_replaced() -> Result<()> {
    let (runner, mut held) = Runner::load(SEED, 10_000)?;
    let mut cut = Zone::new(zone().wire());
    cut.flags = flag::USED | flag::SERVED | flag::COMPLETE;
    held.settings().change(|| held.set_zones(&[cut]));
    for number in 0..STAYING + COMING {
        let (record, entry) = record(number, 1)?;
        held.put(record, entry)?;
    }
    runner.settings().keep_alive();
    let is_over = AtomicBool::new(false);
    let (changes, seen) = thread::scope(|scope| {
        let readers = [(0, Hook::Xdp), (1, Hook::Tc), (0, Hook::Tc), (1, Hook::Xdp)];
        let readers = readers.map(|(cpu, hook)| {
            let (runner, is_over) = (&runner, &is_over);
            scope.spawn(move || {
                let seen = read(runner, cpu, hook, is_over);
                // One finding is enough.
                is_over.fetch_or(seen.is_err(), Ordering::Relaxed);
                seen
            })
        });
        let changes = write(&runner, &mut held, &is_over);
        is_over.store(true, Ordering::Relaxed);
        (changes, readers.map(ScopedJoinHandle::join))
    });
    let changes = changes?;
    let mut all = Seen::default();
    for reader in seen {
        let Ok(seen) = reader else {
            bail!("a reader panicked")
        };
        let seen = seen?;
        all.answers += seen.answers;
        all.denials += seen.denials;
        all.passes += seen.passes;
    }
    println!("{all:?} while {changes} records were replaced, removed or added");
    ensure!(all.answers > 10_000 && all.denials > 100 && changes > 10_000);
    Ok(())
}

/// Changes records until the time is up; how many.
fn write(runner: &Runner, held: &mut Held, is_over: &AtomicBool) -> Result<u64> {
    let end = Instant::now() + DURATION;
    let mut random = StdRng::seed_from_u64(1);
    let mut changes = 0;
    // Made beforehand, so that one change follows the other without a pause.
    let mut names = Vec::new();
    for number in 0..STAYING + COMING {
        let generations = (1..=GENERATIONS).map(|generation| record(number, generation));
        let generations: Vec<_> = generations.collect::<Result<_>>()?;
        names.push((number, name(number)?, generations));
    }
    for generation in (0..usize::from(GENERATIONS)).cycle() {
        runner.settings().keep_alive();
        if Instant::now() > end || is_over.load(Ordering::Relaxed) {
            break;
        }
        names.shuffle(&mut random);
        for (number, name, generations) in &names {
            if *number >= STAYING && random.random() {
                held.remove(name.wire())?;
            } else {
                let (record, entry) = &generations[generation];
                held.put(record.clone(), *entry)?;
            }
            changes += 1;
        }
    }
    Ok(changes)
}

/// Asks for names on one CPU until it is over.
fn read(runner: &Runner, cpu: usize, hook: Hook, is_over: &AtomicBool) -> Result<Seen> {
    let mut cpus = CpuSet::new();
    cpus.set(cpu)?;
    sched_setaffinity(Pid::from_raw(0), &cpus)?;
    let mut random = StdRng::seed_from_u64(cpu as u64);
    let mut seen = Seen::default();
    let mut questions = Vec::new();
    for number in 0..STAYING + COMING {
        for qtype in [A, AAAA] {
            let query = Query::of_wire(name(number)?.wire(), qtype).with(Edns::default());
            let message = query.octets();
            let frame = Frame::v4(message.clone());
            let octets = frame.octets();
            questions.push((number, qtype, message, frame, octets));
        }
    }
    let mut out = vec![0; 4096];
    while !is_over.load(Ordering::Relaxed) {
        let at = random.random_range(0..questions.len());
        let (number, qtype, query, frame, octets) = &questions[at];
        let Some(len) = runner.run_fast(hook, octets, &mut out)? else {
            seen.passes += 1;
            continue;
        };
        let response = &out[..len];
        let wrong = || format!("{hook:?}, name {number}, type {qtype}: {response:02x?}");
        let message = frame.message_of_response(response).with_context(wrong)?;
        if is_denial(*number, query, &message).with_context(wrong)? {
            seen.denials += 1;
        } else {
            is_of_one_generation(*number, *qtype, query, &message).with_context(wrong)?;
            seen.answers += 1;
        }
    }
    Ok(seen)
}

/// Whether it is NXDOMAIN, which only names that come and go may have.
fn is_denial(number: u16, query: &[u8], message: &[u8]) -> Result<bool> {
    let question = 12..query.len() - 11;
    ensure!(
        message[question.clone()] == query[question],
        "another question"
    );
    let is_denial = message[6..8] == [0, 0];
    if is_denial {
        ensure!(
            message[3] & 15 == 3,
            "NODATA for a type that the name always has"
        );
        ensure!(
            number >= STAYING,
            "NXDOMAIN for a name that is always there"
        );
    }
    Ok(is_denial)
}

/// Whether the answer is, octet for octet, that of one generation.
fn is_of_one_generation(number: u16, qtype: u16, query: &[u8], message: &[u8]) -> Result<()> {
    let start = query.len() - 11;
    let generation = message[start + 9];
    let node = node(number, generation);
    let set = node.rrsets.iter().find(|set| set.rtype() == qtype);
    let set = set.context("no such type")?;
    let mut expected = Vec::new();
    for rdata in &set.rdata {
        expected.extend([0xc0, 12]);
        expected.extend(qtype.to_be_bytes());
        expected.extend([0, 1, 0, 0, 0, generation]);
        match rdata {
            Rdata::A(ip) => expected.extend([&[0, 4][..], &ip.octets()].concat()),
            Rdata::Aaaa(ip) => expected.extend([&[0, 16][..], &ip.octets()].concat()),
            _ => bail!("no other types are held"),
        }
    }
    let count = u16::from_be_bytes([message[6], message[7]]);
    ensure!(
        usize::from(count) == set.rdata.len(),
        "not that generation's count"
    );
    ensure!(
        message[start..message.len() - 11] == expected[..],
        "not the records of generation {generation}"
    );
    Ok(())
}
