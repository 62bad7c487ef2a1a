//! A scripted API server in, events out: what a real one does only on a bad day.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::*;
use crate::k8s::target::Target;

/// What the server says to the queries of one kind, in order; after the last one it holds its tongue.
type Script = Vec<fn() -> Response>;

/// A server that plays `script` to whoever watches Services, and has no objects of other kinds.
struct Server {
    kubeconfig: PathBuf,
    queries: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(script: Script) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let queries = Arc::new(Mutex::new(Vec::new()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = queries.clone();
        let handler = move |request: Request| {
            let seen = seen.clone();
            let script = script.clone();
            async move {
                if request.uri().path() != "/api/v1/services" {
                    return lines(&[END], true);
                }
                let number = seen.lock().len();
                let query = request.uri().query().unwrap_or_default();
                seen.lock().push(query.to_owned());
                script
                    .get(number)
                    .map_or_else(|| lines(&[], true), |reply| reply())
            }
        };
        let router = axum::Router::new().fallback(handler);
        tokio::spawn(async move { axum::serve(listener, router).await });
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("kerndns-kubeconfig-{}-{number}", std::process::id());
        let kubeconfig = std::env::temp_dir().join(name);
        let text = json!({
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": format!("http://{address}")}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "users": [{"name": "test", "user": {"token": "secret"}}],
        });
        std::fs::write(&kubeconfig, text.to_string()).unwrap();
        Self {
            kubeconfig,
            queries,
        }
    }

    /// The events of Services, in words.
    async fn words(&self, count: usize) -> Vec<String> {
        let connection = Connection::open(Some(&self.kubeconfig), &Target::default())
            .await
            .unwrap();
        let (sender, mut events) = mpsc::unbounded_channel();
        tokio::spawn(run(connection, Needs::default(), sender));
        let mut words = Vec::new();
        while words.len() < count {
            let event = timeout(Duration::from_secs(20), events.recv()).await;
            let event = event.unwrap_or_else(|_| panic!("no more than {words:?}"));
            words.extend(word(&event.unwrap()));
        }
        words
    }

    fn query(&self, number: usize, part: &str) -> bool {
        self.queries.lock()[number]
            .split('&')
            .any(|parameter| parameter == part)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.kubeconfig);
    }
}

fn word(event: &Event) -> Option<String> {
    Some(match event {
        Event::Change(Verb::Apply(Object::Service(service)), _) => format!("+{}", service.key),
        Event::Change(Verb::Delete(Kind::Service, key), _) => format!("-{key}"),
        Event::Change(Verb::Reset(Kind::Service, keys), _) => format!("={}", keys.len()),
        Event::Broken(Kind::Service) => "broken".into(),
        Event::Restored(Kind::Service) => "restored".into(),
        _ => return None,
    })
}

const END: &str = r#"{"type":"BOOKMARK","object":{"kind":"Service","apiVersion":"v1","metadata":{"resourceVersion":"7","annotations":{"k8s.io/initial-events-end":"true"}}}}"#;
const ADDED: &str = r#"{"type":"ADDED","object":{"kind":"Service","apiVersion":"v1","metadata":{"name":"web","namespace":"a","resourceVersion":"5"},"spec":{}}}"#;
const DELETED: &str = r#"{"type":"DELETED","object":{"kind":"Service","apiVersion":"v1","metadata":{"name":"web","namespace":"a","resourceVersion":"9"},"spec":{}}}"#;
const GONE: &str = r#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","status":"Failure","message":"too old resource version","reason":"Expired","code":410}}"#;
const BAD: &str = r#"{"type":"ADDED","object":{"kind":"Service","apiVersion":"v1","metadata":{"name":"web","namespace":"a","resourceVersion":"12"},"spec":{"clusterIPs":["x"]}}}"#;

/// A watch's lines; `open`: it goes on in silence.
fn lines(lines: &[&str], open: bool) -> Response {
    let text = [lines, &[""]].concat().join("\n");
    let first = futures::stream::iter([Ok::<_, std::convert::Infallible>(text)]);
    let body = if open {
        Body::from_stream(first.chain(futures::stream::pending()))
    } else {
        Body::from_stream(first)
    };
    Response::new(body)
}

