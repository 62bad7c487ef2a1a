//! How long a change takes: from the write to the watch event, and from the event to the answer.
//!
//! The times are those of one clock in one process. A question is asked by the pod all the while,
//! every 0.3 ms or so; the answer's time is that of the first response that is right. The event's
//! time is taken by a second watch, in this process, beside that of `kerndns`: the API server tells
//! both at once, give or take some 0.1 ms, which is also how far the two parts are exact. Their sum
//! has no such doubt. `kerndns_event_to_answer_seconds` is what `kerndns` itself measures, up to
//! the write of the map.

use std::time::{Duration, Instant};

use anyhow::Result;
use dns_agent::k8s::object::Kind;
use dns_agent::k8s::{Event, Verb};
use hickory_proto::rr::RecordType::A;
use kerndns_tests::agent::Agent;
use kerndns_tests::api_server::ADMIN;
use kerndns_tests::asker::{Asker, NODATA, NXDOMAIN};
use kerndns_tests::watched::Watched;
use kerndns_tests::writer::Writer;
use serde_json::json;
use tokio::task::spawn_blocking;

use super::{Node, assert_answered_by_the_kernel, on_a_node};

/// Five changes each.
const ROUNDS: u8 = 25;
/// What no change may take, on a machine that may be busy with other things.
const LIMIT: Duration = Duration::from_secs(1);

/// The signed distance in milliseconds of each change, one list per part of the way.
#[derive(Default)]
struct Times {
    write: Vec<f64>,
    event: Vec<f64>,
    answer: Vec<f64>,
    whole: Vec<f64>,
}

/// Changes something, with the pod asking for what comes of it all the while.
struct Stopwatch {
    asker: Option<Asker>,
    watched: Watched,
    times: Times,
}

impl Stopwatch {
    async fn time(
        &mut self,
        write: impl Future<Output = Result<()>>,
        (kind, key): (Kind, String),
        name: String,
        wanted: String,
    ) -> Result<()> {
        let mut asker = self.asker.take().expect("given back by the last change");
        assert_ne!(asker.ask(&name, A)?, wanted, "{name} before the change");
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
            if at > started && told == (kind, key.clone()) {
                break at;
            }
        };
        let (asker, answered) = asking.await?;
        self.asker = Some(asker);
        let times = &mut self.times;
        times.write.push(milliseconds(started, written));
        times.event.push(milliseconds(started, event));
        times.answer.push(milliseconds(event, answered));
        times.whole.push(milliseconds(started, answered));
        Ok(())
    }
}

fn milliseconds(from: Instant, to: Instant) -> f64 {
    let (later, earlier) = (to.duration_since(from), from.duration_since(to));
    (later.as_secs_f64() - earlier.as_secs_f64()) * 1000.0
}

/// The value that `percent` of the values do not exceed.
fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = (values.len() * percent).div_ceil(100);
    values[rank - 1]
}

fn print(what: &str, values: &mut [f64]) {
    let (median, most) = (percentile(values, 50), percentile(values, 99));
    println!("{what:<44} p50 {median:7.2} ms   p99 {most:7.2} ms");
}

async fn change_everything(writer: &Writer, watch: &mut Stopwatch) -> Result<()> {
    writer.namespace("timed").await?;
    let port = json!([{"name": "http", "port": 80}]);
    let headless = json!({"clusterIP": "None", "ports": port});
    writer.service("timed", "db", headless).await?;
    for i in 1..=ROUNDS {
        let (service, slice, namespace) = (format!("web{i}"), format!("db-{i}"), format!("ns{i}"));
        let endpoint = |net: u8| {
            let address = format!("10.{net}.0.{i}");
            json!([{"addresses": [address], "hostname": format!("pod{i}")}])
        };
        let in_timed = |name: &str| format!("{name}.timed.svc.cluster.local.");
        let key = |name: &str| format!("timed/{name}");

        let spec = json!({"clusterIP": format!("10.96.7.{i}"), "ports": port});
        let changed = (Kind::Service, key(&service));
        let write = writer.service("timed", &service, spec);
        let wanted = format!("10.96.7.{i}");
        watch
            .time(write, changed.clone(), in_timed(&service), wanted)
            .await?;

        let (pod, changed_slice) = (
            in_timed(&format!("pod{i}.db")),
            (Kind::EndpointSlice, key(&slice)),
        );
        let write = writer.slice("timed", &slice, "db", endpoint(1));
        watch
            .time(
                write,
                changed_slice.clone(),
                pod.clone(),
                format!("10.1.0.{i}"),
            )
            .await?;

        let write = writer.change_slice("timed", &slice, endpoint(2));
        watch
            .time(write, changed_slice, pod, format!("10.2.0.{i}"))
            .await?;

        let write = writer.delete_service("timed", &service);
        watch
            .time(write, changed, in_timed(&service), NXDOMAIN.into())
            .await?;

        let write = writer.namespace(&namespace);
        let apex = format!("{namespace}.svc.cluster.local.");
        watch
            .time(
                write,
                (Kind::Namespace, namespace.clone()),
                apex,
                NODATA.into(),
            )
            .await?;
    }
    Ok(())
}

/// The agent's own histogram: how many changes took no longer than each bound, in seconds.
fn own_times(kerndns: &Agent<'_>) -> Result<String> {
    let (_, text) = kerndns.get("/metrics")?;
    let prefix = "kerndns_event_to_answer_seconds_bucket{le=\"";
    let bucket = |line: &str| Some(line.strip_prefix(prefix)?.replace("\"}", ":"));
    let buckets: Vec<String> = text.lines().filter_map(bucket).collect();
    Ok(buckets.join("  "))
}

#[test]
fn from_a_write_to_the_kernels_answer_it_is_milliseconds() -> Result<()> {
    on_a_node(async |node: Node<'_>| {
        let kerndns = node.kerndns()?;
        let mut watched = Watched::start(&node.server.kubeconfig("admin", ADMIN)?).await?;
        watched.listed().await;
        let mut watch = Stopwatch {
            asker: Some(node.asker),
            watched,
            times: Times::default(),
        };
        change_everything(&node.writer, &mut watch).await?;

        let times = &mut watch.times;
        println!("{} changes:", times.whole.len());
        print(
            "the write, until the API server confirms it",
            &mut times.write,
        );
        print(
            "from the write's start to the watch event",
            &mut times.event,
        );
        print(
            "from the watch event to the kernel's answer",
            &mut times.answer,
        );
        print("from the write's start to the answer", &mut times.whole);
        println!(
            "kerndns itself, from event to map, changes by seconds:\n{}",
            own_times(&kerndns)?
        );
        assert!(times.whole.len() >= 100);
        let most = percentile(&mut times.whole, 99);
        assert!(most < LIMIT.as_secs_f64() * 1000.0, "{most} ms");
        let asker = watch.asker.expect("given back by the last change");
        assert_answered_by_the_kernel(&kerndns, &asker)
    })
}
