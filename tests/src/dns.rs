//! A stub resolver inside a namespace: a name and a type to the message that came back.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name, RecordType};

use crate::netns::Netns;

/// How long a response is waited for: longer than any timeout of the agent's.
const PATIENCE: Duration = Duration::from_secs(8);

/// Asks one server, port 53, from one namespace.
#[derive(Debug, Clone, Copy)]
pub struct Resolver<'a> {
    netns: &'a Netns,
    server: SocketAddr,
}

impl<'a> Resolver<'a> {
    /// Asks `server` from inside `netns`.
    pub fn new(netns: &'a Netns, server: IpAddr) -> Self {
        Self {
            netns,
            server: SocketAddr::new(server, 53),
        }
    }

    /// Asks over UDP without EDNS.
    pub fn udp(&self, name: &str, qtype: RecordType) -> Result<Message> {
        self.datagram(&query(name, qtype, None)?)
    }

    /// Asks over UDP with an OPT record that offers so many octets.
    pub fn edns(&self, name: &str, qtype: RecordType, size: u16) -> Result<Message> {
        self.datagram(&query(name, qtype, Some(size))?)
    }

    /// Asks over TCP.
    pub fn tcp(&self, name: &str, qtype: RecordType) -> Result<Message> {
        let (query, server) = (query(name, qtype, None)?.to_vec()?, self.server);
        self.netns.enter(move || {
            let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.write_all(&u16::try_from(query.len())?.to_be_bytes())?;
            stream.write_all(&query)?;
            let mut length = [0; 2];
            stream.read_exact(&mut length)?;
            let mut response = vec![0; u16::from_be_bytes(length).into()];
            stream.read_exact(&mut response)?;
            Ok(Message::from_vec(&response)?)
        })
    }

    fn datagram(&self, query: &Message) -> Result<Message> {
        let server = self.server;
        self.netns.enter(|| exchange(server, query, PATIENCE))
    }
}

/// The record data of the answer section, as zone files write them, in order.
pub fn answers(message: &Message) -> Vec<String> {
    let mut answers: Vec<String> = message
        .answers
        .iter()
        .map(|record| record.data.to_string())
        .collect();
    answers.sort();
    answers
}

/// One query of an [`Asking`].
#[derive(Debug, Clone)]
pub struct Attempt {
    /// When it was sent.
    pub at: Instant,
    /// The record data of the answer; none if no response came within a second.
    pub answers: Option<Vec<String>>,
}

/// Asks for the A records of one name over and over, a few milliseconds after each response.
#[derive(Debug)]
pub struct Asking {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Vec<Attempt>>>,
}

impl Asking {
    /// Starts to ask `server` from inside `netns`.
    pub fn start(netns: &Netns, server: IpAddr, name: &'static str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let server = SocketAddr::new(server, 53);
        let ask = move || {
            let mut attempts = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                let at = Instant::now();
                let response = query(name, RecordType::A, None)
                    .and_then(|query| exchange(server, &query, Duration::from_secs(1)));
                let answers = response.ok().map(|response| answers(&response));
                attempts.push(Attempt { at, answers });
                thread::sleep(Duration::from_millis(3));
            }
            attempts
        };
        Self {
            stop,
            thread: Some(netns.enter(|| thread::spawn(ask))),
        }
    }

    /// Stops, and returns all that was asked.
    pub fn stop(mut self) -> Vec<Attempt> {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().expect("it is taken here alone");
        thread.join().expect("it does not panic")
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// A query with an ID of its own, and with an OPT record if it offers so many octets.
pub fn query(name: &str, qtype: RecordType, size: Option<u16>) -> Result<Message> {
    static ID: AtomicU16 = AtomicU16::new(1);
    let id = ID.fetch_add(1, Ordering::Relaxed);
    let mut message = Message::new(id, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name)?, qtype));
    if let Some(size) = size {
        let mut edns = Edns::new();
        edns.set_max_payload(size);
        message.set_edns(edns);
    }
    Ok(message)
}

/// A connected socket takes nothing from any other address or port than the one asked.
fn exchange(server: SocketAddr, query: &Message, patience: Duration) -> Result<Message> {
    let any = if server.is_ipv4() {
        "0.0.0.0:0"
    } else {
        "[::]:0"
    };
    let socket = UdpSocket::bind(any)?;
    socket.connect(server)?;
    socket.set_read_timeout(Some(patience))?;
    socket.send(&query.to_vec()?)?;
    let mut response = [0; 4096];
    let length = socket
        .recv(&mut response)
        .with_context(|| format!("no response from {server}"))?;
    let response = Message::from_vec(&response[..length])?;
    ensure!(
        response.metadata.id == query.metadata.id
            && response.metadata.message_type == MessageType::Response
            && response.queries == query.queries,
        "not a response to this query: {response}"
    );
    Ok(response)
}