fn status(code: u16, message: &str) -> Response {
    let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure",
        "message": message, "reason": "X", "code": code});
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = code.try_into().unwrap();
    response
}

fn list(names: &[&str]) -> Response {
    let item = |name: &&str| json!({"metadata": {"name": name, "namespace": "a"}, "spec": {}});
    let items: Vec<Value> = names.iter().map(item).collect();
    let body = json!({"kind": "ServiceList", "apiVersion": "v1", "items": items,
        "metadata": {"resourceVersion": "20"}});
    Response::new(Body::from(body.to_string()))
}

#[tokio::test]
async fn a_streaming_list_ends_in_a_reset_and_the_watch_goes_on() {
    let server = Server::start(vec![|| lines(&[ADDED, END, DELETED], true)]).await;
    assert_eq!(server.words(3).await, ["+a/web", "=1", "-a/web"]);
    assert!(server.query(0, "sendInitialEvents=true"));
    assert!(server.query(0, "resourceVersion=0"));
}

#[tokio::test]
async fn a_server_that_refuses_streaming_lists_is_listed() {
    let server = Server::start(vec![
        || status(422, "sendInitialEvents is forbidden for watch"),
        || list(&["web", "db"]),
        || lines(&[DELETED], true),
    ])
    .await;
    let expected = ["+a/web", "+a/db", "=2", "-a/web"];
    assert_eq!(server.words(4).await, expected);
    assert!(server.query(1, "resourceVersion=0"));
    assert!(server.query(1, "resourceVersionMatch=NotOlderThan"));
    assert!(server.query(2, "resourceVersion=20"));
    assert!(!server.query(2, "sendInitialEvents=true"));
}

#[tokio::test]
async fn a_broken_watch_is_told_once_and_resumed_without_a_list() {
    let server = Server::start(vec![
        || lines(&[ADDED, END], false),
        || status(503, "etcd is away"),
        || status(503, "etcd is away"),
        || lines(&[DELETED], true),
    ])
    .await;
    let expected = ["+a/web", "=1", "broken", "restored", "-a/web"];
    assert_eq!(server.words(5).await, expected);
    assert!(server.query(3, "resourceVersion=7"));
}

#[tokio::test]
async fn a_watch_that_is_too_old_is_listed_anew_and_is_not_broken() {
    let server = Server::start(vec![|| lines(&[ADDED, END, GONE], false), || {
        lines(&[END], true)
    }])
    .await;
    assert_eq!(server.words(3).await, ["+a/web", "=1", "=0"]);
    // Another API server of the cluster may lag behind what is known.
    assert!(server.query(1, "resourceVersion=7"));
}

#[tokio::test]
async fn half_a_streaming_list_is_no_list() {
    let server = Server::start(vec![|| lines(&[ADDED], false), || lines(&[END], true)]).await;
    assert_eq!(server.words(2).await, ["+a/web", "=0"]);
}

#[tokio::test]
async fn an_object_that_cannot_be_used_keeps_its_last_good_version_through_a_list() {
    let server = Server::start(vec![|| lines(&[ADDED, END, BAD, GONE], false), || {
        lines(&[BAD, END], true)
    }])
    .await;
    assert_eq!(server.words(3).await, ["+a/web", "=1", "=1"]);
}

#[test]
fn no_pause_between_attempts_is_longer_than_ten_seconds_and_none_is_like_another() {
    let pauses: Vec<Duration> = BACKOFF.build().take(50).collect();
    assert_eq!(pauses.len(), 50, "it never gives up");
    assert!(pauses.iter().all(|pause| pause.as_secs_f64() <= 10.0));
    assert!(pauses[0] < Duration::from_secs(2));
    let late: HashSet<&Duration> = pauses[10..].iter().collect();
    assert!(late.iter().all(|pause| pause.as_secs() >= 5));
    assert!(late.len() > 10, "nodes would ask all at once: {late:?}");
}
