//! The cluster as it is known now: objects, what each `kubernetes` block makes of them, and what is held.
//!
//! One writer ([`control`]) takes events in; listeners read. A change goes `Index::apply` ->
//! `View::touched` -> `View::node` -> `View::trail` -> `answer::held::encode_alias` -> `Held::put`.

pub mod accounts;
pub mod control;
mod cuts;
pub mod instance;
pub mod objects;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use dns_ebpf::zone::flag;
use tokio::sync::watch;

use crate::answer::held::{Placement, encode_alias};
use crate::corefile::{Config, Server};
use crate::k8s::Event;
use crate::k8s::index::{Index, cluster_ips};
use crate::k8s::object::ObjectKey;
use crate::map::MapFault;
use crate::map::held::Held;
use crate::record::alias::Trail;
use crate::record::{Name, Node};
use accounts::Accounts;
use cuts::Cuts;
use instance::Instance;
use objects::Objects;

/// Everything that is known.
pub struct Cluster {
    objects: Objects,
    instances: Vec<Arc<Instance>>,
    previous: Option<Previous>,
    cuts: Cuts,
    accounts: Accounts,
    held: Held,
    dns_service: ObjectKey,
    /// Names that could not be held: their zones are not whole.
    missing: BTreeSet<Name>,
    serial: u32,
    /// Whether something changed within the second that `serial` names, after it was given.
    is_unsettled: bool,
    /// When the last event or tick came: the clock is the caller's.
    now: Instant,
    /// What was last said about `missing`, so that it is said once.
    said: Option<String>,
    /// Whether every kind was listed, for those who wait for it.
    listing: watch::Sender<bool>,
    /// From when the time of those who wait counts.
    started: Instant,
}

/// How long queries may still come to the instances of the Corefile before.
const IN_FLIGHT: Duration = Duration::from_secs(10);

/// The objects before these, for those who were to be asked about them: another source's are selected by other labels,
/// or lack what an instance of then looks for, and it would deny what there is.
struct Previous {
    instances: Vec<Arc<Instance>>,
    objects: Objects,
    until: Instant,
}

/// What a change came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Changed {
    /// Names whose record was put or removed.
    pub names: usize,
}

impl Cluster {
    /// Knows nothing yet.
    pub fn new(held: Held, dns_service: ObjectKey) -> Self {
        Self {
            objects: Objects::default(),
            instances: Vec::new(),
            previous: None,
            cuts: Cuts::default(),
            accounts: Accounts::default(),
            held,
            dns_service,
            missing: BTreeSet::new(),
            serial: seconds_since_1970(),
            is_unsettled: false,
            now: Instant::now(),
            said: None,
            listing: watch::Sender::new(false),
            started: Instant::now(),
        }
    }

    /// Puts a Corefile in force together with the objects of a source for its needs, in exchange for
    /// those that were there.
    pub fn adopt(
        &mut self,
        objects: &mut Objects,
        config: &Config,
        own: &[IpAddr],
    ) -> &[Arc<Instance>] {
        std::mem::swap(&mut self.objects, objects);
        self.previous = Some(Previous {
            instances: std::mem::take(&mut self.instances),
            objects: objects.clone(),
            until: self.now + IN_FLIGHT,
        });
        self.listing.send_replace(self.is_listed());
        self.configure(config, own)
    }

    /// Puts a Corefile in force. `own` are the agent's own addresses, for `ns.dns.<zone>` where the DNS
    /// Service has none. Answers that stay the same are not interrupted.
    pub fn configure(&mut self, config: &Config, own: &[IpAddr]) -> &[Arc<Instance>] {
        let instance = |(server, block): (usize, &Server)| {
            let options = block.kubernetes.clone()?;
            Some(Arc::new(Instance::new(
                server,
                block,
                options,
                self.objects.needs(),
                self.dns_service.clone(),
                own.to_vec(),
            )))
        };
        self.instances = config
            .servers
            .iter()
            .enumerate()
            .filter_map(instance)
            .collect();
        self.cuts = Cuts::new(config, &self.instances, &mut self.accounts);
        // One flag for the whole port: which block a query is for is only known once its name is read.
        let port = self.instances.first().map(|instance| instance.port);
        let asked_for = |block: &Server| Some(block.port) == port && block.nsid.is_some();
        let nsid = config.servers.iter().any(asked_for);
        self.held.settings().set_nsid(nsid);
        self.rebuild();
        &self.instances
    }

