//! What the size of a cluster costs KernDNS: loading, memory, and the time of an answer, from 100 names to a million,
//! which the agent reads from manifests.
//!
//! An agent for each size runs at the same time, and the rounds go from one to the next: so that the ratio of two sizes
//! is of the same minutes.

use std::os::fd::{AsFd as _, OwnedFd};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use dns_ebpf::outcome::Hook;
use kerndns_tests::agent::{Agent, binary};
use kerndns_tests::cost::Times;
use kerndns_tests::figures::{median, real};
use kerndns_tests::frame::Frame;
use kerndns_tests::generator::Generator;
use kerndns_tests::maps::Programs;
use kerndns_tests::query::Query;
use kerndns_tests::site::Site;
use kerndns_tests::wrapper::{Queries, Wrapped, floor};
use serde_json::{Value, json};

use crate::interrupt;
use crate::population::{Drawn, address, draw, manifest, name};
use crate::report::{Goal, Part};

/// Services of each size.
const FULL: [u32; 5] = [100, 1_000, 10_000, 100_000, 1_000_000];
const QUICK: [u32; 3] = [100, 1_000, 10_000];
/// Names that are asked for in one pass.
const DRAWS: u32 = 200_000;
/// Services in one file.
const PER_FILE: u32 = 10_000;
/// How long a million Services may take to load.
const PATIENCE: Duration = Duration::from_mins(5);
/// Answers of one pass that are compared with what the objects say.
const SAMPLE: usize = 50;

const WAYS: [Drawn; 2] = [Drawn::Zipf, Drawn::Uniform];
const HOOKS: [Hook; 2] = [Hook::Xdp, Hook::Tc];
/// How much longer an answer may take in a zone of a million names than in one of 100.
const GOAL: f64 = 1.3;

/// A size's agent, and what its programs are asked.
struct Zone<'a> {
    services: u32,
    agent: Agent<'a>,
    load: Duration,
    queries: Vec<(Drawn, Queries)>,
    programs: Vec<(Hook, OwnedFd)>,
    rows: Vec<Row>,
    /// Kibibytes.
    resident: u64,
    /// Octets.
    maps: u64,
    raw_maps: Value,
    /// Names that are held.
    names: u64,
}

/// One hook, one way of drawing.
struct Row {
    hook: Hook,
    drawn: Drawn,
    floor: Times,
    program: Times,
    rates: Vec<f64>,
}

impl Row {
    /// Those of a hook, still empty.
    fn of(hook: Hook) -> impl Iterator<Item = Self> {
        WAYS.into_iter().map(move |drawn| Self {
            hook,
            drawn,
            floor: Times::default(),
            program: Times::default(),
            rates: Vec::new(),
        })
    }

    fn net(&self) -> u64 {
        self.program.least().saturating_sub(self.floor.least())
    }
}

/// Measures every size.
pub(crate) fn run(quick: bool) -> Result<Part> {
    let (sizes, rounds) = if quick {
        (&QUICK[..], 6)
    } else {
        (&FULL[..], 9)
    };
    // Built now, if it has to be: loading is timed from here on.
    binary();
    let sites: Vec<Site> = sizes
        .iter()
        .map(|_| Site::routed(1))
        .collect::<Result<_>>()?;
    let mut zones = Vec::new();
    for (&services, site) in sizes.iter().zip(&sites) {
        interrupt::check()?;
        zones.push(Zone::load(services, site)?);
    }
    for hook in HOOKS {
        let generator = Generator::new(hook)?;
        for zone in &zones {
            zone.verify(&generator, hook)?;
        }
        for _ in 0..rounds {
            interrupt::check()?;
            for zone in &mut zones {
                zone.round(&generator, hook)?;
            }
        }
    }
    Ok(Part {
        name: "sizes",
        title: "From 100 names to a million",
        text: memory_table(&zones) + "\n" + &time_table(&zones, rounds),
        raw: zones.iter().map(Zone::raw).collect(),
        goals: goals(&zones),
        ..Part::default()
    })
}

