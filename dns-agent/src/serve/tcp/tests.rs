//! Real connections on loopback, to clients that do not behave.

use std::net::Ipv4Addr;

use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

use super::*;
use crate::metrics::Responses;
use crate::record::Name;
use crate::serve::listener::Listener;
use crate::serve::sample::{Addresses, addresses, plain};
use crate::serve::{Chain, Current, Handler, Next, Servers, Serving};

fn start(handler: impl Handler + 'static) -> Serving {
    let chain = Chain::new(vec![Arc::new(handler)]);
    let servers = Servers::new([(vec![Name::root()], chain)]);
    let listener = Listener::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    listener.serve(Arc::new(Current::new(servers)), Responses::default())
}

fn framed(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).unwrap();
    [&length.to_be_bytes(), message].concat()
}

async fn read(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let length = timeout(Duration::from_secs(5), stream.read_u16()).await??;
    let mut message = vec![0; usize::from(length)];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

#[tokio::test]
async fn queries_in_one_segment_and_in_single_octets_are_the_same() {
    let serving = start(Addresses(1));
    let query = plain("www.example.com", 1);
    let expected = addresses(&query, 1, false);
    let mut stream = TcpStream::connect(serving.address()).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream.write_all(&framed(&query).repeat(5)).await.unwrap();
    for _ in 0..5 {
        assert_eq!(read(&mut stream).await.unwrap(), expected);
    }
    for octet in framed(&query) {
        stream.write_all(&[octet]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(read(&mut stream).await.unwrap(), expected);
}

#[tokio::test]
async fn a_client_that_has_sent_its_last_query_still_gets_its_responses() {
    let serving = start(Addresses(1));
    let query = plain("www.example.com", 1);
    let mut stream = TcpStream::connect(serving.address()).await.unwrap();
    stream.write_all(&framed(&query).repeat(3)).await.unwrap();
    stream.shutdown().await.unwrap();
    for _ in 0..3 {
        read(&mut stream).await.unwrap();
    }
    assert!(read(&mut stream).await.is_err(), "and then the end");
}

#[tokio::test]
async fn half_a_message_holds_up_no_other_connection() {
    let serving = start(Addresses(1));
    let query = plain("www.example.com", 1);
    let mut halves = Vec::new();
    for octets in 0..=query.len() + 1 {
        let mut stream = TcpStream::connect(serving.address()).await.unwrap();
        stream.write_all(&framed(&query)[..octets]).await.unwrap();
        halves.push(stream);
    }
    let mut stream = TcpStream::connect(serving.address()).await.unwrap();
    stream.write_all(&framed(&query)).await.unwrap();
    assert!(read(&mut stream).await.is_ok());
}

#[tokio::test]
async fn a_length_that_no_query_has_ends_the_connection() {
    let serving = start(Addresses(1));
    let mut stream = TcpStream::connect(serving.address()).await.unwrap();
    stream
        .write_all(&(QUERY_MAX + 1).to_be_bytes())
        .await
        .unwrap();
    assert!(read(&mut stream).await.is_err());
    let mut stream = TcpStream::connect(serving.address()).await.unwrap();
    let mut stuffed = plain("www.example.com", 1);
    stuffed.resize(usize::from(QUERY_MAX), 0);
    stream.write_all(&framed(&stuffed)).await.unwrap();
    assert!(read(&mut stream).await.is_ok());
}

#[tokio::test]
async fn who_reads_nothing_gets_no_more_queries_read() {
    // 4 KB a response.
    let serving = start(Addresses(250));
    let query = framed(&plain("www.example.com", 1));
    let mut stream = TcpStream::connect(serving.address()).await.unwrap();
    let flood = async {
        loop {
            stream.write_all(&query.repeat(1000)).await.unwrap();
        }
    };
    // The kernel's buffers fill up; then nothing is taken any more.
    let mut sent = Box::pin(flood);
    assert!(timeout(Duration::from_secs(2), &mut sent).await.is_err());
    drop(sent);
    let mut other = TcpStream::connect(serving.address()).await.unwrap();
    other.write_all(&query).await.unwrap();
    assert!(read(&mut other).await.is_ok());
}

#[tokio::test]
async fn a_response_beyond_what_all_may_leave_unread_ends_its_connection() {
    let all = Arc::new(Semaphore::new(100));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let connecting = TcpStream::connect(listener.local_addr().unwrap());
    let (client, accepted) = tokio::join!(connecting, listener.accept());
    let (mut client, (stream, _)) = (client.unwrap(), accepted.unwrap());
    let (outbox, unread) = outbox::new(Arc::clone(&all));
    outbox.send(&[1; 80]);
    outbox.send(&[2; 80]);
    let (_, writer) = stream.into_split();
    unread.write(writer, IDLE).await;
    assert!(read(&mut client).await.is_err());
    assert!(outbox.room().await.is_err());
    drop(outbox);
    assert_eq!(all.available_permits(), 100, "nothing is held");
}

#[tokio::test]
async fn who_takes_no_response_is_given_up() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let connecting = TcpStream::connect(listener.local_addr().unwrap());
    let (client, accepted) = tokio::join!(connecting, listener.accept());
    let (_client, (stream, _)) = (client.unwrap(), accepted.unwrap());
    let (outbox, unread) = outbox::new(Arc::new(Semaphore::new(1 << 25)));
    for _ in 0..400 {
        outbox.send(&vec![0; 65_000]);
    }
    let (_, writer) = stream.into_split();
    let writing = unread.write(writer, Duration::from_millis(200));
    timeout(Duration::from_secs(10), writing).await.unwrap();
}

#[tokio::test]
async fn what_follows_a_response_is_made_as_it_is_read() {
    struct Stream;
    #[async_trait::async_trait]
    impl Handler for Stream {
        async fn handle(&self, query: &Query, _: Next<'_>) -> Response {
            let (messages, following) = mpsc::channel(1);
            tokio::spawn(async move {
                for number in 0..3_u8 {
                    messages.send(vec![number; 3]).await.unwrap();
                }
            });
            Response::new(addresses(query.octets(), 1, false)).followed_by(following)
        }
    }
    let serving = start(Stream);
    let mut stream = TcpStream::connect(serving.address()).await.unwrap();
    let query = plain("www.example.com", 1);
    stream.write_all(&framed(&query)).await.unwrap();
    assert_eq!(
        read(&mut stream).await.unwrap(),
        addresses(&query, 1, false)
    );
    for number in 0..3 {
        assert_eq!(read(&mut stream).await.unwrap(), [number; 3]);
    }
}
