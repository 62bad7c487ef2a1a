//! Real sockets on loopback: datagrams, pipelined connections, overload, stopping.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Instant;

use async_trait::async_trait;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::*;
use crate::metrics::Metrics;
use crate::record::Name;
use crate::serve::sample::{Addresses, addresses, counts, plain};
use crate::serve::{Chain, Handler, Next, Servers};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// An address no other test has, for ports that are bound again.
const ALONE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9));
const DRAIN: Duration = Duration::from_secs(5);

fn start(ip: IpAddr, handler: impl Handler + 'static) -> Serving {
    let chain = Chain::new(vec![Arc::new(handler)]);
    let servers = Servers::new([(vec![Name::root()], chain)]);
    let listener = Listener::bind(SocketAddr::new(ip, 0)).unwrap();
    listener.serve(Arc::new(Current::new(servers)), Responses::default())
}

async fn client(server: SocketAddr) -> UdpSocket {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await.unwrap();
    // Connected: a response from another address does not get in.
    socket.connect(server).await.unwrap();
    socket
}

async fn receive(socket: &UdpSocket) -> Option<Vec<u8>> {
    let mut buffer = [0; 4096];
    let received = tokio::time::timeout(Duration::from_secs(2), socket.recv(&mut buffer));
    let length = received.await.ok()?.ok()?;
    Some(buffer[..length].to_vec())
}

async fn ask(server: SocketAddr, query: &[u8]) -> Option<Vec<u8>> {
    let socket = client(server).await;
    socket.send(query).await.unwrap();
    receive(&socket).await
}

async fn send(stream: &mut TcpStream, query: &[u8]) {
    let length = u16::try_from(query.len()).unwrap();
    stream.write_u16(length).await.unwrap();
    stream.write_all(query).await.unwrap();
}

async fn read(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let length = tokio::time::timeout(Duration::from_secs(2), stream.read_u16()).await??;
    let mut message = vec![0; usize::from(length)];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

/// Returns once this many queries wait.
async fn under_way(serving: &Serving, queries: usize) {
    while serving.in_flight.available_permits() + queries > IN_FLIGHT as usize {
        tokio::task::yield_now().await;
    }
}

/// Waits with names under `wait`, panics at names under `panic`, answers the others.
#[derive(Default)]
struct Moody {
    go: Arc<Notify>,
}

#[async_trait]
impl Handler for Moody {
    async fn handle(&self, query: &Query, _: Next<'_>) -> Response {
        let name = query.question.name.to_string();
        assert!(!name.ends_with("panic."), "as told");
        if name.ends_with("wait.") {
            self.go.notified().await;
        }
        Response::new(addresses(query.octets(), 1, false))
    }
}

#[tokio::test]
async fn datagrams_are_answered_errors_too_and_responses_are_not() {
    let serving = start(LOOPBACK, Addresses(2));
    let query = plain("www.example.com", 1);
    let expected = addresses(&query, 2, false);
    assert_eq!(ask(serving.address(), &query).await, Some(expected.clone()));
    let notimp = ask(serving.address(), b"\x12\x34\x11\0\0\x01\0\0\0\0\0\0").await;
    assert_eq!(notimp.unwrap(), b"\x12\x34\x91\x04\0\0\0\0\0\0\0\0");
    let socket = client(serving.address()).await;
    socket.send(&expected).await.unwrap();
    socket.send(&query).await.unwrap();
    assert_eq!(receive(&socket).await, Some(expected));
}

#[tokio::test]
async fn a_wildcard_socket_answers_from_the_address_that_was_asked() {
    let v4 = start(Ipv4Addr::UNSPECIFIED.into(), Addresses(1));
    let query = plain("www.example.com", 1);
    for last in [1, 2, 77] {
        let server = (Ipv4Addr::new(127, 0, 0, last), v4.address().port()).into();
        assert!(ask(server, &query).await.is_some(), "{server}");
    }
    // Both wildcards at one port; a free port of one family may be taken in the other.
    for _ in 0..PORT_CHOICES {
        let v6 = start(Ipv6Addr::UNSPECIFIED.into(), Addresses(1));
        let port = v6.address().port();
        assert!(
            ask((Ipv6Addr::LOCALHOST, port).into(), &query)
                .await
                .is_some()
        );
        if Listener::bind((Ipv4Addr::UNSPECIFIED, port).into()).is_ok() {
            return;
        }
    }
    panic!("0.0.0.0 and [::] do not go together");
}

#[tokio::test]
async fn a_query_that_waits_holds_up_no_other() {
    let moody = Moody::default();
    let go = Arc::clone(&moody.go);
    let serving = start(LOOPBACK, moody);
    let socket = client(serving.address()).await;
    socket.send(&plain("a.wait", 1)).await.unwrap();
    socket.send(&plain("b.test", 1)).await.unwrap();
    let first = receive(&socket).await;
    assert_eq!(first, Some(addresses(&plain("b.test", 1), 1, false)));
    go.notify_one();
    let second = receive(&socket).await;
    assert_eq!(second, Some(addresses(&plain("a.wait", 1), 1, false)));
}

#[tokio::test]
async fn a_plugin_that_panics_costs_one_query() {
    let serving = start(LOOPBACK, Moody::default());
    let socket = client(serving.address()).await;
    for _ in 0..8 {
        socket.send(&plain("a.panic", 1)).await.unwrap();
        assert_eq!(receive(&socket).await.unwrap()[3] & 0xf, 2);
    }
    socket.send(&plain("b.test", 1)).await.unwrap();
    assert_eq!(receive(&socket).await.unwrap()[3] & 0xf, 0);
}

#[tokio::test]
async fn beyond_the_ceiling_queries_get_servfail_at_once() {
    let serving = start(LOOPBACK, Moody::default());
    let _all = serving.in_flight.acquire_many(IN_FLIGHT).await.unwrap();
    let response = ask(serving.address(), &plain("a.wait", 1)).await.unwrap();
    assert_eq!(response[3] & 0xf, 2);
    let inline = ask(serving.address(), &plain("b.test", 1)).await.unwrap();
    assert_eq!(inline[3] & 0xf, 0);
}

#[tokio::test]
async fn a_connection_takes_many_queries_and_answers_as_they_are_ready() {
    let moody = Moody::default();
    let go = Arc::clone(&moody.go);
    let serving = start(LOOPBACK, moody);
    let mut stream = TcpStream::connect(serving.address()).await.unwrap();
    for name in ["a.wait", "b.test", "c.test"] {
        send(&mut stream, &plain(name, 1)).await;
    }
    send(&mut stream, b"\x12\x34\x01\0\0\x02\0\0\0\0\0\0").await;
    let mut early = Vec::new();
    for _ in 0..3 {
        early.push(read(&mut stream).await.unwrap());
    }
    early.sort();
    let mut expected = vec![
        b"\x12\x34\x81\x01\0\0\0\0\0\0\0\0".to_vec(),
        addresses(&plain("b.test", 1), 1, false),
        addresses(&plain("c.test", 1), 1, false),
    ];
    expected.sort();
    assert_eq!(early, expected);
    go.notify_one();
    let last = read(&mut stream).await.unwrap();
    assert_eq!(last, addresses(&plain("a.wait", 1), 1, false));
}

#[tokio::test]
async fn a_large_response_goes_over_tcp_whole() {
    let serving = start(LOOPBACK, Addresses(200));
    let mut stream = TcpStream::connect(serving.address()).await.unwrap();
    send(&mut stream, &plain("www.example.com", 1)).await;
    let response = read(&mut stream).await.unwrap();
    assert_eq!(counts(&response)[1], 200);
}

#[tokio::test]
async fn stopping_answers_what_is_under_way_and_frees_the_port() {
    let moody = Moody::default();
    let go = Arc::clone(&moody.go);
    let serving = start(ALONE, moody);
    let address = serving.address();
    let socket = client(address).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    socket.send(&plain("a.wait", 1)).await.unwrap();
    send(&mut stream, &plain("b.wait", 1)).await;
    under_way(&serving, 2).await;
    let stopping = tokio::spawn(serving.stop(DRAIN));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!stopping.is_finished());
    go.notify_waiters();
    assert!(receive(&socket).await.is_some());
    assert!(read(&mut stream).await.is_ok());
    stopping.await.unwrap();
    assert!(read(&mut stream).await.is_err());
    Listener::bind(address).unwrap();
}

