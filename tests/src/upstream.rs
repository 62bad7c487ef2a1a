//! A scripted resolver: what the agent forwards to, over UDP and TCP.
//!
//! It knows a few names; all others do not exist. It answers as a recursive resolver does: RA set, AA clear.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::str::FromStr as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::Result;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name, RData, Record, RecordType, rdata};

/// TTL of every record, seconds.
const TTL: u32 = 300;
/// What it knows: names with the last octet of each of their addresses.
const ADDRESSES: [(&str, &[u8]); 2] = [
    ("one.example.net.", &[1]),
    ("three.example.net.", &[1, 2, 3]),
];
/// How many addresses `big.example.net.` has: too many for 1232 octets.
const BIG: u8 = 100;

/// Answers from start until the end of the process.
#[derive(Debug)]
pub struct Upstream {
    queries: Arc<AtomicUsize>,
}

impl Upstream {
    /// Listens at `address`, in the network namespace of the calling thread.
    pub fn start(address: SocketAddr) -> Result<Self> {
        let queries = Arc::new(AtomicUsize::new(0));
        let (udp, tcp) = (UdpSocket::bind(address)?, TcpListener::bind(address)?);
        let count = Arc::clone(&queries);
        thread::spawn(move || serve_udp(&udp, &count));
        let count = Arc::clone(&queries);
        thread::spawn(move || {
            for stream in tcp.incoming().flatten() {
                // A client may keep its connection; another one need not wait for that.
                let count = Arc::clone(&count);
                thread::spawn(move || {
                    let _ended_by_the_client = converse(stream, &count);
                });
            }
        });
        Ok(Self { queries })
    }

    /// How many queries have come.
    pub fn queries(&self) -> usize {
        self.queries.load(Ordering::Relaxed)
    }
}

fn serve_udp(socket: &UdpSocket, count: &AtomicUsize) {
    let mut buffer = [0; 4096];
    while let Ok((length, client)) = socket.recv_from(&mut buffer) {
        count.fetch_add(1, Ordering::Relaxed);
        let Ok(query) = Message::from_vec(&buffer[..length]) else {
            continue;
        };
        let room = query
            .edns
            .as_ref()
            .map_or(512, |edns| edns.max_payload().max(512));
        let mut response = respond(&query);
        if response
            .to_vec()
            .is_ok_and(|octets| octets.len() > room.into())
        {
            response.answers.clear();
            response.metadata.truncation = true;
        }
        let _client_gone = socket.send_to(&response.to_vec().unwrap_or_default(), client);
    }
}

fn converse(mut stream: TcpStream, count: &AtomicUsize) -> Result<()> {
    loop {
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut message = vec![0; u16::from_be_bytes(length).into()];
        stream.read_exact(&mut message)?;
        count.fetch_add(1, Ordering::Relaxed);
        let response = respond(&Message::from_vec(&message)?).to_vec()?;
        stream.write_all(&u16::try_from(response.len())?.to_be_bytes())?;
        stream.write_all(&response)?;
    }
}

fn respond(query: &Message) -> Message {
    let mut response = query.clone().into_response();
    response.metadata.recursion_available = true;
    response.metadata.authentic_data = false;
    response.additionals.clear();
    let Some(question) = query.queries.first() else {
        return response;
    };
    let name = question.name().to_lowercase().to_string();
    let addresses = if name == "big.example.net." {
        Some((1..=BIG).collect())
    } else {
        let known = ADDRESSES.iter().find(|(known, _)| *known == name);
        known.map(|(_, addresses)| addresses.to_vec())
    };
    match addresses {
        Some(addresses) if question.query_type() == RecordType::A => {
            let record = |last| {
                let address = RData::A(rdata::A::new(198, 51, 100, last));
                Record::from_rdata(question.name().clone(), TTL, address)
            };
            response.add_answers(addresses.into_iter().map(record));
        }
        known => {
            if known.is_none() {
                response.metadata.response_code = ResponseCode::NXDomain;
            }
            response.add_authority(soa());
        }
    }
    response
}

/// The SOA of the upstream's denials.
fn soa() -> Record {
    let name = |text| Name::from_str(text).expect("a literal");
    let soa = rdata::SOA::new(
        name("ns.example.net."),
        name("h.example.net."),
        1,
        2,
        3,
        4,
        60,
    );
    Record::from_rdata(name("example.net."), 60, RData::SOA(soa))
}
