//! A size to figures: every server with the same cluster, every measure in rounds that go through all of them.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result};
use hickory_proto::op::ResponseCode;
use kerndns_tests::netns::TempFile;
use serde_json::{Value, json};

use crate::interrupt;
use crate::peers::check::{check, settle};
use crate::peers::latency::Latencies;
use crate::peers::paced::paced;
use crate::peers::ping_pong::ping_pong;
use crate::peers::question::{Question, Truth};
use crate::peers::saturate::saturate;
use crate::peers::servers::{NAMES, Nodes, Server};
use crate::peers::workload::Workload;
use crate::peers::zone::Zone;
use crate::peers::{Budget, CLIENT_CPU, server_cpus};
use crate::series::{Run, Series};

/// Servers settle, kernel threads finish: a moment between two runs.
const PAUSE: Duration = Duration::from_millis(50);

/// What was measured with one cluster; figures by server, in the order of [`NAMES`].
pub(crate) struct Measured {
    pub(crate) services: usize,
    pub(crate) records: usize,
    pub(crate) rounds: usize,
    pub(crate) saturated: BTreeMap<Workload, Vec<Throughput>>,
    /// By queries a second.
    pub(crate) paced: BTreeMap<u32, Vec<Latency>>,
    /// By where the server is: on the client's CPU, on another.
    pub(crate) ping_pong: BTreeMap<&'static str, Vec<Latency>>,
}

/// One server at its limit, or the client's.
pub(crate) struct Throughput {
    /// Answers a second.
    pub(crate) rate: Series,
    /// Answers per second of CPU time.
    pub(crate) per_cpu: Series,
    /// CPU time of an answer, microseconds: its inverse.
    pub(crate) cost: Series,
    /// The share of queries without an answer.
    pub(crate) lost: Series,
    /// The share of the client's CPU that was not idle.
    pub(crate) client: Series,
}

/// One server's latencies, microseconds, and the share of queries without an answer.
pub(crate) struct Latency {
    pub(crate) p50: Series,
    pub(crate) p99: Series,
    pub(crate) p999: Series,
    pub(crate) lost: Series,
}

/// A workload's questions, and how many of them are denied.
struct Asked {
    workload: Workload,
    questions: Vec<Question>,
    file: TempFile,
    denied: f64,
}

impl Asked {
    fn new(workload: Workload, zone: &Zone, truth: &Truth) -> Result<Self> {
        let questions = workload.questions(zone);
        let denied = questions
            .iter()
            .filter(|question| truth.answer(question).rcode == ResponseCode::NXDomain);
        let counts =
            [denied.count(), questions.len()].map(|count| u32::try_from(count).map(f64::from));
        let [denied, all] = counts;
        let lines: String = questions.iter().map(Question::line).collect();
        Ok(Self {
            workload,
            file: TempFile::new(&lines)?,
            denied: denied? / all?,
            questions,
        })
    }
}

/// Measures every server with a cluster of so many Services; latencies, too, if they are asked for.
pub(crate) fn measure(services: usize, budget: &Budget, latencies: bool) -> Result<Measured> {
    let zone = Zone::new(services);
    let records = zone.records();
    let truth = Truth::new(&records);
    let workloads = budget.workloads.iter().copied();
    // The uniform draw is to show what a large zone costs: once, where it is largest.
    let workloads = workloads.filter(|one| latencies || *one != Workload::ClusterIpUniform);
    let asked: Vec<Asked> = workloads
        .map(|workload| Asked::new(workload, &zone, &truth))
        .collect::<Result<_>>()?;
    let nodes = Nodes::new()?;
    let (mut servers, api) = nodes.start(&zone)?;
    for server in &mut servers {
        for asked in &asked {
            settle(server, &asked.questions, &truth)?;
        }
    }
    api.freeze()?;
    let mut measured = Measured {
        services,
        records: records.len(),
        rounds: budget.rounds,
        saturated: BTreeMap::new(),
        paced: BTreeMap::new(),
        ping_pong: BTreeMap::new(),
    };
    saturate_all(&mut measured, &mut servers, &asked, budget)?;
    if latencies {
        let asked = asked.first().context("a workload")?;
        pace_all(&mut measured, &servers, asked, &truth, budget)?;
        ping_pong_all(&mut measured, &servers, asked, &truth, budget)?;
    }
    // Before and after: what has answered wrongly has measured nothing.
    for server in &mut servers {
        server.check()?;
        for asked in &asked {
            check(server, &asked.questions, &truth)?;
        }
    }
    Ok(measured)
}

