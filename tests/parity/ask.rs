//! Many queries to one server, a window of them on the way at a time: messages to responses in the same order.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use anyhow::Result;

/// How many queries are on the way.
const WINDOW: usize = 48;
/// How many queries have the same source port, or the same connection.
const PORT: usize = 480;
/// How long a response may take before the query is sent again.
const TIMEOUT: Duration = Duration::from_secs(6);
/// How often it is sent.
const ATTEMPTS: u32 = 3;

/// By UDP. The messages' IDs must differ within a window.
pub(crate) fn udp(server: SocketAddr, messages: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>> {
    let mut responses = Vec::with_capacity(messages.len());
    for messages in messages.chunks(PORT) {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.connect(server)?;
        socket.set_read_timeout(Some(TIMEOUT))?;
        for window in messages.chunks(WINDOW) {
            responses.extend(udp_window(&socket, window));
        }
    }
    Ok(responses)
}

fn udp_window(socket: &UdpSocket, messages: &[Vec<u8>]) -> Vec<Option<Vec<u8>>> {
    let mut responses = HashMap::new();
    let mut buffer = vec![0; 65_535];
    for _ in 0..ATTEMPTS {
        for message in messages {
            if !responses.contains_key(&message[..2]) {
                // A port that is still closed says so with the next call.
                let _refused = socket.send(message);
            }
        }
        while responses.len() < messages.len() {
            let Ok(length) = socket.recv(&mut buffer) else {
                break;
            };
            if length >= 2 && messages.iter().any(|message| message[..2] == buffer[..2]) {
                responses.insert(buffer[..2].to_vec(), buffer[..length].to_vec());
            }
        }
        if responses.len() == messages.len() {
            break;
        }
    }
    let response = |message: &Vec<u8>| responses.remove(&message[..2]);
    messages.iter().map(response).collect()
}

/// By TCP, pipelined (RFC 7766 6.2.1.1). The messages' IDs must differ within a window.
pub(crate) fn tcp(server: SocketAddr, messages: &[Vec<u8>]) -> Vec<Option<Vec<u8>>> {
    let mut responses = Vec::with_capacity(messages.len());
    for window in messages.chunks(WINDOW) {
        let mut found = HashMap::new();
        // A server may end a connection; what is missing then is asked again.
        for _ in 0..ATTEMPTS {
            let missing = |message: &&Vec<u8>| !found.contains_key(&message[..2]);
            let left: Vec<&Vec<u8>> = window.iter().filter(missing).collect();
            if left.is_empty() {
                break;
            }
            let _what_came_counts = converse(server, &left, &mut found);
        }
        let response = |message: &Vec<u8>| found.remove(&message[..2]);
        responses.extend(window.iter().map(response));
    }
    responses
}

fn converse(
    server: SocketAddr,
    messages: &[&Vec<u8>],
    found: &mut HashMap<Vec<u8>, Vec<u8>>,
) -> Result<()> {
    let mut stream = TcpStream::connect_timeout(&server, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    let mut octets = Vec::new();
    for message in messages {
        octets.extend(u16::try_from(message.len())?.to_be_bytes());
        octets.extend(*message);
    }
    stream.write_all(&octets)?;
    for _ in messages {
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut response = vec![0; u16::from_be_bytes(length).into()];
        stream.read_exact(&mut response)?;
        found.insert(response.get(..2).unwrap_or_default().to_vec(), response);
    }
    Ok(())
}