    /// Takes events in; the names they touch are written once.
    pub fn take(&mut self, events: impl IntoIterator<Item = Event>, now: Instant) -> Changed {
        self.now = now;
        let mut names = BTreeSet::new();
        let before = self.is_complete();
        for event in events {
            for touched in self.objects.take(event, now) {
                for instance in &self.instances {
                    names.extend(instance.view.touched(self.objects.index(), &touched));
                }
            }
        }
        let changed = self.write(names);
        if changed.names > 0 {
            self.renumber(seconds_since_1970());
        }
        if before != self.is_complete() {
            self.write_zones();
        }
        let is_listed = self.is_listed();
        let news = |listing: &mut bool| std::mem::replace(listing, is_listed) != is_listed;
        self.listing.send_if_modified(news);
        changed
    }

    /// Looks at the clock: withdraws denials where a watch has been broken for too long, and gives
    /// them back. To be called every second.
    pub fn tick(&mut self, now: Instant) {
        self.now = now;
        self.previous.take_if(|previous| now >= previous.until);
        let retry = std::mem::take(&mut self.missing);
        if !retry.is_empty() {
            self.write(retry);
        }
        let second = seconds_since_1970();
        if self.is_unsettled && second != self.serial {
            self.renumber(second);
        }
        self.write_zones();
        self.held.rest();
    }

    /// Gives the zones the serial of a second. What else changes within that second gets the next one's, once it
    /// has come: two states that last have two serials, and none is ahead of the clock.
    fn renumber(&mut self, second: u32) {
        self.is_unsettled = second == self.serial;
        self.serial = second;
        for slot in self.cuts.served() {
            self.held.set_serial(slot, second);
        }
    }

    /// Whether every kind was listed.
    pub fn is_listed(&self) -> bool {
        self.objects.is_listed()
    }

    /// Whether every kind that records are made of was listed: all but pods.
    pub fn has_listed_records(&self) -> bool {
        self.objects.has_listed_records()
    }

    /// Whether a watch has been broken for so long that nothing is denied any more.
    pub fn is_out_of_touch(&self) -> bool {
        self.objects.is_out_of_touch(self.now)
    }

    /// Whether every kind was listed, as it changes; and when this cluster began to be known.
    pub fn listing(&self) -> (watch::Receiver<bool>, Instant) {
        (self.listing.subscribe(), self.started)
    }

    /// The objects.
    pub fn index(&self) -> &Index {
        self.objects.index()
    }

    /// The objects that an instance is about: those in force, or, for one of the Corefile before, those of then.
    pub fn objects_of(&self, instance: &Instance) -> &Objects {
        let is_of = |previous: &&Previous| {
            let mut instances = previous.instances.iter();
            instances.any(|one| std::ptr::eq(&raw const **one, instance))
        };
        let previous = self.previous.as_ref().filter(is_of);
        previous.map_or(&self.objects, |previous| &previous.objects)
    }

    /// The objects as they are now, to be looked at without the lock. While anyone has them, the next change copies
    /// the index (not the objects) and goes on with the copy.
    pub fn snapshot(&self, instance: &Instance) -> Arc<Index> {
        self.objects_of(instance).snapshot()
    }

    /// What the programs count their answers under.
    pub fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// What is answered from.
    pub fn held(&self) -> &Held {
        &self.held
    }

    /// SOA SERIAL: the time of the last change, seconds since 1970.
    pub fn serial(&self) -> u32 {
        self.serial
    }

    /// How many names could not be held.
    pub fn missing(&self) -> usize {
        self.missing.len()
    }

    /// The DNS Service's ClusterIPs at port 53.
    pub fn dns_service_addresses(&self) -> BTreeSet<SocketAddr> {
        let service = self.index().service(&self.dns_service);
        let ips = service
            .map(|service| cluster_ips(service))
            .unwrap_or_default();
        ips.iter().map(|&ip| SocketAddr::new(ip, 53)).collect()
    }

    /// The DNS Service.
    pub fn dns_service(&self) -> &ObjectKey {
        &self.dns_service
    }

    /// Takes another Service for the DNS Service, from the next [`Self::configure`] on.
    pub fn set_dns_service(&mut self, service: ObjectKey) {
        self.dns_service = service;
    }

