//! A cluster that grows, on a real API server: how long until all of it is known, what that takes in memory, beside
//! CoreDNS on the same API server; and in the largest, how long a change takes from the write to the kernel's answer.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use kerndns_tests::api_node::{Node, assert_answered_by_the_kernel, on_a_node};
use kerndns_tests::api_server::ADMIN;
use kerndns_tests::coredns::CoreDns;
use kerndns_tests::figures::{median, percentile, real};
use kerndns_tests::maps::Programs;
use kerndns_tests::stopwatch::{Stopwatch, Times};
use kerndns_tests::watched::Watched;
use serde_json::{Value, json};

use crate::interrupt;
use crate::report::{Goal, Part};
use crate::stored::{ENDPOINTS, objects};

/// Services of each size.
const SIZES: [u32; 3] = [0, 1_000, 10_000];
const PATIENCE: Duration = Duration::from_mins(2);
/// After it is ready, until its memory is looked at: what was needed for the lists alone has been given back by then,
/// as far as it ever is.
const SETTLED: Duration = Duration::from_secs(3);
/// The agent's part of CoreDNS's memory.
const GOAL: f64 = 1.0 / 3.0;
/// Octets of map memory for each name.
const MEMORY_GOAL: f64 = 300.0;
/// Milliseconds.
const ANSWER_GOAL: f64 = 1.0;
const WHOLE_GOAL: f64 = 10.0;

/// A program's starts.
#[derive(Default)]
struct Starts {
    /// Seconds until it was ready.
    seconds: Vec<f64>,
    /// Octets in memory afterwards.
    resident: Vec<f64>,
    /// Of these, mapped pages of BPF maps.
    mapped: Vec<f64>,
    /// The most octets that were there at a time.
    peak: Vec<f64>,
}

/// A size of the cluster.
struct Size {
    services: u32,
    kerndns: Starts,
    coredns: Starts,
    /// Octets of all maps.
    maps: u64,
    names: u64,
}

/// Measures each size, and changes in the largest.
pub(crate) fn run(quick: bool) -> Result<Part> {
    let (starts, rounds) = if quick { (1, 10) } else { (3, 100) };
    let (sizes, times, own) = on_a_node(async |node: Node<'_>| {
        let mut sizes = Vec::new();
        let mut stored = 0;
        for services in SIZES {
            node.server.etcd().put(&objects(stored..services))?;
            stored = services;
            listed(&node, services).await?;
            sizes.push(size(&node, services, starts)?);
        }
        let (times, own) = changes(node, rounds).await?;
        Ok((sizes, times, own))
    })?;
    let mut times = times;
    Ok(Part {
        name: "sync",
        title: "A cluster that grows",
        text: size_table(&sizes, starts)
            + "\n"
            + &memory_table(&sizes)
            + "\n"
            + &time_table(&mut times, &own),
        raw: json!({
            "sizes": sizes.iter().map(raw).collect::<Value>(),
            "write_ms": times.write, "write_to_event_ms": times.event,
            "event_to_answer_ms": times.answer, "write_to_answer_ms": times.whole,
            "agents_own_event_to_answer": own,
            "write_to_answer_ms_by_change": whole_by_change(&times),
        }),
        goals: goals(&sizes, &mut times),
        ..Part::default()
    })
}

/// Waits until the API server tells of all of them.
async fn listed(node: &Node<'_>, services: u32) -> Result<()> {
    let mut watched = Watched::start(&node.server.kubeconfig("admin", ADMIN)?).await?;
    watched.listed().await;
    if let Some(last) = services.checked_sub(1) {
        let key = format!("team-{:03}/service-{last:05}-x7k2p", last / 100);
        let kind = dns_agent::k8s::object::Kind::EndpointSlice;
        watched.until(kind, &key, |slice| slice.is_some()).await;
    }
    Ok(())
}

/// Starts both, in turn.
fn size(node: &Node<'_>, services: u32, starts: u32) -> Result<Size> {
    let mut size = Size {
        services,
        kerndns: Starts::default(),
        coredns: Starts::default(),
        maps: 0,
        names: 0,
    };
    for _ in 0..starts {
        interrupt::check()?;
        let kubeconfig = node.server.kubeconfig("admin", ADMIN)?;
        let started = Instant::now();
        let mut agent = node.site.follow(&kubeconfig)?;
        agent.ready_within(PATIENCE)?;
        size.kerndns.add(started.elapsed(), agent.process())?;
        size.maps = Programs::of(agent.process())?.memory()?.values().sum();
        size.names = agent.metric("kerndns_names")?;
        drop(agent);

        let started = Instant::now();
        let mut coredns = CoreDns::start(&kubeconfig, node.site.file("CoreDNS"))?;
        coredns.ready_within(PATIENCE)?;
        size.coredns.add(started.elapsed(), coredns.process())?;
    }
    Ok(size)
}