fn saturate_all(
    measured: &mut Measured,
    servers: &mut [Server<'_>],
    asked: &[Asked],
    budget: &Budget,
) -> Result<()> {
    for asked in asked {
        let run = Run::begin();
        let all = NAMES.iter().map(|_| Throughput::new(run)).collect();
        measured.saturated.insert(asked.workload, all);
    }
    for _ in 0..budget.rounds {
        for asked in asked {
            let all = measured.saturated.entry(asked.workload).or_default();
            for (server, throughput) in servers.iter_mut().zip(all) {
                interrupt::check()?;
                server.check()?;
                sleep(PAUSE);
                let path = asked.file.path();
                let one = saturate(server, path, budget.saturated, asked.denied)?;
                throughput.rate.push(one.rate);
                throughput.per_cpu.push(1.0 / one.cost);
                throughput.cost.push(one.cost * 1e6);
                throughput.lost.push(one.lost);
                throughput.client.push(one.client);
            }
        }
    }
    Ok(())
}

fn pace_all(
    measured: &mut Measured,
    servers: &[Server<'_>],
    asked: &Asked,
    truth: &Truth,
    budget: &Budget,
) -> Result<()> {
    let rates = budget.rates.iter().map(|rate| (*rate, *rate));
    let rates: Vec<(u32, u32)> = rates.collect();
    let rounds = budget.rounds;
    measured.paced = in_turn(servers, &rates, rounds, |server, rate| {
        paced(server, &asked.questions, truth, *rate, budget.paced)
    })?;
    Ok(())
}

fn ping_pong_all(
    measured: &mut Measured,
    servers: &[Server<'_>],
    asked: &Asked,
    truth: &Truth,
    budget: &Budget,
) -> Result<()> {
    let places = [
        ("the client's CPU", vec![CLIENT_CPU]),
        ("another CPU", server_cpus()?),
    ];
    let rounds = budget.rounds;
    measured.ping_pong = in_turn(servers, &places, rounds, |server, cpus| {
        ping_pong(server, &asked.questions, truth, cpus, budget.ping_pong)
    })?;
    Ok(())
}

/// The latencies of every server in every setting, one after the other in each round; a setting has a name and what it is.
fn in_turn<K: Ord + Copy, S>(
    servers: &[Server<'_>],
    settings: &[(K, S)],
    rounds: usize,
    measure: impl Fn(&Server<'_>, &S) -> Result<Latencies>,
) -> Result<BTreeMap<K, Vec<Latency>>> {
    let named = settings.iter();
    let mut all: BTreeMap<K, Vec<Latency>> = named
        .map(|(name, _)| (*name, Latency::all(Run::begin())))
        .collect();
    for _ in 0..rounds {
        for (name, setting) in settings {
            for (server, latency) in servers.iter().zip(all.entry(*name).or_default()) {
                interrupt::check()?;
                sleep(PAUSE);
                latency.push(&measure(server, setting)?);
            }
        }
    }
    Ok(all)
}

impl Throughput {
    fn new(run: Run) -> Self {
        Self {
            rate: run.series(),
            per_cpu: run.series(),
            cost: run.series(),
            lost: run.series(),
            client: run.series(),
        }
    }

    /// Whether the client had no CPU time left to send more.
    pub(crate) fn is_limited_by_the_client(&self) -> bool {
        self.client.median() > 0.95
    }

    fn raw(&self) -> Value {
        json!({
            "answers_per_second": self.rate,
            "answers_per_cpu_second": self.per_cpu,
            "cpu_us_per_answer": self.cost,
            "lost": self.lost,
            "client_cpu_busy": self.client,
        })
    }
}

impl Latency {
    fn all(run: Run) -> Vec<Self> {
        let new = |_| Self {
            p50: run.series(),
            p99: run.series(),
            p999: run.series(),
            lost: run.series(),
        };
        NAMES.iter().map(new).collect()
    }

    fn push(&mut self, one: &Latencies) {
        self.p50.push(one.p50);
        self.p99.push(one.p99);
        self.p999.push(one.p999);
        self.lost.push(one.lost);
    }

    fn raw(&self) -> Value {
        json!({"p50_us": self.p50, "p99_us": self.p99, "p999_us": self.p999, "lost": self.lost})
    }
}

impl Measured {
    /// Every figure of every round.
    pub(crate) fn raw(&self) -> Value {
        let named = |values: Vec<Value>| -> Value {
            let names = NAMES.iter().map(ToString::to_string);
            Value::Object(names.zip(values).collect())
        };
        let latencies = |all: &[Latency]| named(all.iter().map(Latency::raw).collect());
        let saturated = self.saturated.iter().map(|(workload, all)| {
            let values = named(all.iter().map(Throughput::raw).collect());
            (workload.label().to_owned(), values)
        });
        let paced = self.paced.iter();
        let paced = paced.map(|(rate, all)| (rate.to_string(), latencies(all)));
        let ping_pong = self.ping_pong.iter();
        let ping_pong = ping_pong.map(|(place, all)| ((*place).to_owned(), latencies(all)));
        json!({
            "services": self.services,
            "records": self.records,
            "saturated": Value::Object(saturated.collect()),
            "paced": Value::Object(paced.collect()),
            "ping_pong": Value::Object(ping_pong.collect()),
        })
    }
}
