//! A name server that says the same of every name: what answers behind the kernel, or an upstream.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, Result};
use hickory_proto::op::{Message, OpCode};
use hickory_proto::rr::{RData, Record, rdata};

use crate::netns::Netns;

/// Answers every query over UDP with one A record, until this is dropped.
#[derive(Debug)]
pub struct Responder {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Responder {
    /// Listens inside `netns` on port 53 of `address`; every name there has the address `says`.
    pub fn start(netns: &Netns, address: IpAddr, says: Ipv4Addr) -> Result<Self> {
        let socket = netns
            .enter(|| UdpSocket::bind((address, 53)))
            .with_context(|| format!("a responder on {address}"))?;
        socket.set_read_timeout(Some(Duration::from_millis(50)))?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let serve = move || {
            let mut query = [0; 4096];
            while !stopped.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut query) else {
                    continue;
                };
                // A client that is gone is no concern of ours.
                let _sent = answer(&query[..length], says)
                    .and_then(|response| Ok(socket.send_to(&response, from)?));
            }
        };
        Ok(Self {
            stop,
            thread: Some(thread::spawn(serve)),
        })
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _told_by_the_test = thread.join();
        }
    }
}

/// Takes every datagram that comes to an address and says nothing, while it lives.
pub fn silent(netns: &Netns, address: SocketAddr) -> Result<UdpSocket> {
    Ok(netns.enter(|| UdpSocket::bind(address))?)
}

fn answer(query: &[u8], says: Ipv4Addr) -> Result<Vec<u8>> {
    let query = Message::from_vec(query)?;
    let mut response = Message::response(query.metadata.id, OpCode::Query);
    response.metadata.recursion_desired = query.metadata.recursion_desired;
    response.metadata.recursion_available = true;
    response.add_queries(query.queries.clone());
    let name = query.queries.first().context("no question")?.name().clone();
    let data = RData::A(rdata::A(says));
    response.answers.push(Record::from_rdata(name, 1, data));
    Ok(response.to_vec()?)
}