impl<'a> Zone<'a> {
    fn load(services: u32, site: &'a Site) -> Result<Self> {
        for start in (0..services).step_by(PER_FILE as usize) {
            let end = services.min(start + PER_FILE);
            site.write(&format!("services-{start:07}.json"), &manifest(start..end))?;
        }
        // The agent's default, or a name, its reverse and some for the namespaces: more would cost buckets.
        let names = (services + services * 109 / 100).max(500_000).to_string();
        let started = Instant::now();
        let mut agent = site.launch(&["--listen", "none", "--pods", "veth*", "--names", &names])?;
        agent.ready_within(PATIENCE)?;
        let load = started.elapsed();
        let kernel = Programs::of(agent.process())?;
        let maps = kernel.memory()?;
        let mut queries = Vec::new();
        for drawn in WAYS {
            let frames: Vec<Vec<u8>> = draw(drawn, services, DRAWS)
                .into_iter()
                .map(|number| Frame::v4(query(number).octets()).octets())
                .collect();
            queries.push((drawn, Queries::new(&frames)?));
        }
        let mut programs = Vec::new();
        for hook in HOOKS {
            programs.push((hook, kernel.program(hook)?));
        }
        Ok(Self {
            services,
            load,
            queries,
            programs,
            rows: HOOKS.into_iter().flat_map(Row::of).collect(),
            resident: agent.resident()?,
            maps: maps.values().sum(),
            names: agent.metric("kerndns_names")?,
            raw_maps: json!(maps),
            agent,
        })
    }

    fn program(&self, hook: Hook) -> Result<&OwnedFd> {
        let mut programs = self.programs.iter();
        let program = programs.find(|(of, _)| *of == hook);
        Ok(&program.context("no program for this hook")?.1)
    }

    /// The first draws, answered to a socket, must have the addresses of the objects.
    fn verify(&self, generator: &Generator, hook: Hook) -> Result<()> {
        for drawn in WAYS {
            let numbers = &draw(drawn, self.services, DRAWS)[..SAMPLE];
            let queries: Vec<Query> = numbers.iter().map(|number| query(*number)).collect();
            let frame = |query: &Query| Frame::v4(query.octets()).octets();
            let frames = Queries::new(&queries.iter().map(frame).collect::<Vec<_>>())?;
            let sender = generator.sender(&frames)?;
            let program = self.program(hook)?;
            let answers = generator.sample(program.as_fd(), &sender, &queries)?;
            for (number, answer) in numbers.iter().zip(answers) {
                let wanted = format!("30 A {}", address(*number));
                ensure!(answer == [wanted], "{}: {answer:?}", name(*number));
            }
        }
        Ok(())
    }

    /// Every draw once for each figure.
    fn round(&mut self, generator: &Generator, hook: Hook) -> Result<()> {
        let floor = floor(hook)?;
        for (drawn, queries) in &self.queries {
            let program = self.program(hook)?.as_fd();
            let sender = generator.sender(queries)?;
            let (below, real) = (
                Wrapped::new(hook, queries, floor.as_fd())?,
                Wrapped::new(hook, queries, program)?,
            );
            let before = self.answered(hook)?;
            let below = below.run(DRAWS)?.each;
            let each = real.run(DRAWS)?.each;
            let sent = generator.round(program, &sender, DRAWS, true)?;
            let answered = self.answered(hook)? - before;
            // The ring of a veth pair may be full when a sender is preempted.
            ensure!(
                answered + 20 >= u64::from(2 * DRAWS) && sent.back + 20 >= DRAWS,
                "{} names: {answered} answers to {} queries, {} came back",
                self.services,
                2 * DRAWS,
                sent.back
            );
            let is_it = |row: &&mut Row| row.hook == hook && row.drawn == *drawn;
            let row = self.rows.iter_mut().find(is_it);
            let row = row.context("no row for this hook")?;
            row.floor.push(below);
            row.program.push(each);
            row.rates
                .push(f64::from(sent.back) / sent.time.as_secs_f64());
        }
        Ok(())
    }

    fn answered(&self, hook: Hook) -> Result<u64> {
        self.agent.outcome(hook.label(), "answer")
    }

