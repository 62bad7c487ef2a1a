//! A running agent's `/ready` (RFC 1945), for `kerndns ready`: kubelet shows the output of a command that it probes with,
//! and never the body of an HTTP response.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// kubelet's own limit for a probe is a second unless it is told otherwise.
const LIMIT: Duration = Duration::from_secs(3);

/// Whether the agent with its endpoints at `address` is ready, and what it says of it.
pub fn ask(mut address: SocketAddr) -> io::Result<(bool, String)> {
    if address.ip().is_unspecified() {
        address.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    // In one segment: a server that answers the first line and closes resets what comes after it.
    let request = format!("GET /ready HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    let (head, body) = response.split_once("\r\n\r\n").unwrap_or((&response, ""));
    let status = head.split(' ').nth(1).unwrap_or_default();
    Ok((status == "200", body.trim_end().to_owned()))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    fn answered(response: &'static str) -> (bool, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 64];
            let length = stream.read(&mut request).unwrap();
            assert!(request[..length].starts_with(b"GET /ready HTTP/1.0"));
            stream.write_all(response.as_bytes()).unwrap();
        });
        let said = ask(address).unwrap();
        server.join().unwrap();
        said
    }

    #[test]
    fn only_200_is_ready_and_the_reason_is_the_body() {
        assert_eq!(
            answered("HTTP/1.0 200 OK\r\n\r\nOK"),
            (true, "OK".to_owned())
        );
        let (is_ready, said) = answered("HTTP/1.0 503 x\r\nA: b\r\n\r\nkubernetes\nForbidden: 200");
        assert!(!is_ready);
        assert_eq!(said, "kubernetes\nForbidden: 200");
    }
}
