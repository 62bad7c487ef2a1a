//! Which block is asked, in which order its plugins are, and how a chain is re-entered.

use super::*;
use crate::serve::query::Transport;
use crate::serve::response::{REFUSED, SERVFAIL};
use crate::serve::sample::{Addresses, counts, message, name, parsed, plain, question};

/// A server block's zones and plugins.
type Block<'a> = (&'a [&'a str], Vec<Arc<dyn Handler>>);

fn servers(blocks: Vec<Block<'_>>) -> Servers {
    Servers::new(blocks.into_iter().map(|(zones, handlers)| {
        let zones = zones.iter().map(|zone| name(zone)).collect();
        (zones, Chain::new(handlers))
    }))
}

async fn ask(servers: &Servers, name: &str, qtype: u16) -> Response {
    let query = parsed(plain(name, qtype), Transport::Udp);
    servers.answer(&query).await
}

#[tokio::test]
async fn the_block_with_the_longest_zone_answers() {
    let servers = servers(vec![
        (&["."], vec![Arc::new(Addresses(1))]),
        (&["example.com", "b.test"], vec![Arc::new(Addresses(2))]),
        (&["a.example.com"], vec![Arc::new(Addresses(3))]),
        (&["a.example.com"], vec![Arc::new(Addresses(4))]),
    ]);
    for (name, answers) in [
        ("example.org", 1),
        ("xexample.com", 1),
        ("example.com", 2),
        ("WWW.example.COM", 2),
        ("x.b.test", 2),
        ("x.a.example.com", 3),
    ] {
        let response = ask(&servers, name, 1).await;
        assert_eq!(counts(response.message())[1], answers, "{name}");
    }
}

#[tokio::test]
async fn what_is_not_for_us_is_refused_with_its_question() {
    let served = servers(vec![
        (&["cluster.local"], vec![Arc::new(Addresses(1))]),
        (&["empty.test"], vec![]),
    ]);
    for (name, qtype) in [
        ("example.com", 1),
        ("local", 1),
        ("www.empty.test", 1),
        ("cluster.local", 251),
        ("cluster.local", 252),
    ] {
        let response = ask(&served, name, qtype).await;
        let expected = message(0x8105, [1, 0, 0, 0], &question(name, qtype));
        assert_eq!(response.message(), expected, "{name} {qtype}");
        assert_eq!((response.rcode(), response.failure()), (REFUSED, None));
    }
    let mut chaos = plain("a.cluster.local", 16);
    *chaos.last_mut().unwrap() = 3;
    let query = parsed(chaos, Transport::Tcp);
    assert_eq!(served.answer(&query).await.rcode(), REFUSED);
}

/// Leaves everything to the next plugin.
struct Pass;

#[async_trait]
impl Handler for Pass {
    async fn handle(&self, query: &Query, next: Next<'_>) -> Response {
        next.handle(query).await
    }
}

#[tokio::test]
async fn a_name_that_no_plugin_answers_is_servfail_with_a_reason() {
    let one = servers(vec![(&["."], vec![Arc::new(Pass), Arc::new(Pass)])]);
    let response = ask(&one, "example.com", 1).await;
    assert_eq!(response.rcode(), SERVFAIL);
    assert!(response.failure().unwrap().contains("no plugin"));
    let two = servers(vec![(&["."], vec![Arc::new(Pass), Arc::new(Addresses(7))])]);
    assert_eq!(counts(ask(&two, "example.com", 1).await.message())[1], 7);
}

/// Asks for another name in place of the one asked for.
struct Alias(Name);

#[async_trait]
impl Handler for Alias {
    async fn handle(&self, query: &Query, next: Next<'_>) -> Response {
        next.lookup(&self.0, 28, query).await
    }
}

#[tokio::test]
async fn a_lookup_goes_to_the_block_of_its_name() {
    let servers = servers(vec![
        (
            &["cluster.local"],
            vec![Arc::new(Alias(name("www.example.com")))],
        ),
        (&["."], vec![Arc::new(Addresses(2))]),
    ]);
    let response = ask(&servers, "ext.cluster.local", 1).await;
    assert_eq!(counts(response.message())[1], 2);
    let asked = question("www.example.com", 28);
    assert_eq!(response.message()[12..12 + asked.len()], asked);
}

#[tokio::test]
async fn a_lookup_that_leads_to_itself_ends() {
    let served = servers(vec![(&["."], vec![Arc::new(Alias(name("loop.test")))])]);
    let response = ask(&served, "loop.test", 1).await;
    assert_eq!(response.rcode(), SERVFAIL);
    assert!(response.failure().unwrap().contains("CNAME"));
}

#[tokio::test]
async fn a_reload_changes_what_the_next_query_gets() {
    let block = |count| servers(vec![(&["."], vec![Arc::new(Addresses(count))])]);
    let current = Current::new(block(1));
    let before = current.load();
    current.replace(block(2));
    assert_eq!(counts(ask(&before, "a.test", 1).await.message())[1], 1);
    assert_eq!(
        counts(ask(&current.load(), "a.test", 1).await.message())[1],
        2
    );
}
