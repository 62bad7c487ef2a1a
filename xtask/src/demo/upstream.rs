//! The resolver that the world has outside the cluster: five records over UDP and TCP, NXDOMAIN for
//! the rest. It stands in for an upstream so that the demo needs no network.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;

use super::wire::{Type, read_question};

/// What one name has.
struct Host {
    owner: &'static str,
    v4: [u8; 4],
    v6: Option<[u16; 8]>,
}

const HOSTS: [Host; 3] = [
    Host {
        owner: "www.example.com.",
        v4: [192, 0, 2, 10],
        v6: Some([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x10]),
    },
    Host {
        owner: "pay.example.com.",
        v4: [192, 0, 2, 80],
        v6: None,
    },
    Host {
        owner: "example.com.",
        v4: [192, 0, 2, 1],
        v6: Some([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]),
    },
];
const TTL: u32 = 60;
const NXDOMAIN: u8 = 3;

/// Serves until the process is ended.
pub(super) fn serve(address: SocketAddr) -> anyhow::Result<()> {
    let udp = UdpSocket::bind(address).with_context(|| format!("UDP {address}"))?;
    let tcp = TcpListener::bind(address).with_context(|| format!("TCP {address}"))?;
    thread::spawn(move || {
        for stream in tcp.incoming().flatten() {
            // A client that hangs up has what it wanted, or will ask again.
            thread::spawn(move || drop(serve_stream(stream)));
        }
    });
    let mut query = [0; 4096];
    loop {
        let (length, client) = udp.recv_from(&mut query)?;
        if let Some(response) = respond(&query[..length]) {
            // As any resolver: a response that cannot be sent is asked for again.
            let _ = udp.send_to(&response, client);
        }
    }
}

/// Messages with two octets of length before each (RFC 1035 4.2.2).
fn serve_stream(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    loop {
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut query)?;
        let Some(response) = respond(&query) else {
            return Ok(());
        };
        let length = u16::try_from(response.len()).unwrap_or(0);
        stream.write_all(&[&length.to_be_bytes(), response.as_slice()].concat())?;
    }
}

/// The response to a query, without EDNS; `None` to what is no query with one question.
fn respond(query: &[u8]) -> Option<Vec<u8>> {
    let (name, rrtype, end) = read_question(query)?;
    let known = HOSTS.iter().find(|host| host.owner == name);
    let address: Option<IpAddr> = known.and_then(|host| match rrtype {
        number if number == Type::A.number() => Some(host.v4.into()),
        number if number == Type::Aaaa.number() => host.v6.map(IpAddr::from),
        _ => None,
    });
    let rcode = if known.is_some() { 0 } else { NXDOMAIN };
    let mut response = query[..end].to_vec();
    // QR and RD as asked; RA and the code; one question, the answers, nothing else.
    response[2] = 0x80 | query[2] & 0x01;
    response[3] = 0x80 | rcode;
    response[6..12].copy_from_slice(&[0, u8::from(address.is_some()), 0, 0, 0, 0]);
    if let Some(address) = address {
        // The owner is the question's name, at offset 12.
        response.extend([0xc0, 12]);
        response.extend(rrtype.to_be_bytes());
        response.extend([0, 1]);
        response.extend(TTL.to_be_bytes());
        match address {
            IpAddr::V4(address) => {
                response.extend([0, 4]);
                response.extend(address.octets());
            }
            IpAddr::V6(address) => {
                response.extend([0, 16]);
                response.extend(address.octets());
            }
        }
    }
    Some(response)
}

#[cfg(test)]
mod tests {
    use super::super::wire::query;
    use super::*;

    #[test]
    fn a_known_name_has_its_address_and_an_unknown_one_does_not_exist() {
        let ask = |name, rrtype| {
            let query = query(9, name, rrtype, true).expect("a name");
            respond(&query).expect("a response")
        };
        let response = ask("WWW.example.com.", Type::A);
        assert_eq!((response[3] & 0xf, response[7]), (0, 1));
        assert!(response.ends_with(&[0, 4, 192, 0, 2, 10]));
        let nodata = ask("pay.example.com.", Type::Aaaa);
        assert_eq!((nodata[3] & 0xf, nodata[7]), (0, 0));
        assert_eq!(ask("nowhere.example.com.", Type::A)[3] & 0xf, NXDOMAIN);
    }
}
