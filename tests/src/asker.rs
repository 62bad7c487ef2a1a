//! A pod's stub resolver (RFC 1034 5.3.1): one question by a UDP socket, the response as a word.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;
use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};

use crate::netns::Netns;

/// What is left of a query that the kernel passed, where nothing listens behind it.
pub const PASSED: &str = "passed";
/// The name exists, the type does not.
pub const NODATA: &str = "NODATA";
/// The name does not exist.
pub const NXDOMAIN: &str = "NXDOMAIN";

/// How long a response may take: it comes from the kernel while the query is being sent.
const TIMEOUT: Duration = Duration::from_millis(500);
/// The pause between two of the same questions.
const PAUSE: Duration = Duration::from_micros(200);
/// How long an answer may take to become what it should be.
const PATIENCE: Duration = Duration::from_secs(20);

/// A socket in a network namespace, connected to a DNS server's address.
#[derive(Debug)]
pub struct Asker {
    socket: UdpSocket,
    responses: u64,
    id: u16,
}

impl Asker {
    /// Opens the socket in `netns`.
    pub fn new(netns: &Netns, server: SocketAddr) -> Result<Self> {
        let socket = netns.enter(|| UdpSocket::bind(("0.0.0.0", 0)))?;
        socket.connect(server)?;
        socket.set_read_timeout(Some(TIMEOUT))?;
        Ok(Self {
            socket,
            responses: 0,
            id: 0,
        })
    }

    /// How many responses have come.
    pub fn responses(&self) -> u64 {
        self.responses
    }

    /// The data of the answer section, sorted, with spaces between; or [`NODATA`], or another
    /// response code's name; or [`PASSED`] if it was delivered and the port is closed.
    pub fn ask(&mut self, name: &str, rtype: RecordType) -> Result<String> {
        self.id = self.id.wrapping_add(1);
        let mut query = Message::query();
        query.metadata.id = self.id;
        query.add_query(Query::query(Name::from_ascii(name)?, rtype));
        self.socket.send(&query.to_vec()?)?;
        let mut octets = [0; 1232];
        loop {
            let length = match self.socket.recv(&mut octets) {
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                    return Ok(PASSED.into());
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok("lost".into()),
                Err(error) => return Err(error.into()),
            };
            let response = Message::from_vec(&octets[..length])?;
            self.responses += 1;
            // A response that came after all to a question given up.
            if response.metadata.id == self.id {
                return Ok(words(&response));
            }
        }
    }

    /// Asks until the answer is `wanted`, and tells when that was.
    ///
    /// Panics with the answer there is instead after twenty seconds.
    #[track_caller]
    pub fn until(&mut self, name: &str, rtype: RecordType, wanted: &str) -> Instant {
        let end = Instant::now() + PATIENCE;
        loop {
            let answer = self.ask(name, rtype).expect("a socket that works");
            let now = Instant::now();
            if answer == wanted {
                return now;
            }
            assert!(now < end, "{name} {rtype}: {answer}, not {wanted}");
            sleep(PAUSE);
        }
    }
}

fn words(response: &Message) -> String {
    match response.metadata.response_code {
        ResponseCode::NoError if response.answers.is_empty() => NODATA.into(),
        ResponseCode::NoError => {
            let data = response
                .answers
                .iter()
                .map(|record| record.data.to_string());
            let mut data: Vec<String> = data.collect();
            data.sort();
            data.join(" ")
        }
        ResponseCode::NXDomain => NXDOMAIN.into(),
        code => format!("{code:?}"),
    }
}