#[tokio::test]
async fn stopping_waits_no_longer_than_told() {
    let serving = start(LOOPBACK, Moody::default());
    let mut stream = TcpStream::connect(serving.address()).await.unwrap();
    send(&mut stream, &plain("a.wait", 1)).await;
    under_way(&serving, 1).await;
    let begin = Instant::now();
    serving.stop(Duration::from_millis(100)).await;
    assert!(begin.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_port_in_use_and_a_foreign_address_are_named() {
    let first = Listener::bind(SocketAddr::new(LOOPBACK, 0)).unwrap();
    let taken = Listener::bind(first.address()).unwrap_err();
    assert!(matches!(taken, ListenError::InUse { over: "TCP", .. }));
    assert!(taken.to_string().contains(&first.address().to_string()));
    let socket = std::net::UdpSocket::bind((ALONE, 0)).unwrap();
    let taken = Listener::bind(socket.local_addr().unwrap()).unwrap_err();
    assert!(
        matches!(taken, ListenError::InUse { over: "UDP", .. }),
        "{taken}"
    );
    // TEST-NET-1 (RFC 5737): on no interface.
    let foreign = Listener::bind("192.0.2.1:0".parse().unwrap()).unwrap_err();
    assert!(
        matches!(foreign, ListenError::NotAvailable { .. }),
        "{foreign}"
    );
}

#[tokio::test]
async fn responses_are_counted() {
    let metrics = Metrics::default();
    let listener = Listener::bind(SocketAddr::new(LOOPBACK, 0)).unwrap();
    let servers = Arc::new(Current::new(Servers::default()));
    let serving = listener.serve(servers, metrics.responses());
    ask(serving.address(), &plain("www.example.com", 1))
        .await
        .unwrap();
    let text = metrics.text().unwrap();
    let line = r#"kerndns_responses_total{transport="udp",rcode="REFUSED"} 1"#;
    assert!(text.contains(line), "{text}");
}
