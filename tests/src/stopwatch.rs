//! How long changes take on their way: from the write to the watch event, and from the event to the answer.
//!
//! The times are those of one clock in one process. A question is asked by the pod all the while,
//! every 0.3 ms or so; the answer's time is that of the first response that is right. The event's
//! time is taken by a second watch, in this process, beside that of `kerndns`: the API server tells
//! both at once, give or take some 0.1 ms, which is also how far the two parts are exact. Their sum
//! has no such doubt.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use dns_agent::k8s::object::Kind;
use dns_agent::k8s::{Event, Verb};
use hickory_proto::rr::RecordType::A;
use serde_json::json;
use tokio::task::spawn_blocking;

use crate::asker::{Asker, NODATA, NXDOMAIN};
use crate::watched::Watched;
use crate::writer::Writer;

/// The signed distance in milliseconds of each change, one list per part of the way.
#[derive(Debug, Default)]
pub struct Times {
    /// The write, until the API server confirms it.
    pub write: Vec<f64>,
    /// From the write's start to the watch event.
    pub event: Vec<f64>,
    /// From the watch event to the kernel's answer.
    pub answer: Vec<f64>,
    /// From the write's start to the answer.
    pub whole: Vec<f64>,
    /// The same of each kind of change, by words for it.
    pub by_change: BTreeMap<&'static str, Times>,
}

/// What is changed, and how.
struct Change {
    /// In words.
    what: &'static str,
    kind: Kind,
    key: String,
}

/// Changes something, with the pod asking for what comes of it all the while.
pub struct Stopwatch {
    asker: Option<Asker>,
    watched: Watched,
    times: Times,
}

impl Stopwatch {
    /// Of a pod that asks, and a watch that has listed everything.
    pub fn new(asker: Asker, watched: Watched) -> Self {
        Self {
            asker: Some(asker),
            watched,
            times: Times::default(),
        }
    }

    /// Creates, changes and deletes objects of each kind, five changes a round; the namespace `timed` is made for it.
    pub async fn change_everything(&mut self, writer: &Writer, rounds: u8) -> Result<()> {
        change_everything(writer, self, rounds).await
    }

    /// What was measured, and the pod.
    pub fn stop(self) -> Result<(Times, Asker)> {
        let asker = self.asker.context("a change was given up half-way")?;
        Ok((self.times, asker))
    }

    async fn time(
        &mut self,
        write: impl Future<Output = Result<()>>,
        change: Change,
        name: String,
        wanted: String,
    ) -> Result<()> {
        let asker = self.asker.take();
        let mut asker = asker.context("a change was given up half-way")?;
        ensure!(
            asker.ask(&name, A)? != wanted,
            "{name} is {wanted} before the change"
        );
        let asking = spawn_blocking(move || {
            let at = asker.until(&name, A, &wanted);
            (asker, at)
        });
        let started = Instant::now();
        write.await?;
        let written = Instant::now();
        let event = loop {
            let Event::Change(verb, at) = self.watched.next().await else {
                continue;
            };
            let told = match &verb {
                Verb::Apply(object) => (object.kind(), object.key().to_string()),
                Verb::Delete(kind, key) => (*kind, key.to_string()),
                Verb::Reset(..) => continue,
            };
            if at > started && told == (change.kind, change.key.clone()) {
                break at;
            }
        };
        let (asker, answered) = asking.await?;
        self.asker = Some(asker);
        let way = [started, written, event, answered];
        self.times.add(way);
        let same = self.times.by_change.entry(change.what);
        same.or_default().add(way);
        Ok(())
    }
}

impl Times {
    fn add(&mut self, [started, written, event, answered]: [Instant; 4]) {
        self.write.push(milliseconds(started, written));
        self.event.push(milliseconds(started, event));
        self.answer.push(milliseconds(event, answered));
        self.whole.push(milliseconds(started, answered));
    }
}

fn milliseconds(from: Instant, to: Instant) -> f64 {
    let (later, earlier) = (to.duration_since(from), from.duration_since(to));
    (later.as_secs_f64() - earlier.as_secs_f64()) * 1000.0
}

async fn change_everything(writer: &Writer, watch: &mut Stopwatch, rounds: u8) -> Result<()> {
    writer.namespace("timed").await?;
    let port = json!([{"name": "http", "port": 80}]);
    let headless = json!({"clusterIP": "None", "ports": port});
    writer.service("timed", "db", headless).await?;
    for i in 1..=rounds {
        let (service, slice, namespace) = (format!("web{i}"), format!("db-{i}"), format!("ns{i}"));
        let endpoint = |net: u8| {
            let address = format!("10.{net}.0.{i}");
            json!([{"addresses": [address], "hostname": format!("pod{i}")}])
        };
        let in_timed = |name: &str| format!("{name}.timed.svc.cluster.local.");
        let key = |name: &str| format!("timed/{name}");

        let spec = json!({"clusterIP": format!("10.96.7.{i}"), "ports": port});
        let write = writer.service("timed", &service, spec);
        let wanted = format!("10.96.7.{i}");
        let changed = change("Service created", Kind::Service, key(&service));
        watch
            .time(write, changed, in_timed(&service), wanted)
            .await?;

        let pod = in_timed(&format!("pod{i}.db"));
        let write = writer.slice("timed", &slice, "db", endpoint(1));
        let changed = change("EndpointSlice created", Kind::EndpointSlice, key(&slice));
        let wanted = format!("10.1.0.{i}");
        watch.time(write, changed, pod.clone(), wanted).await?;

        let write = writer.change_slice("timed", &slice, endpoint(2));
        let changed = change("EndpointSlice changed", Kind::EndpointSlice, key(&slice));
        watch
            .time(write, changed, pod, format!("10.2.0.{i}"))
            .await?;

        let write = writer.delete_service("timed", &service);
        let changed = change("Service deleted", Kind::Service, key(&service));
        watch
            .time(write, changed, in_timed(&service), NXDOMAIN.into())
            .await?;

        let write = writer.namespace(&namespace);
        let apex = format!("{namespace}.svc.cluster.local.");
        let changed = change("Namespace created", Kind::Namespace, namespace.clone());
        watch.time(write, changed, apex, NODATA.into()).await?;
    }
    Ok(())
}

fn change(what: &'static str, kind: Kind, key: String) -> Change {
    Change { what, kind, key }
}
