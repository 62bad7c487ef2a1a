//! A running watch as a test sees it: its events, the objects they add up to, and its log.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use dns_agent::k8s::connect::Connection;
use dns_agent::k8s::needs::Needs;
use dns_agent::k8s::object::{Kind, Object};
use dns_agent::k8s::target::Target;
use dns_agent::k8s::{Event, Verb, watch};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

/// A watch that ends when dropped. One at a time: its log is that of the test's thread.
pub struct Watched {
    events: mpsc::UnboundedReceiver<Event>,
    objects: HashMap<(Kind, String), Object>,
    /// The kinds that are watched.
    kinds: Vec<Kind>,
    lists: Vec<Kind>,
    log: Log,
    _subscriber: tracing::subscriber::DefaultGuard,
}

impl Watched {
    /// Starts the watch in the test's runtime, which must be one of a single thread.
    pub async fn start(kubeconfig: &Path) -> Result<Self> {
        let target = Target {
            kubeconfig: Some(kubeconfig.to_owned()),
            ..Target::default()
        };
        Self::start_with(&target, Needs::default()).await
    }

    /// Starts the watch of what a Corefile says.
    pub async fn start_with(target: &Target, needs: Needs) -> Result<Self> {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .with_env_filter("off,dns_agent=info")
            .with_ansi(false)
            .finish();
        let subscriber = tracing::subscriber::set_default(subscriber);
        let connection = Connection::open(None, target).await?;
        let kinds = needs.kinds().collect();
        let (sender, events) = mpsc::unbounded_channel();
        tokio::spawn(watch::run(connection, needs, sender));
        Ok(Self {
            events,
            objects: HashMap::new(),
            kinds,
            lists: Vec::new(),
            log,
            _subscriber: subscriber,
        })
    }

    /// Takes the next event in; fails the test when a minute brings none.
    pub async fn next(&mut self) -> Event {
        let event = timeout(Duration::from_mins(1), self.events.recv()).await;
        let event = event
            .expect("an event within a minute")
            .expect("a watch that goes on");
        match &event {
            Event::Change(Verb::Apply(object), _) => {
                let key = (object.kind(), object.key().to_string());
                self.objects.insert(key, object.clone());
            }
            Event::Change(Verb::Delete(kind, key), _) => {
                self.objects.remove(&(*kind, key.to_string()));
            }
            Event::Change(Verb::Reset(kind, keys), _) => {
                let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
                self.objects
                    .retain(|(of, key), _| of != kind || keys.contains(key));
                self.lists.push(*kind);
            }
            Event::Triggered(..) | Event::Broken(_) | Event::Restored(_) => {}
        }
        event
    }

    /// The object, where there is one now; `key` is `NAMESPACE/NAME`, or a namespace's name.
    pub fn object(&self, kind: Kind, key: &str) -> Option<&Object> {
        self.objects.get(&(kind, key.into()))
    }

    /// Waits until each kind has been listed.
    pub async fn listed(&mut self) {
        while !self.kinds.iter().all(|kind| self.lists.contains(kind)) {
            self.next().await;
        }
    }

    /// Waits until the object, or its absence, is as wanted.
    pub async fn until(&mut self, kind: Kind, key: &str, wanted: impl Fn(Option<&Object>) -> bool) {
        while !wanted(self.object(kind, key)) {
            self.next().await;
        }
    }

    /// Waits until each kind is broken.
    pub async fn broken(&mut self) {
        let mut kinds = Vec::new();
        while kinds.len() < self.kinds.len() {
            if let Event::Broken(kind) = self.next().await {
                assert!(!kinds.contains(&kind), "{kind:?} is told as broken twice");
                kinds.push(kind);
            }
        }
    }

    /// Waits until each kind is in touch again.
    pub async fn restored(&mut self) {
        let mut kinds = Vec::new();
        while kinds.len() < self.kinds.len() {
            if let Event::Restored(kind) = self.next().await {
                kinds.push(kind);
            }
        }
    }

    /// The lines of the log, without time, level and module.
    pub fn lines(&self) -> Vec<String> {
        let log = self.log.0.lock().expect("no panic while logging").clone();
        let text = String::from_utf8(log).expect("UTF-8");
        let message = |line: &str| line.split_once(": ").map(|(_, rest)| rest.to_owned());
        text.lines().filter_map(message).collect()
    }

    /// The log once it has been told what is wrong now: half a second is waited for what fails together.
    pub async fn told(&self) -> Vec<String> {
        sleep(Duration::from_secs(2)).await;
        self.lines()
    }

    /// Lets the watch fail for a few attempts, and gives its log.
    pub async fn complaints(mut self) -> Vec<String> {
        self.broken().await;
        sleep(Duration::from_secs(4)).await;
        self.lines()
    }
}

/// What the agent logs.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let mut log = self.0.lock().expect("no panic while logging");
        log.extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