    fn raw(&self) -> Value {
        let row = |row: &Row| {
            json!({
                "hook": row.hook.label(),
                "drawn": row.drawn.label(),
                "floor_ns": row.floor.all(),
                "program_ns": row.program.all(),
                "answers_per_second": row.rates,
            })
        };
        json!({
            "services": self.services,
            "load_seconds": self.load.as_secs_f64(),
            "resident_kib": self.resident,
            "map_octets": self.raw_maps,
            "names": self.names,
            "rows": self.rows.iter().map(row).collect::<Value>(),
        })
    }
}

fn query(number: u32) -> Query {
    Query::of_type(&name(number), "A")
}

fn memory_table(zones: &[Zone<'_>]) -> String {
    let mut text = "Zones of many names, from manifests (`--source`, JSON): a ClusterIP Service to each, whose address has \
                    a name for its PTR record, too. Map memory is what the kernel says (`memlock`); `more` is what was \
                    added since the zone of 100 names, for each name that is held.\n\n\
                    | Services | names held | load | agent RSS | map memory | per Service | per name | more |\n\
                    |---|---|---|---|---|---|---|---|\n"
        .to_owned();
    let least = zones.first();
    for zone in zones {
        let more = least.filter(|least| least.services < zone.services);
        let more = more.map(|least| {
            real(zone.maps.saturating_sub(least.maps)) / real(zone.names - least.names)
        });
        text.push_str(&format!(
            "| {} | {} | {:.2} s | {:.1} MB | {:.2} MB | {:.0} B | {:.0} B | {} |\n",
            zone.services,
            zone.names,
            zone.load.as_secs_f64(),
            real(zone.resident) * 1.024e-3,
            real(zone.maps) / 1e6,
            real(zone.maps) / f64::from(zone.services),
            real(zone.maps) / real(zone.names),
            more.map_or("-".into(), |more| format!("{more:.0} B")),
        ));
    }
    text
}

/// A row of every size, the smallest first.
fn rows<'a>(zones: &'a [Zone<'_>], hook: Hook, drawn: Drawn) -> Vec<(u32, &'a Row)> {
    let of_zone = |zone: &'a Zone<'_>| zone.rows.iter().map(|row| (zone.services, row));
    let is_it = |(_, row): &(u32, &Row)| row.hook == hook && row.drawn == drawn;
    zones.iter().flat_map(of_zone).filter(is_it).collect()
}

/// Of the largest size, where all were measured.
fn goals(zones: &[Zone<'_>]) -> Vec<Goal> {
    let mut goals = Vec::new();
    for hook in HOOKS {
        let rows = rows(zones, hook, Drawn::Zipf);
        let (Some((_, least)), Some((1_000_000, most))) = (rows.first(), rows.last()) else {
            continue;
        };
        let times = real(most.net()) / real(least.net().max(1));
        goals.push(Goal {
            text: format!(
                "an answer <= {GOAL} x from 100 to 1,000,000 names, Zipf, {}",
                hook.label()
            ),
            measured: format!("{times:.2} x"),
            reached: times <= GOAL,
        });
    }
    goals
}

fn time_table(zones: &[Zone<'_>], rounds: u32) -> String {
    let mut text = format!(
        "The A record of one of them, {DRAWS} draws to a round, {rounds} interleaved rounds. `net` is the program's time \
         over the floor's (the fastest rounds; macswap for XDP, bpf_redirect_peer of nothing for tc); answers/s are those \
         of one CPU with queries made in the kernel (median).\n\n\
         | hook | drawn | names | floor ns | program ns | net ns | over 100 names | answers/s | less than 100 names |\n\
         |---|---|---|---|---|---|---|---|---|\n"
    );
    for hook in HOOKS {
        for drawn in WAYS {
            let rows = rows(zones, hook, drawn);
            let Some((_, least)) = rows.first() else {
                continue;
            };
            for (services, row) in &rows {
                let times = real(row.net()) / real(least.net().max(1));
                let fewer = median(&least.rates) / median(&row.rates);
                text.push_str(&format!(
                    "| {} | {} | {services} | {} | {} | {} | {times:.2} | {:.0} k | {fewer:.2} |\n",
                    hook.label(),
                    drawn.label(),
                    row.floor.least(),
                    row.program.least(),
                    row.net(),
                    median(&row.rates) / 1e3,
                ));
            }
        }
    }
    text
}
