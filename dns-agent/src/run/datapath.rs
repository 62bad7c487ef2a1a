//! The kernel's side of a run: programs loaded, maps pinned and shared, the deadline moved on.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use dns_ebpf::fold::Seed;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::cli::{KernelLog, KernelMode, RunArgs};
use crate::kernel::attach::{Attacher, Programs};
use crate::kernel::attached::Attached;
use crate::kernel::capabilities;
use crate::kernel::log;
use crate::kernel::object::{self, Constants, Object};
use crate::map::answered::{ANSWERED, Answered};
use crate::map::arena::{ARENA, Arena};
use crate::map::destinations::{DESTINATIONS, Destinations};
use crate::map::held::Held;
use crate::map::names::{NAMES, Names};
use crate::map::outcomes::{OUTCOMES, Outcomes};
use crate::map::settings::{SETTINGS, SettingsMap};
use crate::map::zones::{ZONES, ZonesMap};
use crate::map::{pin, take, take_array};

/// How often the deadline is moved on.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// Loaded programs and the maps that are not in [`Held`].
pub(super) struct Datapath {
    /// Keeps the programs loaded.
    pub(super) ebpf: Object,
    pub(super) destinations: Destinations,
    pub(super) outcomes: Option<Outcomes>,
    pub(super) answered: Option<Answered>,
    settings: Arc<SettingsMap>,
    alive: Arc<AtomicBool>,
    pins: pin::Pins,
}

/// A secret for this run.
pub(super) fn seed() -> Seed {
    Seed {
        start: rand::random(),
        factor: rand::random::<u64>() | 1,
    }
}

/// What `--kernel` asks for, and what is held: by the kernel, or on the heap.
pub(super) fn load(args: &RunArgs) -> Result<(Option<Datapath>, Held)> {
    let seed = seed();
    if args.kernel == KernelMode::Off {
        return Ok((None, Held::heap(seed, args.names)));
    }
    let constants = Constants {
        seed,
        observe: args.kernel == KernelMode::Observe,
        log_level: args.kernel_log.level(),
        names: args.names,
    };
    let (mut datapath, held) = Datapath::load(&constants, &args.bpffs)?;
    if args.kernel_log != KernelLog::Off {
        datapath.follow_log()?;
    }
    // The hash map's buckets are there from the start: 16 octets each, a power of two of them.
    let buckets = u64::from(args.names).next_power_of_two() * 16;
    tracing::info!(
        "kernel programs loaded; memory: {} KiB now, about 250 octets more per name, at most {} names",
        buckets / 1024,
        args.names
    );
    Ok((Some(datapath), held))
}

impl Datapath {
    /// Loads the programs and makes everything that is held; nothing is attached, and everything passes until
    /// there is something to answer from.
    pub(super) fn load(constants: &Constants, bpffs: &Path) -> Result<(Self, Held)> {
        capabilities::check()?;
        let pins = pin::prepare(bpffs)?;
        let mut ebpf = object::load(constants)?;
        pins.pin(&ebpf)?;
        let settings = Arc::new(SettingsMap::kernel(&take_array(&mut ebpf, SETTINGS)?)?);
        let held = Held::new(
            constants.seed,
            Names::kernel(take(&mut ebpf, NAMES)?, constants.names)?,
            Arena::kernel(take(&mut ebpf, ARENA)?)?,
            ZonesMap::kernel(&take_array(&mut ebpf, ZONES)?)?,
            Arc::clone(&settings),
        );
        let destinations =
            Destinations::kernel(take(&mut ebpf, DESTINATIONS)?, Arc::clone(&settings))?;
        let outcomes = Outcomes::kernel(take(&mut ebpf, OUTCOMES)?)?;
        let alive = Arc::new(AtomicBool::new(true));
        heartbeat(Arc::clone(&settings), Arc::clone(&alive)).context("cannot start a thread")?;
        let outcomes = Some(outcomes);
        let answered = Some(Answered::kernel(take(&mut ebpf, ANSWERED)?)?);
        Ok((
            Self {
                ebpf,
                destinations,
                outcomes,
                answered,
                settings,
                alive,
                pins,
            },
            held,
        ))
    }

    /// Starts to attach the programs, until `detached` comes; its sender's end is as good.
    pub(super) fn attach(
        &mut self,
        args: &RunArgs,
        detached: oneshot::Receiver<()>,
    ) -> Result<(JoinHandle<()>, Attached)> {
        let programs = Programs::of(&mut self.ebpf, &args.bpffs)?;
        let attacher = Attacher::new(programs, args.plan()?)?;
        let attached = attacher.attached();
        let told = attached.clone();
        let task = tokio::spawn(async move {
            let shutdown = async {
                let _: Result<(), _> = detached.await;
            };
            if let Err(error) = attacher.run(shutdown).await {
                let end =
                    format!("{error}; the kernel answers nothing until kerndns is started again");
                tracing::error!("{end}");
                told.set_obstacle(Some(end));
            }
        });
        Ok((task, attached))
    }

    /// Brings the programs' own records into the log, from now on. Must be called within a tokio runtime.
    pub(super) fn follow_log(&mut self) -> Result<()> {
        let log = log::KernelLog::open(&mut self.ebpf)?;
        tokio::spawn(async move {
            if let Err(error) = log.follow().await {
                tracing::warn!("{error}; --kernel-log is off from now on");
            }
        });
        Ok(())
    }

    /// The programs pass everything from now on, and the pins go. To be called when they are detached.
    pub(super) fn stand_down(&mut self) {
        self.alive.store(false, Ordering::Relaxed);
        self.settings.stand_down();
        self.pins.remove();
    }
}

/// A thread of its own, so that a long rebuild never stops the programs.
fn heartbeat(settings: Arc<SettingsMap>, alive: Arc<AtomicBool>) -> std::io::Result<()> {
    settings.keep_alive();
    let beat = move || {
        while alive.load(Ordering::Relaxed) {
            settings.keep_alive();
            thread::sleep(HEARTBEAT);
        }
    };
    thread::Builder::new()
        .name("heartbeat".into())
        .spawn(beat)?;
    Ok(())
}
