//! One question asked for real: by a stub resolver, with the kernel's counters read before and after,
//! and then again over a socket of our own to measure the round trip.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use super::agent;
use super::lab::{Lab, Place, SERVICE_V4};
use super::question::{Answer, Question, Way};
use super::wire::{self, Type};
use crate::command;

/// How many round trips are measured per question.
pub(super) const ROUND_TRIPS: usize = 50;

/// What came back.
pub(super) struct Asked {
    pub(super) answer: Answer,
    /// Queries that the kernel answered.
    pub(super) by_kernel: u64,
    /// Queries that were sent, as far as they can be known.
    queries: u64,
    /// The median of [`ROUND_TRIPS`].
    pub(super) round_trip: Duration,
}

impl Asked {
    pub(super) fn is_expected(&self, question: &Question) -> bool {
        self.answer == question.expected_answer() && self.by_kernel == question.by_kernel
    }

    /// Who answered, with counts where both did.
    pub(super) fn answered_by(&self) -> String {
        match self.by_kernel {
            0 => "agent".to_owned(),
            by_kernel if by_kernel >= self.queries => "kernel".to_owned(),
            by_kernel => format!("kernel {by_kernel}, agent {}", self.queries - by_kernel),
        }
    }
}

/// Asks one question; an error only when it could not be asked.
pub(super) fn ask(lab: &Lab, question: &Question) -> anyhow::Result<Asked> {
    let before = agent::kernel_answers(lab)?;
    let (answer, queries) = match &question.way {
        Way::Getent { name, queries, .. } => (getent(lab, question.from, name)?, *queries),
        Way::Dig {
            name,
            rrtype,
            server,
            options,
        } => {
            let mut dig = lab.command(question.from, "dig");
            dig.args(["+noall", "+comments", "+answer", "+time=2", "+tries=1"]);
            dig.arg(format!("@{server}")).args(*options);
            (run_dig(dig.args([name.as_str(), &rrtype.to_string()]))?, 1)
        }
    };
    let by_kernel = agent::kernel_answers(lab)?.saturating_sub(before);
    let round_trip = lab.inside(question.from, || round_trip(question))?;
    Ok(Asked {
        answer,
        by_kernel,
        queries,
        round_trip,
    })
}

/// glibc's answer: addresses. A status other than 0 means that there are none.
fn getent(lab: &Lab, from: Place, name: &str) -> anyhow::Result<Answer> {
    let mut getent = lab.command(from, "getent");
    let output = getent
        .args(["ahosts", name])
        .output()
        .context("start getent")?;
    // Each address comes once per socket type, with the name behind one of them.
    let output = String::from_utf8_lossy(&output.stdout).into_owned();
    let addresses = output
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    let records: BTreeSet<String> = addresses.map(str::to_owned).collect();
    let rcode = if records.is_empty() {
        "no address"
    } else {
        "NOERROR"
    };
    Ok(Answer {
        rcode: rcode.to_owned(),
        records,
    })
}

fn run_dig(dig: &mut Command) -> anyhow::Result<Answer> {
    match command::output(dig) {
        Ok(output) => Ok(read_dig(&output)),
        // No response within the time is a finding, not the end of the demo.
        Err(error) if !error.is::<command::Interrupted>() => Ok(Answer {
            rcode: "no response".to_owned(),
            records: BTreeSet::new(),
        }),
        Err(interrupted) => Err(interrupted),
    }
}

/// dig's comments and answer section: the response code, and the data behind name, TTL, class, type.
pub(crate) fn read_dig(output: &str) -> Answer {
    let rcode = output
        .split_once("status: ")
        .and_then(|(_, rest)| rest.split(',').next());
    let records = output
        .lines()
        .filter(|line| !line.starts_with(';'))
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            (fields.len() > 4).then(|| fields[4..].join(" "))
        });
    Answer {
        rcode: rcode.unwrap_or("no response").to_owned(),
        records: records.collect(),
    }
}

/// The median time from sending a query to having its response, in the caller's namespace.
fn round_trip(question: &Question) -> anyhow::Result<Duration> {
    let (name, rrtype, server, options) = match &question.way {
        Way::Getent { last, .. } => (*last, Type::A, SERVICE_V4, [].as_slice()),
        Way::Dig {
            name,
            rrtype,
            server,
            options,
        } => (name.as_str(), *rrtype, *server, *options),
    };
    let server = SocketAddr::new(server.parse::<IpAddr>()?, 53);
    let edns = !options.contains(&"+noedns");
    let mut times = Vec::with_capacity(ROUND_TRIPS);
    let own: SocketAddr = if server.is_ipv4() {
        "0.0.0.0:0"
    } else {
        "[::]:0"
    }
    .parse()?;
    let udp = UdpSocket::bind(own)?;
    udp.connect(server)?;
    udp.set_read_timeout(Some(Duration::from_secs(2)))?;
    for id in 1..=u16::try_from(ROUND_TRIPS)? {
        command::check_interrupted()?;
        let query = wire::query(id, name, rrtype, edns)?;
        let start = Instant::now();
        let response = if options.contains(&"+tcp") {
            over_tcp(server, &query)
        } else {
            over_udp(&udp, &query)
        };
        let took = start.elapsed();
        let response =
            response.with_context(|| format!("no response about {name} from {server}"))?;
        ensure!(
            response[..2] == query[..2],
            "a response to another query about {name}"
        );
        times.push(took);
    }
    times.sort_unstable();
    Ok(times[ROUND_TRIPS / 2])
}

/// The first octets of a response.
fn over_udp(udp: &UdpSocket, query: &[u8]) -> anyhow::Result<[u8; 12]> {
    let mut response = [0; 4096];
    udp.send(query)?;
    let length = udp.recv(&mut response)?;
    Ok(*response[..length]
        .first_chunk()
        .context("a response of less than a header")?)
}

/// One connection per query, as dig does it.
fn over_tcp(server: SocketAddr, query: &[u8]) -> anyhow::Result<[u8; 12]> {
    let mut stream = TcpStream::connect_timeout(&server, Duration::from_secs(2))?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    let length = u16::try_from(query.len())?;
    stream.write_all(&[&length.to_be_bytes(), query].concat())?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut response = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut response)?;
    Ok(*response
        .first_chunk()
        .context("a response of less than a header")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digs_output_is_read_to_its_code_and_records() {
        let output = ";; Got answer:\n;; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 1\n\
            ;; ANSWER SECTION:\n_p._tcp.db.\t30\tIN\tSRV\t0 33 5432 db-0.db.\n";
        let answer = read_dig(output);
        assert_eq!(answer.rcode, "NOERROR");
        assert_eq!(
            answer.records,
            BTreeSet::from(["0 33 5432 db-0.db.".to_owned()])
        );
        let nothing = read_dig(";; ->>HEADER<<- opcode: QUERY, status: NXDOMAIN, id: 2\n");
        assert_eq!(nothing.to_string(), "NXDOMAIN");
    }
}
