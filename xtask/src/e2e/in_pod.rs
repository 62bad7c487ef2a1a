//! The program that runs in the pods of `cargo xtask e2e`, alone in its image: built for musl, with nothing but the
//! standard library. Queries come as octets, so that it knows of DNS (RFC 1035 4.1.1) only where the header has the
//! RCODE and the number of answers.

use std::collections::BTreeSet;
use std::env;
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, ToSocketAddrs as _, UdpSocket};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// A query that has no response by then is lost; stub resolvers wait five seconds.
const LOST: Duration = Duration::from_secs(1);
const USAGE: &str = "wait | resolve NAME... | ask SERVER PERIOD_US SECONDS QUERY... | fill SERVER WINDOW SECONDS QUERY | \
                     until SERVER SECONDS QUERY WANT | get ADDRESS PATH; a QUERY is octets in hexadecimal, with ! before \
                     them where NXDOMAIN is the right answer";

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["wait"] => loop {
            thread::park();
        },
        ["resolve", names @ ..] => {
            for name in names {
                resolve(name);
            }
            Ok(())
        }
        ["ask", server, period, seconds, queries @ ..] => ask(server, period, seconds, queries),
        ["fill", server, window, seconds, query] => fill(server, window, seconds, query),
        ["until", server, seconds, query, want] => until(server, seconds, query, want),
        ["get", address, path] => get(address, path),
        _ => Err(USAGE.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The C library's getaddrinfo, which the standard library calls: `NAME ADDRESS...`.
fn resolve(name: &str) {
    let found: BTreeSet<IpAddr> = match (name, 0).to_socket_addrs() {
        Ok(found) => found.map(|address| address.ip()).collect(),
        Err(_) => BTreeSet::new(),
    };
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    println!("{name} {}", found.join(" "));
}

/// What became of the queries of one kind.
#[derive(Default)]
struct Tally {
    sent: usize,
    /// NOERROR with records, or NXDOMAIN where that is right.
    answered: usize,
    /// Round trips of those that are answered, where they are timed.
    times: Vec<Duration>,
    /// Any other response.
    other: usize,
    lost: usize,
    /// ICMP said that nobody is there.
    refused: usize,
}

/// One query every so many microseconds, or (0) one as soon as the last is answered; each from a port of its own, as stub
/// resolvers do. Says once a second what became of them so far.
fn ask(server: &str, period: &str, seconds: &str, queries: &[&str]) -> Result<()> {
    let server: SocketAddr = server.parse()?;
    let period = Duration::from_micros(period.parse()?);
    let length = Duration::from_secs_f64(seconds.parse()?);
    let queries = queries
        .iter()
        .map(|query| Asked::parse(query))
        .collect::<Result<Vec<_>>>()?;
    let tallies: Vec<_> = queries
        .iter()
        .map(|_| Arc::new(Mutex::new(Tally::default())))
        .collect();
    let (start, mut said) = (Instant::now(), Instant::now());
    let mut next = start;
    for (tally, query) in tallies.iter().zip(&queries).cycle() {
        if period.is_zero() {
            one(server, query, tally);
        } else {
            let (tally, query) = (Arc::clone(tally), query.clone());
            thread::spawn(move || one(server, &query, &tally));
            next += period;
            thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        if said.elapsed() > Duration::from_secs(1) {
            say(&tallies);
            said = Instant::now();
        }
        if start.elapsed() >= length {
            break;
        }
    }
    if !period.is_zero() {
        thread::sleep(LOST + Duration::from_millis(200));
    }
    say(&tallies);
    Ok(())
}

/// A query, and what is right to come back.
#[derive(Clone)]
struct Asked {
    query: Vec<u8>,
    is_denied: bool,
}

impl Asked {
    fn parse(word: &str) -> Result<Self> {
        let denied = word.strip_prefix('!');
        Ok(Self {
            query: octets(denied.unwrap_or(word))?,
            is_denied: denied.is_some(),
        })
    }

    fn is_right(&self, response: &[u8]) -> bool {
        if self.is_denied {
            rcode(response) == 3
        } else {
            is_answer(response)
        }
    }
}

/// Keeps so many queries on the way from one port: each response makes room for the next. Those that are on the way when a
/// second has brought none are lost; those that are when the time is over do not count.
fn fill(server: &str, window: &str, seconds: &str, query: &str) -> Result<()> {
    let window: usize = window.parse()?;
    let length = Duration::from_secs_f64(seconds.parse()?);
    let mut asked = Asked::parse(query)?;
    let socket = connected(server.parse()?, LOST)?;
    let (mut tally, mut on_the_way, mut id) = (Tally::default(), 0, 0_u16);
    let mut response = [0; 4096];
    let start = Instant::now();
    while start.elapsed() < length {
        while on_the_way < window {
            id = id.wrapping_add(1);
            asked.query[..2].copy_from_slice(&id.to_be_bytes());
            socket.send(&asked.query)?;
            on_the_way += 1;
        }
        if let Ok(octets) = socket.recv(&mut response) {
            on_the_way = on_the_way.saturating_sub(1);
            let is_right = octets >= 12 && asked.is_right(&response[..octets]);
            tally.answered += usize::from(is_right);
            tally.other += usize::from(!is_right);
        } else {
            tally.lost += on_the_way;
            on_the_way = 0;
        }
    }
    tally.sent = tally.answered + tally.other + tally.lost;
    say(&[Arc::new(Mutex::new(tally))]);
    Ok(())
}

fn one(server: SocketAddr, asked: &Asked, tally: &Mutex<Tally>) {
    let start = Instant::now();
    let response = exchange(server, &asked.query, LOST);
    let took = start.elapsed();
    let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
    tally.sent += 1;
    match response {
        Ok(response) if asked.is_right(&response) => {
            tally.answered += 1;
            tally.times.push(took);
        }
        Ok(_) => tally.other += 1,
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => tally.refused += 1,
        Err(_) => tally.lost += 1,
    }
}

fn connected(server: SocketAddr, timeout: Duration) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect(server)?;
    socket.set_read_timeout(Some(timeout))?;
    Ok(socket)
}

fn exchange(server: SocketAddr, query: &[u8], timeout: Duration) -> io::Result<Vec<u8>> {
    let socket = connected(server, timeout)?;
    socket.send(query)?;
    let mut response = vec![0; 4096];
    let length = socket.recv(&mut response)?;
    response.truncate(length);
    if length < 12 || response[..2] != query[..2] {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(response)
}

fn rcode(response: &[u8]) -> u8 {
    response[3] & 15
}

fn is_answer(response: &[u8]) -> bool {
    rcode(response) == 0 && response[6..8] != [0, 0]
}

/// `tally INDEX sent N answered N other N lost N refused N p50 µs p99 µs p999 µs max µs cpu µs`; the CPU time is this
/// thread's.
fn say(tallies: &[Arc<Mutex<Tally>>]) {
    let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat");
    let nanoseconds = schedstat
        .ok()
        .and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
    let cpu = nanoseconds.unwrap_or_default() / 1000;
    for (index, tally) in tallies.iter().enumerate() {
        let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.times.sort_unstable();
        let count = tally.times.len();
        let at = |part: usize| {
            let place = (count * part / 1000).min(count.saturating_sub(1));
            let time = tally.times.get(place).copied().unwrap_or_default();
            time.as_secs_f64() * 1e6
        };
        println!(
            "tally {index} sent {} answered {} other {} lost {} refused {} p50 {:.1} p99 {:.1} p999 {:.1} max {:.1} cpu {cpu}",
            tally.sent,
            tally.answered,
            tally.other,
            tally.lost,
            tally.refused,
            at(500),
            at(990),
            at(999),
            at(1000)
        );
    }
}

/// Asks every millisecond until the response has the address `want`, any answer (`any`), or says NXDOMAIN (`nxdomain`).
fn until(server: &str, seconds: &str, query: &str, want: &str) -> Result<()> {
    let server: SocketAddr = server.parse()?;
    let limit = Duration::from_secs_f64(seconds.parse()?);
    let query = octets(query)?;
    let address: Option<Ipv4Addr> = want.parse().ok();
    println!("asking");
    let start = Instant::now();
    while start.elapsed() < limit {
        if let Ok(response) = exchange(server, &query, LOST) {
            let has = |ip: Ipv4Addr| {
                response[12..]
                    .windows(4)
                    .any(|octets| octets == ip.octets())
            };
            let is_wanted = match address {
                Some(ip) => is_answer(&response) && has(ip),
                None if want == "any" => is_answer(&response),
                None => rcode(&response) == 3,
            };
            if is_wanted {
                println!("seen");
                return Ok(());
            }
        }
        thread::sleep(Duration::from_millis(1));
    }
    Err(format!("not {want} within {seconds} s").into())
}

/// The body of an HTTP response (RFC 1945).
fn get(address: &str, path: &str) -> Result<()> {
    let mut stream = TcpStream::connect_timeout(&address.parse()?, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut response = Vec::new();
    stream.read_to_end(&mut response)?;
    let response = String::from_utf8_lossy(&response);
    let (_, body) = response.split_once("\r\n\r\n").ok_or("no body")?;
    print!("{body}");
    Ok(())
}

fn octets(hex: &str) -> Result<Vec<u8>> {
    let pairs = (0..hex.len()).step_by(2);
    let octets = pairs.map(|at| u8::from_str_radix(hex.get(at..at + 2).unwrap_or("?"), 16));
    Ok(octets.collect::<std::result::Result<_, _>>()?)
}
