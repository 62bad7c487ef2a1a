//! `forward` against upstreams that lie, are silent, hang up or are not there.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinHandle;

use super::*;
use crate::serve::response::SERVFAIL;
use crate::serve::sample::{
    OPT_1232, addresses, counts, is_truncated, message, name, parsed, plain, question, with_edns,
};
use crate::serve::{Chain, Servers};

/// Short timeouts, for what has to run into them.
const READ: Duration = Duration::from_millis(500);
const TOTAL: Duration = Duration::from_millis(1200);

/// What an upstream sends for a query; the flag: over TCP.
type Script = fn(&[u8], bool) -> Vec<Vec<u8>>;

/// An upstream on UDP and TCP that follows a script.
struct Scripted {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
    tasks: [JoinHandle<()>; 2],
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Scripted {
    async fn start(script: Script) -> Self {
        let (tcp, udp) = loop {
            let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
            // A port that is free for TCP may be taken for UDP.
            if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()).await {
                break (tcp, udp);
            }
        };
        let address = tcp.local_addr().unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let datagrams = tokio::spawn(async move {
            let mut buffer = [0; 4096];
            loop {
                let (length, client) = udp.recv_from(&mut buffer).await.unwrap();
                count.fetch_add(1, Ordering::Relaxed);
                for response in script(&buffer[..length], false) {
                    udp.send_to(&response, client).await.unwrap();
                }
            }
        });
        let count = Arc::clone(&asked);
        let connections = tokio::spawn(async move {
            // Kept, so that silence is silence and no end of the connection.
            let mut open = Vec::new();
            loop {
                let (mut stream, _) = tcp.accept().await.unwrap();
                let length = stream.read_u16().await.unwrap();
                let mut query = vec![0; usize::from(length)];
                stream.read_exact(&mut query).await.unwrap();
                count.fetch_add(1, Ordering::Relaxed);
                for response in script(&query, true) {
                    let length = u16::try_from(response.len()).unwrap();
                    stream.write_u16(length).await.unwrap();
                    stream.write_all(&response).await.unwrap();
                }
                open.push(stream);
            }
        });
        Self {
            address,
            asked,
            tasks: [datagrams, connections],
        }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

/// Where nobody listens: tcpmux is long gone, and port 0 never gives out port 1.
fn nobody() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 1))
}

fn options(to: &[SocketAddr]) -> Options {
    Options {
        from: Name::root(),
        to: to.to_vec(),
        except: Vec::new(),
    }
}

fn forward(to: &[SocketAddr]) -> Forward {
    Forward::new(&options(to), &[]).unwrap()
}

fn impatient(to: &[SocketAddr]) -> Forward {
    forward(to).with_timeouts(READ, TOTAL)
}

async fn ask(forward: Forward, query: &Query) -> Response {
    let chain = Chain::new(vec![Arc::new(forward)]);
    let servers = Servers::new([(vec![Name::root()], chain)]);
    servers.answer(query).await
}

async fn ask_one(script: Script, query: &Query) -> Response {
    let upstream = Scripted::start(script).await;
    ask(forward(&[upstream.address]), query).await
}

fn udp(octets: Vec<u8>) -> Query {
    parsed(octets, Transport::Udp)
}

#[tokio::test]
async fn what_an_upstream_says_reaches_the_client_under_its_id_and_case() {
    let query = udp(plain("WWW.example.com", 1));
    let response = ask_one(
        |query, _| {
            assert_eq!(counts(query), [1, 0, 0, 0]);
            assert_eq!(query[2..4], [1, 0]);
            let mut answer = addresses(query, 2, false);
            answer[12..16].make_ascii_lowercase();
            vec![answer]
        },
        &query,
    )
    .await;
    assert_eq!(response.message(), addresses(query.octets(), 2, false));
    assert_eq!(response.failure(), None);
}

#[tokio::test]
async fn an_upstream_sees_our_opt_and_none_of_the_clients_options() {
    let cookie = b"\0\0\x29\xff\xff\0\0\x80\0\0\x0c\0\x0a\0\x08abcdefgh";
    let body = [&question("www.example.com", 1)[..], cookie].concat();
    let query = udp(message(0x0130, [1, 0, 0, 1], &body));
    let response = ask_one(
        |query, _| {
            let mut opt = OPT_1232.to_vec();
            opt[7] = 0x80;
            assert!(query.ends_with(&opt) && query.len() == 12 + 21 + 11);
            assert_eq!(query[2..4], [1, 0x30]);
            vec![addresses(query, 1, false)]
        },
        &query,
    )
    .await;
    assert_eq!(counts(response.message()), [1, 1, 0, 1]);
}