impl Size {
    /// KernDNS's memory by CoreDNS's; and so without the pages of maps.
    fn parts(&self) -> (f64, f64) {
        let ours = median(&self.kerndns.resident);
        let theirs = median(&self.coredns.resident);
        let own = ours - median(&self.kerndns.mapped);
        (ours / theirs, own / theirs)
    }

    /// Octets of map memory.
    fn per_name(&self) -> f64 {
        real(self.maps) / real(self.names.max(1))
    }
}

impl Starts {
    fn add(&mut self, ready: Duration, process: u32) -> Result<()> {
        std::thread::sleep(SETTLED);
        self.seconds.push(ready.as_secs_f64());
        self.resident.push(memory(process, "VmRSS:")?);
        self.peak.push(memory(process, "VmHWM:")?);
        self.mapped.push(mapped(process)?);
        Ok(())
    }

    fn raw(&self) -> Value {
        json!({
            "sync_seconds": self.seconds, "resident_octets": self.resident, "peak_octets": self.peak,
            "mapped_maps_octets": self.mapped,
        })
    }
}

/// A line of `/proc/PID/status`, in octets.
fn memory(process: u32, line: &str) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let value = status.lines().find_map(|text| text.strip_prefix(line));
    let kib = value.and_then(|value| value.split_whitespace().next());
    let kib: u64 = kib.with_context(|| format!("no {line}"))?.parse()?;
    Ok(real(kib * 1024))
}

/// The pages of BPF maps among what is resident.
fn mapped(process: u32) -> Result<f64> {
    let smaps = fs::read_to_string(format!("/proc/{process}/smaps"))?;
    let (mut sum, mut is_map) = (0, false);
    for line in smaps.lines() {
        // A mapping's first line is `START-END ...`, all others `Field: ...`.
        if !line.split(' ').next().unwrap_or_default().ends_with(':') {
            is_map = line.ends_with("bpf-map");
        } else if let Some(kib) = line.strip_prefix("Rss:").filter(|_| is_map) {
            let kib: u64 = kib.trim().trim_end_matches(" kB").parse()?;
            sum += kib * 1024;
        }
    }
    Ok(real(sum))
}

/// Changes while everything is there, timed; and what the agent itself says of them.
async fn changes(node: Node<'_>, rounds: u8) -> Result<(Times, String)> {
    let mut kerndns = node.site.follow(&node.server.kubeconfig("admin", ADMIN)?)?;
    kerndns.ready_within(PATIENCE)?;
    let mut watched = Watched::start(&node.server.kubeconfig("admin", ADMIN)?).await?;
    watched.listed().await;
    let mut watch = Stopwatch::new(node.asker, watched);
    let before = kerndns.event_to_answer()?;
    watch.change_everything(&node.writer, rounds).await?;
    let (times, asker) = watch.stop()?;
    assert_answered_by_the_kernel(&kerndns, &asker)?;
    let after = kerndns.event_to_answer()?.into_iter();
    let own: Vec<String> = after
        .zip(before)
        .map(|((bound, after), (_, before))| format!("{bound}:{}", after - before))
        .collect();
    Ok((times, own.join(" ")))
}

/// Of the largest size.
fn goals(sizes: &[Size], times: &mut Times) -> Vec<Goal> {
    let mut goals = Vec::new();
    if let Some(size) = sizes.last() {
        let (services, endpoints) = (size.services, size.services * ENDPOINTS);
        let (part, own_part) = size.parts();
        goals.push(Goal {
            text: format!(
                "agent RSS < 1/3 of CoreDNS's, {services} Services and {endpoints} endpoints"
            ),
            measured: format!("{part:.2}; {own_part:.2} without the pages of its maps"),
            reached: part < GOAL,
        });
        let per_name = size.per_name();
        goals.push(Goal {
            text: format!("map memory <= {MEMORY_GOAL} B for each name, {services} Services"),
            measured: format!("{per_name:.0} B"),
            reached: per_name <= MEMORY_GOAL,
        });
    }
    let most = percentile(&mut times.answer, 99);
    goals.push(Goal {
        text: format!("watch event to answer, p99 < {ANSWER_GOAL} ms"),
        measured: format!("{most:.2} ms"),
        reached: most < ANSWER_GOAL,
    });
    let most = percentile(&mut times.whole, 99);
    let mut without = without_services(times);
    let less = percentile(&mut without, 99);
    goals.push(Goal {
        text: format!("write to answer, p99 < {WHOLE_GOAL} ms"),
        measured: format!("{most:.2} ms; {less:.2} ms of EndpointSlices and Namespaces"),
        reached: most < WHOLE_GOAL,
    });
    goals
}

