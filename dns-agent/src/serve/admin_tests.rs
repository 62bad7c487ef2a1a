//! The endpoints over real connections, and what is said where they cannot be had.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

fn wanted(plugin: &'static str, address: &str, endpoints: &[Endpoint]) -> Wanted {
    Wanted {
        plugin,
        address: address.into(),
        endpoints: endpoints.to_vec(),
    }
}

/// The status code and the body.
async fn fetch(address: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    let code = head.split(' ').nth(1).unwrap().parse().unwrap();
    (code, body.into())
}

#[tokio::test]
async fn readiness_says_what_is_waited_for() {
    let status = Status::default();
    status.ready.set("services listed", false);
    status.ready.set("maps written", false);
    let all = [Endpoint::Health, Endpoint::Ready, Endpoint::Metrics];
    // An address no other test has: its port is looked at once it is free again.
    let wanted = [wanted("--metrics", "127.0.0.9:0", &all)];
    let admin = Admin::start(&wanted, &status).await.unwrap();
    let address = admin.addresses()[0];
    let missing = "maps written\nservices listed".to_owned();
    assert_eq!(fetch(address, "/ready").await, (503, missing));
    assert_eq!(fetch(address, "/health").await, (200, "OK".into()));
    status.ready.set("maps written", true);
    assert_eq!(
        fetch(address, "/ready").await,
        (503, "services listed".into())
    );
    status.ready.set("services listed", true);
    assert_eq!(fetch(address, "/ready").await, (200, "OK".into()));
    status.health.set("answering", false);
    assert_eq!(fetch(address, "/health").await, (503, "answering".into()));
    let (code, body) = fetch(address, "/metrics").await;
    assert!(code == 200 && body.ends_with("# EOF\n"), "{code} {body}");
    assert_eq!(fetch(address, "/").await.0, 404);
    admin.stop().await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn one_address_serves_what_all_plugins_want_there() {
    let wanted = [
        wanted("health", "127.0.0.1:0", &[Endpoint::Health]),
        wanted("prometheus", "localhost:0", &[Endpoint::Metrics]),
        wanted("health", "127.0.0.1:0", &[Endpoint::Health]),
        wanted("ready", "127.0.0.2:0", &[Endpoint::Ready]),
    ];
    let admin = Admin::start(&wanted, &Status::default()).await.unwrap();
    let [address, ready] = admin.addresses()[..] else {
        panic!("{:?}", admin.addresses());
    };
    assert_eq!(fetch(ready, "/ready").await.0, 200);
    for (path, code) in [("/health", 200), ("/metrics", 200), ("/ready", 404)] {
        assert_eq!(fetch(address, path).await.0, code, "{path}");
    }
    let taken = [self::wanted("health", &address.to_string(), &[])];
    let error = Admin::start(&taken, &Status::default()).await.unwrap_err();
    let message = format!("health cannot listen at {address}: ");
    assert!(error.to_string().starts_with(&message), "{error}");
}

#[tokio::test]
async fn a_port_alone_is_every_address_of_both_families() {
    let wanted = [wanted("ready", ":0", &[Endpoint::Ready])];
    let admin = Admin::start(&wanted, &Status::default()).await.unwrap();
    let port = admin.addresses()[0].port();
    let v4 = (Ipv4Addr::LOCALHOST, port).into();
    assert_eq!(fetch(v4, "/ready").await.0, 200);
    if admin.addresses()[0].is_ipv6() {
        let v6 = (Ipv6Addr::LOCALHOST, port).into();
        assert_eq!(fetch(v6, "/ready").await.0, 200);
    }
}

#[tokio::test]
async fn a_change_that_cannot_be_made_leaves_all_as_it_was() {
    // Nobody else's: ports here are let go of and taken again.
    let free = |ip| std::net::TcpListener::bind((ip, 0)).unwrap();
    let port = |ip| free(ip).local_addr().unwrap().port();
    let (ours, others) = (Ipv4Addr::new(127, 0, 0, 10), Ipv4Addr::new(127, 0, 0, 11));
    let first = SocketAddr::from((ours, port(ours)));
    let holder = free(others);
    let taken = holder.local_addr().unwrap();
    let health = wanted("health", &first.to_string(), &[Endpoint::Health]);
    let status = Status::default();
    let mut admin = Admin::start(std::slice::from_ref(&health), &status)
        .await
        .unwrap();

    let wildcard = format!("0.0.0.0:{}", first.port());
    let last = wanted("ready", &taken.to_string(), &[Endpoint::Ready]);
    let wider = wanted("health", &wildcard, &[Endpoint::Health]);
    let error = admin.set(&[wider.clone(), last]).await.unwrap_err();
    assert!(error.to_string().contains(&taken.to_string()), "{error}");
    assert_eq!(admin.addresses(), [first]);
    assert_eq!(fetch(first, "/health").await.0, 200);

    let both = wanted(
        "health",
        &first.to_string(),
        &[Endpoint::Health, Endpoint::Ready],
    );
    admin.set(&[both]).await.unwrap();
    assert_eq!(fetch(first, "/ready").await.0, 200);
    admin.set(&[wider]).await.unwrap();
    assert_eq!(admin.addresses(), [wildcard.parse().unwrap()]);
    assert_eq!(fetch(first, "/health").await.0, 200);
    admin.set(&[]).await.unwrap();
    assert!(TcpStream::connect(first).await.is_err());
}

#[test]
fn what_is_no_address_is_named() {
    for address in [
        "",
        "8080",
        ":",
        ":65536",
        "example.com:80",
        "127.0.0.1",
        "::1:80x",
    ] {
        let error = by_address(&[wanted("health", address, &[])]).unwrap_err();
        let expected = format!("health {address:?}: not an address");
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
    assert_eq!(parse(":8080"), "[::]:8080".parse().ok());
    assert_eq!(parse("localhost:9153"), "127.0.0.1:9153".parse().ok());
    assert_eq!(parse("[::1]:80"), "[::1]:80".parse().ok());
}