    /// Writes what `names` have now.
    fn write(&mut self, names: BTreeSet<Name>) -> Changed {
        let mut changed = Changed::default();
        for name in names {
            match self.write_name(&name) {
                Ok(is_new) => {
                    changed.names += usize::from(is_new);
                    self.missing.remove(&name);
                }
                Err(fault) => self.miss(name, &fault),
            }
        }
        if self.missing.is_empty() {
            self.said = None;
        }
        self.held.settle();
        changed
    }

    fn write_name(&mut self, name: &Name) -> Result<bool, MapFault> {
        match self.wanted(name) {
            Some((node, trail, placement)) => {
                let (record, entry) = encode_alias(name, &node, trail.as_ref(), placement);
                self.held.put(record, entry)
            }
            None => self.held.remove(name.wire()),
        }
    }

    /// What is to be held under a name: what the server block that is asked for it says.
    fn wanted(&self, name: &Name) -> Option<(Node, Option<Trail>, Placement)> {
        let asked = self.cuts.instance(name)?;
        let instance = &self.instances[asked];
        let zone = instance.view.zone_of(name)?;
        let node = instance.view.node(self.index(), name)?;
        let zone_len = u8::try_from(zone.wire().len()).ok()?;
        let slot = self.cuts.slot(zone)?;
        let is_ours = |target: &Name| self.cuts.instance(target) == Some(asked);
        // An alias of a name that does not exist is NXDOMAIN, too (RFC 6604 3): there is a search path to walk.
        let is_final = |trail: &Trail| trail.end.is_some() || !self.cuts.is_searched(name);
        let trail = instance.view.trail(self.index(), name, &node, is_ours);
        let trail = trail.filter(is_final);
        Some((
            node,
            trail,
            Placement {
                zone: slot,
                zone_len,
                shuffle: instance.shuffle,
                account: self.cuts.account(name),
            },
        ))
    }

    fn miss(&mut self, name: Name, fault: &MapFault) {
        let what = fault.to_string();
        if self.said.as_ref() != Some(&what) {
            tracing::warn!(
                "{name} and perhaps other names cannot be held in the kernel: {what}. They are answered by the agent \
                 or the cluster's DNS, and the kernel denies no name of their zones"
            );
            self.said = Some(what);
        }
        // What may still be held under it is out of date.
        if let Err(fault) = self.held.remove(name.wire()) {
            tracing::error!("{name}: an old record cannot be removed from the kernel: {fault}");
        }
        let is_first = self.missing.is_empty();
        self.missing.insert(name);
        if is_first {
            self.write_zones();
        }
    }

    /// Writes all zones and all names anew, and removes what is no longer wanted.
    fn rebuild(&mut self) {
        let mut names: BTreeSet<Name> = BTreeSet::new();
        for instance in &self.instances {
            names.extend(instance.view.all_names(self.objects.index()));
        }
        let zones = self.cuts.zones(self.serial, |_| 0);
        // Under an odd epoch all through: a zone's slot may mean another zone until the last name is
        // written.
        let settings = self.held.settings();
        settings.change(|| {
            self.held.set_zones(&zones);
            let keep: std::collections::HashSet<Vec<u8>> =
                names.iter().map(|name| name.wire().to_vec()).collect();
            if let Err(fault) = self.held.retain(|name| keep.contains(name)) {
                tracing::error!("old records cannot be removed from the kernel: {fault}");
            }
            self.missing.clear();
            self.write(names);
            self.write_zones();
        });
    }

    fn write_zones(&mut self) {
        let state = self.state();
        let zones = self.cuts.zones(self.serial, |_| state);
        if self.held.zones_differ(&zones) {
            let settings = self.held.settings();
            settings.change(|| self.held.set_zones(&zones));
        }
    }

    fn state(&self) -> u32 {
        if self.is_complete() {
            flag::COMPLETE
        } else {
            0
        }
    }

    /// Whether absence is knowledge. Of pods nothing is held, so nothing hangs on their lists here.
    fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.objects.is_whole(self.now)
    }
}

fn seconds_since_1970() -> u32 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            u32::try_from(since.as_secs()).unwrap_or(u32::MAX)
        })
}

#[cfg(test)]
mod pod_tests;
#[cfg(test)]
mod tests;
