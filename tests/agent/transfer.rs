//! A secondary is told of changes: soon, not of each of many, and again until it responds.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use kerndns_tests::site::{Site, corefile, service};

const ARGS: [&str; 4] = ["--kernel", "off", "--listen", "10.96.0.10:53"];
/// The zone's SOA, class IN.
const QUESTION: &[u8] = b"\x07cluster\x05local\0\0\x06\0\x01";

#[test]
fn a_secondary_is_told_of_a_burst_of_changes_once_and_until_it_responds() -> Result<()> {
    let site = Site::routed(1)?;
    let secondary = site
        .testbed
        .node
        .enter(|| anyhow::Ok(UdpSocket::bind((Ipv4Addr::LOCALHOST, 5353))?))?;
    let transfer = "transfer cluster.local {\n    to 127.0.0.1:5353\n    }\n    errors";
    site.corefile(&corefile("ttl 30", "1s").replacen("errors", transfer, 1))?;
    let _agent = site.start(&ARGS)?;
    // A message without a response comes again, unless the zone has changed meanwhile, as it may at the start.
    let mut last = told(&secondary, 10)?.context("not told of the start")?;
    for attempt in 0.. {
        let next = told(&secondary, 10)?.context("not repeated")?;
        if next.0 == last.0 {
            respond(&secondary, &next)?;
            break;
        }
        ensure!(attempt < 5, "only other messages: {next:02x?}");
        last = next;
    }
    while told(&secondary, 7)?
        .map(|again| respond(&secondary, &again))
        .transpose()?
        .is_some()
    {}
    let begin = Instant::now();
    for number in 0..20 {
        let name = format!("burst-{number}");
        let text = service(&name, &format!("10.96.1.{}", number + 1));
        site.write(&format!("{name}.yaml"), &text)?;
        std::thread::sleep(Duration::from_millis(100));
    }
    let mut count = 0;
    while let Some(change) = told(&secondary, 7)? {
        assert!(change.0[2..12] == *b"\x24\0\0\x01\0\0\0\0\0\0" && change.0[12..] == *QUESTION);
        respond(&secondary, &change)?;
        count += 1;
    }
    let seconds = begin.elapsed().as_secs();
    assert!((1..=3).contains(&count), "{count} in {seconds} s");
    Ok(())
}

/// A message, and from where.
type Told = (Vec<u8>, std::net::SocketAddr);

/// The next message, within so many seconds.
fn told(secondary: &UdpSocket, seconds: u64) -> Result<Option<Told>> {
    secondary.set_read_timeout(Some(Duration::from_secs(seconds)))?;
    let mut buffer = [0; 512];
    match secondary.recv_from(&mut buffer) {
        Ok((length, agent)) => Ok(Some((buffer[..length].to_vec(), agent))),
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn respond(secondary: &UdpSocket, (message, agent): &Told) -> Result<()> {
    let mut response = message.clone();
    response[2] |= 0x80;
    secondary.send_to(&response, agent)?;
    Ok(())
}
