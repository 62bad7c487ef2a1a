//! Which queries a search path is walked for, and what the client gets.

use std::collections::BTreeMap;

use super::*;
use crate::serve::sample::{a_record, client, message, name, parsed, question, with_edns};
use crate::serve::{Chain, Servers, Transport};

/// What the rest of the chain says of some names; all others do not exist.
struct Zone(BTreeMap<&'static str, Says>);

#[derive(Clone, Copy)]
enum Says {
    /// An A record.
    Address,
    /// The name exists, the type does not.
    NoData,
    /// Nothing is known.
    Fails,
}

#[async_trait]
impl Handler for Zone {
    async fn handle(&self, query: &Query, _: Next<'_>) -> Response {
        let asked = query.question.name.to_string();
        let (flags, count, records) = match self.0.get(asked.as_str()) {
            Some(Says::Address) => (0x8180, 1, a_record([192, 0, 2, 7])),
            Some(Says::NoData) => (0x8580, 0, Vec::new()),
            Some(Says::Fails) => return Response::servfail(query, "no upstream answers"),
            None => (0x8583, 0, Vec::new()),
        };
        let body = [query.question_octets().to_vec(), records].concat();
        let octets = message(flags, [1, count, 0, 0], &body);
        Response::new(fit(query, &octets).unwrap())
    }
}

/// The path of one client.
struct Client;

impl SearchPath for Client {
    fn of(&self, address: IpAddr, _: &Name) -> Vec<Name> {
        if address != client().ip() {
            return Vec::new();
        }
        ["a.svc.test", "svc.test", "test", "node.example"]
            .map(name)
            .into()
    }
}

const NAMES: [(&str, Says); 6] = [
    ("web.a.svc.test.", Says::Address),
    ("db.b.svc.test.", Says::Address),
    ("empty.svc.test.", Says::NoData),
    ("www.example.com.", Says::Address),
    ("host.node.example.", Says::Address),
    ("broken.svc.test.", Says::Fails),
];

fn servers(zones: &[&str], path: Option<Arc<dyn SearchPath>>) -> Servers {
    let zones: Vec<Name> = zones.iter().map(|zone| name(zone)).collect();
    let search = Search::Kubernetes { own: Vec::new() };
    let autopath = Autopath::new(&Options { zones, search }, path).unwrap();
    let chain = Chain::new(vec![Arc::new(autopath), Arc::new(Zone(NAMES.into()))]);
    Servers::new([(vec![Name::root()], chain)])
}

/// RCODE, AA and the records of the answer, in words; the question is that of the query.
async fn ask(servers: &Servers, asked: &str) -> String {
    let query = parsed(with_edns(asked, 1), Transport::Udp);
    let response = servers.answer(&query).await;
    let octets = response.message();
    assert_eq!(
        &octets[12..12 + question(asked, 1).len()],
        question(asked, 1)
    );
    let message = Message::from_vec(octets).unwrap();
    assert!(message.edns.is_some(), "{asked}");
    let records = message.answers.iter().map(|record| {
        let (owner, ttl, data) = (&record.name, record.ttl, &record.data);
        format!(", {owner} {ttl} {} {data}", record.record_type())
    });
    let authoritative = if message.metadata.authoritative {
        " AA"
    } else {
        ""
    };
    format!(
        "{}{authoritative}{}",
        response.rcode(),
        records.collect::<String>()
    )
}

#[tokio::test]
async fn the_first_query_of_a_search_path_has_the_answer_of_the_first_name_that_exists() {
    let servers = servers(&["."], Some(Arc::new(Client)));
    for (asked, expected) in [
        ("Web.a.svc.test", "0, Web.a.svc.test. 30 A 192.0.2.7"),
        (
            "DB.b.a.svc.test",
            "0, DB.b.a.svc.test. 30 CNAME db.b.svc.test., db.b.svc.test. 30 A 192.0.2.7",
        ),
        (
            "www.Example.com.a.svc.test",
            "0, www.Example.com.a.svc.test. 30 CNAME www.example.com., www.example.com. 30 A 192.0.2.7",
        ),
        (
            "host.a.svc.test",
            "0, host.a.svc.test. 30 CNAME host.node.example., host.node.example. 30 A 192.0.2.7",
        ),
        ("empty.a.svc.test", "0 AA"),
        ("nowhere.a.svc.test", "3 AA"),
        ("broken.a.svc.test", "2"),
    ] {
        assert_eq!(ask(&servers, asked).await, expected, "{asked}");
    }
}

#[tokio::test]
async fn only_names_in_the_first_domain_of_a_known_client_are_looked_for() {
    let servers_of = |zones: &[&str]| servers(zones, Some(Arc::new(Client)));
    // The second domain, another namespace's, the domain itself, and a name outside of all.
    for asked in [
        "www.example.com.svc.test",
        "www.example.com.b.svc.test",
        "a.svc.test",
        "x.y",
    ] {
        assert!(
            ask(&servers_of(&["."]), asked).await.starts_with('3'),
            "{asked}"
        );
    }
    let asked = "www.example.com.a.svc.test";
    assert!(
        ask(&servers_of(&["other.test"]), asked)
            .await
            .starts_with('3')
    );
    assert!(
        ask(&servers_of(&["a.svc.test"]), asked)
            .await
            .starts_with('0')
    );
    let stranger: Arc<dyn SearchPath> = Arc::new(Same(Vec::new()));
    assert!(
        ask(&servers(&["."], Some(stranger)), asked)
            .await
            .starts_with('3')
    );
}

#[tokio::test]
async fn a_name_that_grows_too_long_is_left_out() {
    let path: Arc<dyn SearchPath> = Arc::new(Same(vec![name("t"), name(&"x.".repeat(100))]));
    let servers = servers(&["."], Some(path));
    let asked = format!("{}www.example.com.t", "y.".repeat(40));
    assert!(ask(&servers, &asked).await.starts_with('3'));
    assert!(ask(&servers, "www.example.com.t").await.starts_with('0'));
}

#[test]
fn without_the_kubernetes_plugin_there_is_nobody_to_ask() {
    let options = Options {
        zones: vec![Name::root()],
        search: Search::Kubernetes { own: Vec::new() },
    };
    assert!(Autopath::new(&options, None).is_none());
}