#[tokio::test]
async fn lies_are_passed_over_until_the_truth_comes() {
    let query = udp(plain("www.example.com", 1));
    let response = ask_one(
        |query, _| {
            let good = addresses(query, 3, false);
            let mut wrong_id = addresses(query, 1, false);
            wrong_id[0] ^= 1;
            let mut wrong_name = addresses(query, 1, false);
            wrong_name[13] = b'x';
            let mut no_response = addresses(query, 1, false);
            no_response[2] &= 0x7f;
            let cut = good[..good.len() - 1].to_vec();
            let garbage = vec![0xff; 40];
            let short = query[..2].to_vec();
            vec![wrong_id, wrong_name, no_response, cut, garbage, short, good]
        },
        &query,
    )
    .await;
    assert_eq!(counts(response.message())[1], 3);
}

#[tokio::test]
async fn silence_and_lies_alone_are_servfail_in_time() {
    let query = udp(with_edns("www.example.com", 1));
    let silent: Script = |_, _| Vec::new();
    let lying: Script = |query, _| {
        let mut wrong_id = addresses(query, 1, false);
        wrong_id[1] ^= 1;
        vec![wrong_id]
    };
    for script in [silent, lying] {
        let upstreams = [Scripted::start(script).await, Scripted::start(script).await];
        let begin = Instant::now();
        let response = ask(
            impatient(&[upstreams[0].address, upstreams[1].address]),
            &query,
        )
        .await;
        let took = begin.elapsed();
        assert_eq!(response.rcode(), SERVFAIL);
        assert_eq!(counts(response.message()), [1, 0, 0, 1]);
        assert!(
            response
                .failure()
                .unwrap()
                .contains("did not answer over UDP")
        );
        assert!((TOTAL..2 * TOTAL).contains(&took), "{took:?}");
    }
}

#[tokio::test]
async fn a_lost_datagram_is_sent_again() {
    static QUERIES: AtomicUsize = AtomicUsize::new(0);
    let query = udp(plain("www.example.com", 1));
    let response = ask_one(
        |query, _| match QUERIES.fetch_add(1, Ordering::Relaxed) {
            0 => Vec::new(),
            _ => vec![addresses(query, 1, false)],
        },
        &query,
    )
    .await;
    assert_eq!(counts(response.message())[1], 1);
}

#[tokio::test]
async fn refused_ports_fail_over_at_once() {
    let good = Scripted::start(|query, _| vec![addresses(query, 1, false)]).await;
    for transport in [Transport::Udp, Transport::Tcp] {
        let query = parsed(plain("www.example.com", 1), transport);
        let begin = Instant::now();
        let to = [nobody(), nobody(), good.address];
        let response = ask(forward(&to), &query).await;
        assert_eq!(counts(response.message())[1], 1);
        let response = ask(forward(&[nobody(), nobody()]), &query).await;
        assert_eq!(response.rcode(), SERVFAIL);
        assert!(response.failure().unwrap().contains("cannot be reached"));
        assert!(begin.elapsed() < READ_TIMEOUT, "{:?}", begin.elapsed());
    }
}

#[tokio::test]
async fn an_upstream_that_failed_is_asked_last() {
    let silent = Scripted::start(|_, _| Vec::new()).await;
    let good = Scripted::start(|query, _| vec![addresses(query, 1, false)]).await;
    let forward = impatient(&[silent.address, good.address]);
    let chain = Chain::new(vec![Arc::new(forward)]);
    let servers = Servers::new([(vec![Name::root()], chain)]);
    for _ in 0..64 {
        let query = udp(plain("www.example.com", 1));
        let response = servers.answer(&query).await;
        assert_eq!(counts(response.message())[1], 1);
    }
    // Random order finds the silent one soon, and never again.
    assert_eq!((silent.asked(), good.asked()), (1, 64));
}

