//! What an alias is answered with, by what the chain says of its target.

use std::sync::Arc;

use async_trait::async_trait;
use hickory_proto::rr::RecordType;

use super::*;
use crate::serve::chain::{Chain, Handler, Servers};
use crate::serve::query::Transport;
use crate::serve::response::{SERVFAIL, empty};
use crate::serve::sample::{addresses, parsed, plain, with_edns};

/// `kubernetes` with one alias per name below `cluster.test`: `<n>.cluster.test` of `<n+1>.cluster.test`, up to
/// `end.test`; `circle.cluster.test` of itself.
struct Aliases(u8);

#[async_trait]
impl Handler for Aliases {
    async fn handle(&self, query: &Query, next: Next<'_>) -> Response {
        let name = query.question.name.to_string();
        let label = name.split('.').next().unwrap();
        let target = match label.parse::<u8>() {
            Ok(number) if number < self.0 => format!("{}.cluster.test", number + 1),
            Ok(_) => "end.test".to_owned(),
            Err(_) => "circle.cluster.test".to_owned(),
        };
        let target = record::Name::parse(&target).unwrap();
        follow(query, next, 30, &target).await
    }
}

/// What `end.test` is answered with.
struct End(Script);

/// A query to the response to it.
type Script = fn(&Query) -> Vec<u8>;

#[async_trait]
impl Handler for End {
    async fn handle(&self, query: &Query, _: Next<'_>) -> Response {
        Response::new((self.0)(query))
    }
}

fn servers(aliases: u8, end: Option<Script>) -> Servers {
    let name = |text| record::Name::parse(text).unwrap();
    let aliases: Arc<dyn Handler> = Arc::new(Aliases(aliases));
    let mut blocks = vec![(vec![name("cluster.test")], Chain::new(vec![aliases]))];
    if let Some(end) = end {
        let end: Arc<dyn Handler> = Arc::new(End(end));
        blocks.push((vec![name("end.test")], Chain::new(vec![end])));
    }
    Servers::new(blocks)
}

async fn ask(servers: &Servers, octets: Vec<u8>) -> Message {
    let query = parsed(octets, Transport::Udp);
    let response = servers.answer(&query).await;
    Message::from_vec(response.message()).unwrap()
}

/// RCODE, how many CNAME records, how many others.
fn told(message: &Message) -> (ResponseCode, usize, usize) {
    let is_alias = |record: &&Record| record.record_type() == RecordType::CNAME;
    let aliases = message.answers.iter().filter(is_alias).count();
    let code = message.metadata.response_code;
    (code, aliases, message.answers.len() - aliases)
}

#[tokio::test]
async fn the_rcode_is_the_last_names_and_every_alias_on_the_way_is_there() {
    let rows: [(Script, ResponseCode, usize); 4] = [
        (
            |query| addresses(query.octets(), 2, false),
            ResponseCode::NoError,
            2,
        ),
        (|query| empty(query, 0), ResponseCode::NoError, 0),
        (|query| empty(query, 3), ResponseCode::NXDomain, 0),
        (|query| empty(query, SERVFAIL), ResponseCode::ServFail, 0),
    ];
    for (end, code, others) in rows {
        for aliases in 1..=11 {
            let servers = servers(aliases - 1, Some(end));
            let message = ask(&servers, plain("0.Cluster.test", 1)).await;
            assert_eq!(told(&message), (code, aliases.into(), others));
            assert_eq!(message.answers[0].name.to_string(), "0.Cluster.test.");
            assert!(message.metadata.authoritative && !message.metadata.truncation);
        }
    }
}

#[tokio::test]
async fn a_circle_is_told_once_around_and_is_a_failure() {
    let servers = servers(0, None);
    let message = ask(&servers, plain("circle.cluster.test", 1)).await;
    assert_eq!(told(&message), (ResponseCode::ServFail, 1, 0));
}

#[tokio::test]
async fn the_twelfth_alias_in_a_row_is_a_failure() {
    let servers = servers(11, Some(|query| addresses(query.octets(), 1, false)));
    let message = ask(&servers, with_edns("0.cluster.test", 1)).await;
    assert_eq!(told(&message), (ResponseCode::ServFail, 12, 0));
}

#[tokio::test]
async fn where_no_server_may_be_asked_for_the_target_the_answer_ends_with_the_alias() {
    let servers = servers(0, None);
    let message = ask(&servers, plain("0.cluster.test", 28)).await;
    assert_eq!(told(&message), (ResponseCode::NoError, 1, 0));
}

#[tokio::test]
async fn what_an_upstream_truncated_stays_truncated() {
    let servers = servers(0, Some(|query| addresses(query.octets(), 1, true)));
    let message = ask(&servers, with_edns("0.cluster.test", 1)).await;
    assert_eq!(told(&message), (ResponseCode::NoError, 1, 1));
    assert!(message.metadata.truncation);
}
