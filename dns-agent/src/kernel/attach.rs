//! Keeps the programs attached to the interfaces that `--pods` and `--nic` name, while interfaces
//! come, change their names and go.
//!
//! Each event of [`Links`] and each due retry ends in [`Attacher::reconcile`], which compares what
//! a link should have with what it has.

use std::collections::{BTreeMap, BTreeSet};
use std::future;
use std::io;
use std::path::Path;
use std::time::Duration;

use aya::Ebpf;
use aya::programs::{ProgramError, SchedClassifier, Xdp};
use aya_obj::programs::XdpAttachType;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info, warn};

use super::attached::Attached;
use super::capabilities::{self, MissingCapabilities};
use super::clsact;
use super::globs::Globs;
use super::hook::{Hook, HookError, Mode};
use super::links::{Link, LinkEvent, Links, LinksError};
use super::object::{TC, XDP};
use super::order;
use super::tc::{self, TcAttachment, TcMode, TcModeError};
use super::xdp::{self, XdpAttachment, XdpMode};

/// A refused attachment is tried again after this, then after twice as long, and so on.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_mins(1);
/// How often it is looked whether another program was put before ours.
const LOOK: Duration = Duration::from_secs(5);

/// What to attach to, and how.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Host ends of pods' veth pairs, for the tc program.
    pub pods: Globs,
    /// Network cards, for the XDP program.
    pub nics: Globs,
    /// How at the former.
    pub tc: TcMode,
    /// How at the latter.
    pub xdp: XdpMode,
}

/// The two programs, loaded.
#[derive(Debug)]
pub struct Programs {
    /// For pods.
    pub tc: SchedClassifier,
    /// For network cards.
    pub xdp: Xdp,
}

