//! The real programs, loaded with maps of their own and attached nowhere: a frame in, a verdict and a frame out
//! (`BPF_PROG_TEST_RUN`, Linux 4.12; `Documentation/bpf/bpf_prog_run.rst`).

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use aya::Ebpf;
use aya::maps::{Map, MapData};
use aya::programs::{SchedClassifier, TestRun as _, TestRunOptions, Xdp};
use dns_agent::kernel::object::{self, Constants};
use dns_agent::map::arena::{ARENA, Arena};
use dns_agent::map::destinations::{DESTINATIONS, Destinations};
use dns_agent::map::held::Held;
use dns_agent::map::names::{NAMES, Names};
use dns_agent::map::outcomes::{OUTCOMES, Outcomes};
use dns_agent::map::settings::{SETTINGS, SettingsMap};
use dns_agent::map::zones::{ZONES, ZonesMap};
use dns_ebpf::fold::Seed;
use dns_ebpf::outcome::{Hook, Outcome};

use crate::frame::{SERVICE_V4, SERVICE_V6};

/// A seed for tests that do not care.
pub const SEED: Seed = Seed {
    start: 0x0123_4567_89ab_cdef,
    factor: 0x9e37_79b9_7f4a_7c15,
};

const XDP_PASS: u32 = 2;
const XDP_TX: u32 = 3;
/// `TCX_NEXT` and `TC_ACT_UNSPEC`, -1.
const TC_NEXT: u32 = u32::MAX;
const TC_ACT_REDIRECT: u32 = 7;

/// Where `gso_size` is in `struct __sk_buff`, and how long that is (Linux 6.1 and later).
const GSO_SIZE: usize = 176;
const SK_BUFF: usize = 192;

/// Loaded programs.
pub struct Runner {
    ebpf: Ebpf,
    settings: Arc<SettingsMap>,
    outcomes: Outcomes,
    /// Whom they answer for: the DNS Service, port 53.
    pub destinations: Destinations,
}

/// What tc is told about a frame besides its octets.
#[derive(Debug, Clone, Copy, Default)]
pub struct Context {
    /// Octets per segment of an skb that stands for several packets.
    pub gso_size: u32,
}

impl Runner {
    /// Loads the programs; the second part is what they answer from, still empty.
    pub fn load(seed: Seed, names: u32) -> Result<(Self, Held)> {
        let constants = Constants {
            seed,
            observe: false,
            log_level: 0,
            names,
        };
        let mut ebpf = object::load(&constants)?;
        let settings = Arc::new(SettingsMap::kernel(&array(&mut ebpf, SETTINGS)?)?);
        let held = Held::new(
            seed,
            Names::kernel(take(&mut ebpf, NAMES)?, names)?,
            Arena::kernel(take(&mut ebpf, ARENA)?)?,
            ZonesMap::kernel(&array(&mut ebpf, ZONES)?)?,
            Arc::clone(&settings),
        );
        let mut destinations =
            Destinations::kernel(take(&mut ebpf, DESTINATIONS)?, Arc::clone(&settings))?;
        destinations.set(&BTreeSet::from([
            SocketAddr::new(SERVICE_V4.into(), 53),
            SocketAddr::new(SERVICE_V6.into(), 53),
        ]))?;
        let outcomes = Outcomes::kernel(take(&mut ebpf, OUTCOMES)?)?;
        let runner = Self {
            ebpf,
            settings,
            outcomes,
            destinations,
        };
        Ok((runner, held))
    }

    /// The frame that answers `frame`; `None`: it passed, and is as it was.
    pub fn run(&self, hook: Hook, frame: &[u8]) -> Result<Option<Vec<u8>>> {
        self.settings.keep_alive();
        self.run_as_it_is(hook, frame, Context::default())
    }

    /// The same without moving the deadline on. `context` is for tc alone.
    pub fn run_as_it_is(
        &self,
        hook: Hook,
        frame: &[u8],
        context: Context,
    ) -> Result<Option<Vec<u8>>> {
        let mut out = vec![0; 8192];
        let mut sk_buff = [0; SK_BUFF];
        sk_buff[GSO_SIZE..][..4].copy_from_slice(&context.gso_size.to_ne_bytes());
        let options = TestRunOptions {
            data_in: Some(frame),
            data_out: Some(&mut out),
            ..TestRunOptions::default()
        };
        let result = match hook {
            Hook::Xdp => self.xdp()?.test_run(options),
            Hook::Tc => self.tc()?.test_run(TestRunOptions {
                ctx_in: Some(&sk_buff),
                ..options
            }),
        };
        let result = result.with_context(|| format!("{} of {frame:02x?}", hook.label()))?;
        out.truncate(result.data_size_out as usize);
        match (hook, result.return_value) {
            (Hook::Xdp, XDP_TX) | (Hook::Tc, TC_ACT_REDIRECT) => Ok(Some(out)),
            (Hook::Xdp, XDP_PASS) | (Hook::Tc, TC_NEXT) => {
                ensure!(
                    out == frame,
                    "passed, but changed: {frame:02x?} to {out:02x?}"
                );
                Ok(None)
            }
            (_, verdict) => bail!("verdict {verdict} on {frame:02x?}"),
        }
    }

    /// The verdict alone on a frame, and what is in `out` afterwards: nothing allocated, for races.
    pub fn run_fast(&self, hook: Hook, frame: &[u8], out: &mut [u8]) -> Result<Option<usize>> {
        let options = TestRunOptions {
            data_in: Some(frame),
            data_out: Some(out),
            ..TestRunOptions::default()
        };
        let result = match hook {
            Hook::Xdp => self.xdp()?.test_run(options),
            Hook::Tc => self.tc()?.test_run(options),
        }?;
        let is_answer = matches!(result.return_value, XDP_TX | TC_ACT_REDIRECT);
        Ok(is_answer.then_some(result.data_size_out as usize))
    }

    /// How often a hook came to an outcome.
    pub fn count(&self, hook: Hook, outcome: Outcome) -> Result<u64> {
        let counts = self.outcomes.read()?;
        let row = counts.iter().find(|row| (row.0, row.1) == (hook, outcome));
        Ok(row.map_or(0, |row| row.2))
    }

    /// What moves the deadline and holds the epoch.
    pub fn settings(&self) -> &SettingsMap {
        &self.settings
    }

    /// The descriptor of a hook's program.
    pub fn program(&self, hook: Hook) -> Result<BorrowedFd<'_>> {
        Ok(match hook {
            Hook::Xdp => self.xdp()?.fd()?.as_fd(),
            Hook::Tc => self.tc()?.fd()?.as_fd(),
        })
    }

    fn xdp(&self) -> Result<&Xdp> {
        let program = self.ebpf.program(object::XDP).context("no XDP program")?;
        Ok(program.try_into()?)
    }

    fn tc(&self) -> Result<&SchedClassifier> {
        let program = self.ebpf.program(object::TC).context("no tc program")?;
        Ok(program.try_into()?)
    }
}

fn take(ebpf: &mut Ebpf, name: &'static str) -> Result<Map> {
    ebpf.take_map(name)
        .with_context(|| format!("no map {name}"))
}

fn array(ebpf: &mut Ebpf, name: &'static str) -> Result<MapData> {
    match take(ebpf, name)? {
        Map::Array(data) => Ok(data),
        _ => bail!("{name} is no array"),
    }
}