#[tokio::test]
async fn what_is_truncated_is_asked_again_over_tcp() {
    let script: Script = |query, tcp| vec![addresses(query, if tcp { 60 } else { 2 }, !tcp)];
    let small = ask_one(script, &udp(plain("www.example.com", 1))).await;
    assert_eq!(counts(small.message()), [1, 29, 0, 0]);
    assert!(is_truncated(small.message()));
    let edns = ask_one(script, &udp(with_edns("www.example.com", 1))).await;
    assert_eq!(counts(edns.message()), [1, 60, 0, 1]);
    assert!(!is_truncated(edns.message()));
}

#[tokio::test]
async fn without_tcp_the_truncated_part_is_passed_on() {
    let query = udp(plain("www.example.com", 1));
    let silent: Script = |query, tcp| {
        let answer = || vec![addresses(query, 2, true)];
        if tcp { Vec::new() } else { answer() }
    };
    let cut: Script = |query, tcp| {
        let answer = || addresses(query, 2, true)[..50].to_vec();
        vec![if tcp { vec![0; 12] } else { answer() }]
    };
    for (script, answers) in [(silent, 2), (cut, 0)] {
        let upstream = Scripted::start(script).await;
        let response = ask(impatient(&[upstream.address]), &query).await;
        assert_eq!(counts(response.message()), [1, answers, 0, 0]);
        assert!(is_truncated(response.message()));
        assert_eq!(response.failure(), None);
    }
}

#[tokio::test]
async fn a_client_over_tcp_is_asked_for_over_tcp() {
    let query = parsed(plain("www.example.com", 1), Transport::Tcp);
    let response = ask_one(
        |query, tcp| {
            assert!(tcp);
            vec![addresses(query, 100, false)]
        },
        &query,
    )
    .await;
    assert_eq!(counts(response.message())[1], 100);
    let hung_up = ask_one(|_, _| vec![vec![0; 30]], &query).await;
    assert!(hung_up.failure().unwrap().contains("another question"));
}

#[tokio::test]
async fn an_error_without_a_question_gets_the_clients() {
    let query = udp(with_edns("www.example.com", 1));
    let response = ask_one(
        |query, _| vec![[&query[..2], b"\x81\x81\0\0\0\0\0\0\0\0"].concat()],
        &query,
    )
    .await;
    assert_eq!(
        (response.rcode(), counts(response.message())),
        (1, [1, 0, 0, 1])
    );
}

#[tokio::test]
async fn from_and_except_choose_what_is_forwarded() {
    let upstream = Scripted::start(|query, _| vec![addresses(query, 1, false)]).await;
    for (asked, forwarded) in [
        ("example.com", true),
        ("a.example.com", true),
        ("xexample.com", false),
        ("in.example.com", false),
        ("a.in.example.com", false),
        ("ain.example.com", true),
    ] {
        let options = Options {
            from: name("example.com"),
            to: vec![upstream.address],
            except: vec![name("in.example.com")],
        };
        let forward = Forward::new(&options, &[]).unwrap();
        let response = ask(forward, &udp(plain(asked, 1))).await;
        assert_eq!(response.rcode() == 0, forwarded, "{asked}");
    }
}

#[test]
fn an_upstream_that_is_ourselves_is_refused() {
    let at = |text: &str| text.parse::<SocketAddr>().unwrap();
    let refused = |upstream: &str, listen: &str| {
        Forward::new(&options(&[at("192.0.2.1:53"), at(upstream)]), &[at(listen)]).is_err()
    };
    assert!(refused("127.0.0.1:53", "127.0.0.1:53"));
    assert!(refused("127.0.0.53:53", "0.0.0.0:53"));
    assert!(refused("[::1]:53", "[::]:53"));
    assert!(!refused("127.0.0.1:53", "127.0.0.1:5353"));
    assert!(!refused("127.0.0.2:53", "127.0.0.1:53"));
    assert!(!refused("127.0.0.1:53", "[::]:53"));
    assert!(!refused("192.0.2.1:53", "0.0.0.0:53"));
    let error = Forward::new(&options(&[at("[::1]:53")]), &[at("[::1]:53")]).err();
    assert!(
        error
            .unwrap()
            .to_string()
            .starts_with("forward . [::1]:53: ")
    );
}