/// From write to answer, of all but Services.
fn without_services(times: &Times) -> Vec<f64> {
    let of_others = times
        .by_change
        .iter()
        .filter(|(what, _)| !what.starts_with("Service"));
    of_others
        .flat_map(|(_, times)| times.whole.clone())
        .collect()
}

fn whole_by_change(times: &Times) -> Value {
    let kinds = times.by_change.iter();
    kinds
        .map(|(what, times)| ((*what).to_owned(), json!(times.whole)))
        .collect()
}

fn size_table(sizes: &[Size], starts: u32) -> String {
    let mut text = format!(
        "Full sync: from the start of the process until it says that it is ready, all objects listed, on a real \
         kube-apiserver; RSS {} s after that, and the most there was (VmHWM). Medians of {starts} starts, in turn.\n\
         CoreDNS 1.15.0 has kubeadm's Corefile, `loop` left out. KernDNS's RSS counts pages of its maps, which are \
         mapped into it: `less maps` is without them.\n\n\
         | Services + endpoints | sync KernDNS | CoreDNS | peak KernDNS | CoreDNS | RSS CoreDNS | KernDNS | part | less maps | part |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
        SETTLED.as_secs()
    );
    for size in sizes {
        let (ours, theirs) = (&size.kerndns, &size.coredns);
        let own = median(&ours.resident) - median(&ours.mapped);
        let (part, own_part) = size.parts();
        text.push_str(&format!(
            "| {} + {} | {:.2} s | {:.2} s | {} | {} | {} | {} | {part:.2} | {:.1} MB | {own_part:.2} |\n",
            size.services,
            size.services * ENDPOINTS,
            median(&ours.seconds),
            median(&theirs.seconds),
            megabytes(&ours.peak),
            megabytes(&theirs.peak),
            megabytes(&theirs.resident),
            megabytes(&ours.resident),
            own / 1e6,
        ));
    }
    text
}

fn megabytes(octets: &[f64]) -> String {
    format!("{:.1} MB", median(octets) / 1e6)
}

fn memory_table(sizes: &[Size]) -> String {
    let mut text = "Map memory as the kernel says (`memlock`). A Service has several names: its own, its port's, its \
                    addresses', of headless ones the endpoints'. `more` is what was added since no Service was there, for \
                    each name.\n\n\
                    | Services + endpoints | names | map memory | per name | more |\n\
                    |---|---|---|---|---|\n"
        .to_owned();
    let (none, no_names) = sizes.first().map_or((0, 0), |size| (size.maps, size.names));
    for size in sizes {
        let names = size.names - no_names;
        let more = match names {
            0 => "-".to_owned(),
            names => format!(
                "{:.0} B",
                real(size.maps.saturating_sub(none)) / real(names)
            ),
        };
        let per_name = size.per_name();
        text.push_str(&format!(
            "| {} + {} | {} | {:.2} MB | {per_name:.0} B | {more} |\n",
            size.services,
            size.services * ENDPOINTS,
            size.names,
            real(size.maps) / 1e6,
        ));
    }
    text
}

fn time_table(times: &mut Times, own: &str) -> String {
    let mut text = format!(
        "{} changes with all of them there: Services, EndpointSlices and Namespaces created, changed and deleted. The \
         event is that of a second watch in the measuring process, which the API server may tell before or after the \
         agent, and the pod asks every 0.3 ms: so far the parts are exact. The agent's own times, from event to map, as \
         `seconds:changes`: {own}\n\n\
         | | p50 ms | p99 ms |\n\
         |---|---|---|\n",
        times.whole.len()
    );
    for (part, values) in [
        ("write, until the API server confirms it", &mut times.write),
        ("write -> watch event", &mut times.event),
        ("watch event -> the kernel's answer", &mut times.answer),
        ("write -> the kernel's answer", &mut times.whole),
    ] {
        let (half, most) = (percentile(values, 50), percentile(values, 99));
        text.push_str(&format!("| {part} | {half:.2} | {most:.2} |\n"));
    }
    text.push_str(
        "\nThe same by what is changed, p50 / p99 ms. Until the event it is etcd's and the API server's time, which has \
         to look through all addresses of Services whenever one is created or deleted.\n\n\
         | change | write -> event | event -> answer | write -> answer |\n\
         |---|---|---|---|\n",
    );
    for (what, times) in &mut times.by_change {
        let parts = [&mut times.event, &mut times.answer, &mut times.whole];
        let [event, answer, whole] =
            parts.map(|part| format!("{:.2} / {:.2}", percentile(part, 50), percentile(part, 99)));
        text.push_str(&format!("| {what} | {event} | {answer} | {whole} |\n"));
    }
    text
}

fn raw(size: &Size) -> Value {
    json!({
        "services": size.services,
        "endpoints": size.services * ENDPOINTS,
        "kerndns": size.kerndns.raw(),
        "coredns": size.coredns.raw(),
        "map_octets": size.maps,
        "names": size.names,
    })
}
