//! Octets that nobody meant: random ones, mutated queries, streams that stop in the middle or are never read. The
//! agent answers all the same, and neither memory nor descriptors are lost.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::Result;
use hickory_proto::rr::RecordType;
use kerndns_tests::agent::Agent;
use kerndns_tests::attacher::eventually;
use kerndns_tests::dns::{Resolver, answers};
use kerndns_tests::query::Query;
use kerndns_tests::site::{SERVICE_V4, Site, WEB};
use rand::rngs::StdRng;
use rand::{Rng, RngExt as _, SeedableRng};

const SERVER: SocketAddr = SocketAddr::new(SERVICE_V4, 53);
const ARGS: [&str; 4] = ["--kernel", "off", "--listen", "10.96.0.10:53"];
/// Datagrams of a round.
const DATAGRAMS: usize = 20_000;
/// Connections of a round.
const CONNECTIONS: usize = 300;
/// What the first round may add: the buffers of all connections and responses that wait.
const ROOM: u64 = 64 * 1024;
/// What further rounds may add.
const LEAK: u64 = 8 * 1024;

#[test]
fn random_and_mutated_messages_cost_neither_answers_nor_memory_nor_descriptors() -> Result<()> {
    let seed = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let site = Site::routed(1)?;
    let agent = site.start(&ARGS)?;
    let pod = Resolver::new(&site.testbed.pods[0], SERVICE_V4);
    let (descriptors, before) = (agent.descriptors()?, agent.resident()?);
    let mut after = Vec::new();
    for _ in 0..3 {
        site.testbed.node.enter(|| datagrams(&mut random))?;
        let open = site.testbed.node.enter(|| connections(&mut random))?;
        assert!(agent.descriptors()? < descriptors + CONNECTIONS + 1000);
        assert_eq!(answers(&pod.udp(WEB.0, RecordType::A)?), [WEB.1]);
        assert_eq!(answers(&pod.tcp(WEB.0, RecordType::A)?), [WEB.1]);
        drop(open);
        back_to(&agent, descriptors);
        after.push(agent.resident()?);
    }
    println!("resident: {before} KiB before, {after:?} KiB after each round");
    assert!(after[0] < before + ROOM, "{before} KiB, then {after:?}");
    assert!(after[2] < after[0] + LEAK, "{before} KiB, then {after:?}");
    assert_eq!(agent.said("panicked"), 0, "{}", agent.log());
    Ok(())
}

#[test]
fn a_connection_that_stops_in_the_middle_is_closed_and_others_are_not_held_up() -> Result<()> {
    let site = Site::routed(1)?;
    let agent = site.start(&ARGS)?;
    let descriptors = agent.descriptors()?;
    let query = framed(&Query::new(WEB.0, 1).octets());
    let begin = Instant::now();
    let mut halves = site.testbed.node.enter(|| {
        let mut halves = Vec::new();
        for octets in [0, 1, 2, 3, query.len() - 1] {
            let mut stream = TcpStream::connect(SERVER)?;
            stream.set_read_timeout(Some(Duration::from_secs(20)))?;
            stream.write_all(&query[..octets])?;
            halves.push(stream);
        }
        anyhow::Ok(halves)
    })?;
    let pod = Resolver::new(&site.testbed.pods[0], SERVICE_V4);
    assert_eq!(answers(&pod.tcp(WEB.0, RecordType::A)?), [WEB.1]);
    for stream in &mut halves {
        assert_eq!(stream.read(&mut [0])?, 0, "the end");
        // As CoreDNS: ten seconds.
        assert!(
            (8..15).contains(&begin.elapsed().as_secs()),
            "{:?}",
            begin.elapsed()
        );
    }
    back_to(&agent, descriptors);
    Ok(())
}

/// Sends a round of datagrams, and reads what comes back so far.
fn datagrams(random: &mut StdRng) -> Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect(SERVER)?;
    socket.set_nonblocking(true)?;
    let mut buffer = vec![0; 65_535];
    for _ in 0..DATAGRAMS {
        let _buffer_is_full = socket.send(&message(random));
        while socket.recv(&mut buffer).is_ok() {}
    }
    Ok(())
}

/// Opens a round of connections and leaves them in the middle of something.
fn connections(random: &mut StdRng) -> Result<Vec<TcpStream>> {
    let mut open = Vec::new();
    for number in 0..CONNECTIONS {
        let mut stream = TcpStream::connect(SERVER)?;
        stream.set_nonblocking(true)?;
        let octets = match number % 5 {
            // A length, and less than it says.
            0 => vec![0xff, 0xff, 0, 0, 1],
            1 => vec![0],
            2 => {
                let mut octets = vec![0; 5000];
                random.fill_bytes(&mut octets);
                octets
            }
            // Queries without end, and none of the responses read.
            3 => framed(&Query::new("wide.prod.svc.cluster.local.", 33).octets()).repeat(4000),
            _ => (0..100).flat_map(|_| framed(&message(random))).collect(),
        };
        let _taken_or_closed = stream.write(&octets);
        open.push(stream);
    }
    Ok(open)
}

/// Octets, or a query with some of its octets changed, left out or doubled.
fn message(random: &mut StdRng) -> Vec<u8> {
    let mut octets = match random.random_range(0..4) {
        0 => {
            let mut octets = vec![0; random.random_range(0..1400)];
            random.fill_bytes(&mut octets);
            return octets;
        }
        1 => Query::new(WEB.0, 1).octets(),
        2 => Query::new("wide.prod.svc.cluster.local.", 33).octets(),
        _ => Query::new("nosuch.prod.svc.cluster.local.", 28).octets(),
    };
    for _ in 0..random.random_range(0..4) {
        let at = random.random_range(0..octets.len());
        match random.random_range(0..3) {
            0 => octets[at] = random.random(),
            1 => octets.truncate(at.max(1)),
            _ => octets.extend_from_within(at..),
        }
    }
    octets
}

fn framed(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).expect("a message");
    [&length.to_be_bytes(), message].concat()
}

/// Waits until no more descriptors are open than at the start, give or take one of `/metrics`.
#[track_caller]
fn back_to(agent: &Agent<'_>, descriptors: usize) {
    eventually("the descriptors are closed", || match agent.descriptors() {
        Ok(open) if open <= descriptors + 2 => Ok(()),
        other => Err(format!("{other:?}, {descriptors} at the start")),
    });
}
