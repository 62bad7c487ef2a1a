//! Pages of ARENA that come and go in the agent's memory: what lies in them is found all the same, by several readers at
//! once, and little of them stays mapped.

use std::fs;
use std::thread;

use anyhow::{Context as _, Result, bail, ensure};
use dns_agent::answer::held::{Placement, encode};
use dns_agent::map::held::Held;
use dns_agent::record::{Name, Node, RRset, Rdata};
use dns_ebpf::arena::NameEntry;
use dns_ebpf::respond::Store as _;
use kerndns_tests::runner::{Runner, SEED};

/// So many records of about a kilobyte that they take some forty pages of half a megabyte.
const NAMES: u16 = 20_000;
/// More than what is mapped at rest: four pages, the shortcut to the records, settings and zones.
const AT_REST: usize = 6 * 1024 * 1024;

#[test]
fn a_record_is_the_same_after_its_page_was_unmapped_and_mapped_again() -> Result<()> {
    let (_runner, mut held) = Runner::load(SEED, 50_000)?;
    for number in 0..NAMES {
        let (record, entry) = record(number)?;
        ensure!(held.put(record, entry)?, "name {number} was there before");
    }
    held.settle();
    held.rest();
    ensure!(mapped()? < AT_REST, "{} octets are mapped", mapped()?);
    thread::scope(|scope| {
        let readers = [0, 1, 0, 1].map(|start| {
            let held = &held;
            scope.spawn(move || {
                (start..NAMES)
                    .step_by(2)
                    .try_for_each(|number| is_found(held, number))
            })
        });
        readers
            .into_iter()
            .try_for_each(|reader| match reader.join() {
                Ok(found) => found,
                Err(_) => bail!("a reader panicked"),
            })
    })?;
    ensure!(mapped()? > AT_REST, "no reader mapped a page");
    held.rest();
    ensure!(mapped()? < AT_REST, "{} octets are mapped", mapped()?);
    for number in 0..NAMES {
        let (record, entry) = record(number)?;
        ensure!(!held.put(record, entry)?, "name {number} is another one");
    }
    for number in 0..NAMES {
        ensure!(held.remove(name(number)?.wire())?, "name {number} is gone");
    }
    Ok(())
}

fn is_found(held: &Held, number: u16) -> Result<()> {
    let key = held.seed().key(name(number)?.wire());
    let record = held.find(key).context("no record")?;
    ensure!(
        record.key() == key,
        "another record than that of name {number}"
    );
    ensure!(
        record.head().sets == 1,
        "the record of name {number} has lost its addresses"
    );
    Ok(())
}

fn name(number: u16) -> Result<Name> {
    Ok(Name::parse(&format!("n{number:05}.mapped.test"))?)
}

fn record(number: u16) -> Result<(Vec<u8>, NameEntry)> {
    let [high, low] = number.to_be_bytes();
    let address = |i: u8| Rdata::A([10, high, low, i].into());
    let node = Node {
        rrsets: vec![RRset {
            ttl: 5,
            rdata: (0..60).map(address).collect(),
            additional: Vec::new(),
        }],
    };
    let placement = Placement {
        zone: 0,
        zone_len: 13,
        shuffle: false,
        account: 0,
    };
    Ok(encode(&name(number)?, &node, placement))
}

/// Octets of BPF maps that are mapped into this process.
fn mapped() -> Result<usize> {
    let mut sum = 0;
    for line in fs::read_to_string("/proc/self/maps")?.lines() {
        if line.ends_with("bpf-map") {
            let (range, _) = line.split_once(' ').context("no range")?;
            let (from, to) = range.split_once('-').context("no range")?;
            sum += usize::from_str_radix(to, 16)? - usize::from_str_radix(from, 16)?;
        }
    }
    Ok(sum)
}