/// Why attaching cannot even begin, or not go on.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// The process may not.
    #[error(transparent)]
    Capabilities(#[from] MissingCapabilities),
    /// The kernel has not what `--tc` asks for.
    #[error(transparent)]
    TcMode(#[from] TcModeError),
    /// The object lacks a program, or it was not loaded.
    #[error("the BPF object has no loaded program `{name}`: {source}")]
    Program {
        /// [`TC`] or [`XDP`].
        name: &'static str,
        /// What aya says.
        source: Box<ProgramError>,
    },
    /// Filters of a killed agent cannot be looked for.
    #[error("cannot look for tc filters that a killed agent left: {0}")]
    Leftovers(io::Error),
    /// Interfaces cannot be watched.
    #[error(transparent)]
    Links(#[from] LinksError),
}

/// Attaches and detaches. Dropping it detaches everything, as [`Attacher::detach_all`] does.
#[derive(Debug)]
pub struct Attacher {
    programs: Programs,
    plan: Plan,
    tc: Mode,
    links: BTreeMap<u32, Link>,
    slots: BTreeMap<(u32, Hook), Slot>,
    /// Links that match `--pods` and are no pods', named in the log already.
    named: BTreeSet<u32>,
    attached: Attached,
}

#[derive(Debug)]
enum Slot {
    Tc(#[expect(dead_code, reason = "dropping it detaches")] TcAttachment),
    Xdp(XdpAttachment),
    Failing {
        attempts: u32,
        retry: Instant,
        cause: String,
    },
}

impl Programs {
    /// Handles on the two programs of a loaded object, apart from the object itself. They are made by way of
    /// pins in `bpffs`, which are gone again afterwards: by program id it would take `CAP_SYS_ADMIN`.
    pub fn of(object: &mut Ebpf, bpffs: &Path) -> Result<Self, AttachError> {
        let fault = |name| {
            move |source| AttachError::Program {
                name,
                source: Box::new(source),
            }
        };
        let tc =
            by_pin(object, bpffs, TC, |pin| SchedClassifier::from_pin(pin)).map_err(fault(TC))?;
        let interface = XdpAttachType::Interface;
        let xdp =
            by_pin(object, bpffs, XDP, |pin| Xdp::from_pin(pin, interface)).map_err(fault(XDP))?;
        Ok(Self { tc, xdp })
    }
}

fn by_pin<P>(
    object: &mut Ebpf,
    bpffs: &Path,
    name: &str,
    open: impl Fn(&Path) -> Result<P, ProgramError>,
) -> Result<P, ProgramError> {
    let missing = || ProgramError::InvalidName {
        name: name.to_owned(),
    };
    let pin = bpffs.join(name);
    // Left by an agent that was killed right here.
    let _: io::Result<()> = std::fs::remove_file(&pin);
    object
        .program_mut(name)
        .ok_or_else(missing)?
        .pin(&pin)
        .map_err(|error| ProgramError::IOError(io::Error::other(error)))?;
    let program = open(&pin);
    std::fs::remove_file(&pin).map_err(ProgramError::IOError)?;
    program
}

impl Attacher {
    /// Checks that attaching can work at all, and removes the tc filters that a killed agent left
    /// in this network namespace. Attaches nothing yet.
    pub fn new(programs: Programs, plan: Plan) -> Result<Self, AttachError> {
        capabilities::check()?;
        let tc = plan.tc.resolve()?;
        let left = clsact::remove_leftovers().map_err(AttachError::Leftovers)?;
        if !left.is_empty() {
            info!(
                "removed tc filters that an earlier agent left on {} interfaces",
                left.len()
            );
        }
        Ok(Self {
            programs,
            plan,
            tc,
            links: BTreeMap::new(),
            slots: BTreeMap::new(),
            named: BTreeSet::new(),
            attached: Attached::default(),
        })
    }

    /// What is attached, for others to read while [`Self::run`] goes on.
    pub fn attached(&self) -> Attached {
        self.attached.clone()
    }

    /// Follows the interfaces until `shutdown`, then detaches everything. Must run on threads of
    /// the network namespace it is for; also detaches when the future is dropped.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) -> Result<(), AttachError> {
        if self.plan.pods.is_empty() && self.plan.nics.is_empty() {
            shutdown.await;
            return Ok(());
        }
        let mut links = Links::watch()?;
        let mut look = tokio::time::interval_at(Instant::now() + LOOK, LOOK);
        tokio::pin!(shutdown);
        loop {
            let retry = self.next_retry();
            tokio::select! {
                () = &mut shutdown => break,
                event = links.next() => match event? {
                    LinkEvent::Present(link) => {
                        let index = link.index;
                        self.links.insert(index, link);
                        self.reconcile(index);
                    }
                    LinkEvent::Gone(index) => self.forget(index),
                },
                () = due(retry) => self.retry(),
                _ = look.tick() => self.look_for_others(),
            }
        }
        self.detach_all();
        Ok(())
    }

    /// Takes the programs off every interface. A second time there is nothing to do.
    pub fn detach_all(&mut self) {
        self.slots.clear();
        self.attached.clear();
    }

    fn reconcile(&mut self, index: u32) {
        let Some(link) = self.links.get(&index).cloned() else {
            return;
        };
        for hook in [Hook::Tc, Hook::Xdp] {
            let wanted = self.wants(&link, hook);
            match (wanted, self.slots.get(&(index, hook))) {
                (true, None) => self.attach(&link, hook),
                (false, Some(_)) => {
                    self.slots.remove(&(index, hook));
                    info!(
                        "{hook}: detached from {}, which is not to have it any more",
                        link.name
                    );
                }
                (true, Some(_)) | (false, None) => {}
            }
        }
        self.publish(index);
    }

    fn wants(&mut self, link: &Link, hook: Hook) -> bool {
        if hook == Hook::Xdp {
            return self.plan.nics.matches(&link.name);
        }
        if !self.plan.pods.matches(&link.name) {
            return false;
        }
        let pods = link.veth && link.peer_elsewhere;
        if !pods && self.named.insert(link.index) {
            // bpf_redirect_peer drops what it is given for any other kind, without a trace.
            let why = if link.veth {
                "its peer is in this network namespace"
            } else {
                "it is no veth"
            };
            info!("{} matches --pods and is left alone: {why}", link.name);
        }
        pods
    }

    fn attach(&mut self, link: &Link, hook: Hook) {
        let key = (link.index, hook);
        let (attempts, said) = match self.slots.remove(&key) {
            Some(Slot::Failing {
                attempts, cause, ..
            }) => (attempts, cause),
            _ => (0, String::new()),
        };
        let slot = match hook {
            Hook::Tc => tc::attach(&mut self.programs.tc, link, self.tc).map(Slot::Tc),
            Hook::Xdp => xdp::attach(&mut self.programs.xdp, link, self.plan.xdp).map(Slot::Xdp),
        };
        let slot = match slot {
            Ok(slot) => {
                info!("{hook}: attached to {} ({})", link.name, self.mode(&slot));
                slot
            }
            Err(HookError::Vanished) => {
                debug!(
                    "{hook}: {} went away before it could be attached",
                    link.name
                );
                return;
            }
            Err(error) => {
                self.attached.count_failure(hook);
                let (cause, wait) = (error.to_string(), back_off(attempts));
                if cause != said {
                    warn!(
                        "{hook}: not attached to {}: {cause}; trying again from time to time",
                        link.name
                    );
                }
                Slot::Failing {
                    attempts: attempts + 1,
                    retry: Instant::now() + wait,
                    cause,
                }
            }
        };
        self.slots.insert(key, slot);
    }

    fn forget(&mut self, index: u32) {
        for hook in [Hook::Tc, Hook::Xdp] {
            self.slots.remove(&(index, hook));
        }
        self.named.remove(&index);
        if let Some(link) = self.links.remove(&index) {
            debug!("{} is gone", link.name);
        }
        self.publish(index);
    }

    /// Says so where another program was put before ours: we go to the front, but whoever comes later may, too.
    fn look_for_others(&mut self) {
        let Ok(own) = self.programs.tc.info().map(|info| info.id()) else {
            return;
        };
        let mut first = BTreeSet::new();
        for ((index, _), slot) in &self.slots {
            if self.tc == Mode::Tcx && matches!(slot, Slot::Tc(_)) {
                let ids = order::at_ingress(*index).unwrap_or_default();
                first.extend(ids.into_iter().take_while(|id| *id != own));
            }
        }
        let behind = (!first.is_empty()).then(|| {
            let ids: Vec<String> = first.iter().map(ToString::to_string).collect();
            format!(
                "tc: another program was put before ours at pods' interfaces (`bpftool prog show id {}`): queries that it \
                 answers, drops or redirects do not come to ours; let kerndns start after it, or leave these interfaces \
                 out of --pods",
                ids.join("`, `bpftool prog show id ")
            )
        });
        if self.attached.set_obstacle(behind.clone()) {
            if let Some(behind) = behind {
                warn!("{behind}");
            } else {
                info!("tc: our program is the first again");
            }
        }
    }

    fn next_retry(&self) -> Option<Instant> {
        self.slots.values().filter_map(Slot::retry).min()
    }

    fn retry(&mut self) {
        let now = Instant::now();
        let due: Vec<(u32, Hook)> = self
            .slots
            .iter()
            .filter(|(_, slot)| slot.retry().is_some_and(|retry| retry <= now))
            .map(|(&key, _)| key)
            .collect();
        for (index, hook) in due {
            if let Some(link) = self.links.get(&index).cloned() {
                self.attach(&link, hook);
            }
            self.publish(index);
        }
    }

    /// Tells the readers what has become of one link.
    fn publish(&self, index: u32) {
        for hook in [Hook::Tc, Hook::Xdp] {
            let link = self.links.get(&index);
            let told = link
                .zip(self.slots.get(&(index, hook)))
                .map(|(link, slot)| {
                    let failing = matches!(slot, Slot::Failing { .. });
                    (link.name.clone(), (!failing).then(|| self.mode(slot)))
                });
            self.attached.set(index, hook, told);
        }
    }

    fn mode(&self, slot: &Slot) -> Mode {
        match slot {
            Slot::Xdp(attachment) => attachment.mode,
            Slot::Tc(_) | Slot::Failing { .. } => self.tc,
        }
    }
}

impl Slot {
    fn retry(&self) -> Option<Instant> {
        match self {
            Self::Failing { retry, .. } => Some(*retry),
            Self::Tc(_) | Self::Xdp(_) => None,
        }
    }
}

fn back_off(attempts: u32) -> Duration {
    FIRST_RETRY
        .saturating_mul(1 << attempts.min(16))
        .min(LAST_RETRY)
}

async fn due(retry: Option<Instant>) {
    match retry {
        Some(retry) => sleep_until(retry).await,
        None => future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_between_two_attempts_doubles_up_to_a_minute() {
        let waits: Vec<u64> = (0..8)
            .map(|attempts| back_off(attempts).as_secs())
            .collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(back_off(u32::MAX), LAST_RETRY);
    }
}
