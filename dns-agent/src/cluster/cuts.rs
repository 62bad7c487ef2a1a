//! Where the namespace is cut: which server block is asked for which name, as the slots of ZONES.
//!
//! The programs answer for one port's server blocks, those of the first block with `kubernetes`.

use std::collections::BTreeSet;
use std::sync::Arc;

use dns_ebpf::zone::{SUFFIX, ZONES, Zone, flag};

use super::accounts::Accounts;
use super::instance::Instance;
use crate::corefile::{Config, Server};
use crate::plugin::autopath::Search;
use crate::plugin::kubernetes::Pods;
use crate::record::Name;
use crate::record::reverse::is_reverse;
use crate::record::zonal;

/// The cuts, longest name first.
#[derive(Debug, Clone, Default)]
pub(super) struct Cuts {
    slots: Vec<Cut>,
    /// The zones of the port's server blocks, longest first.
    blocks: Vec<Block>,
    /// Below which names a missing one may be the first of a search path, and the flags that say so.
    searched: Vec<(Name, u32)>,
    /// The zones of each instance's server block that another plugin is asked for first.
    external: Vec<Vec<Name>>,
}

/// A zone of a server block.
#[derive(Debug, Clone)]
struct Block {
    zone: Name,
    instance: Option<usize>,
    /// What the programs count its answers under.
    account: u8,
}

#[derive(Debug, Clone)]
struct Cut {
    name: Name,
    flags: u32,
    /// The zone whose SOA denies, and its TTL.
    apex: usize,
    ttl: u32,
    /// From so many labels above the cut on, a name may be one that a rule makes; 0: never.
    rule_labels: u32,
    account: u8,
}

impl Cuts {
    /// Of the server blocks that share a port with the first `kubernetes` block.
    pub(super) fn new(
        config: &Config,
        instances: &[Arc<Instance>],
        accounts: &mut Accounts,
    ) -> Self {
        let Some(port) = instances.first().map(|instance| instance.port) else {
            return Self::default();
        };
        let mut blocks = Vec::new();
        let mut searched = Vec::new();
        for (server, block) in config
            .servers
            .iter()
            .enumerate()
            .filter(|(_, b)| b.port == port)
        {
            let instance = instances
                .iter()
                .position(|instance| instance.server == server);
            searched.extend(first_domains(block));
            blocks.extend(block.zones.iter().map(|zone| Block {
                zone: zone.clone(),
                instance,
                account: instance.map_or(0, |_| accounts.of(block, zone)),
            }));
        }
        blocks.sort_by_key(|block| std::cmp::Reverse(block.zone.labels().count()));
        // Two blocks for one zone differ in `bind`: which one is asked depends on the address, and the programs do
        // not guess.
        let ambiguous: BTreeSet<Name> = blocks
            .iter()
            .map(|block| &block.zone)
            .filter(|zone| blocks.iter().filter(|other| other.zone == **zone).count() > 1)
            .cloned()
            .collect();
        for block in &mut blocks {
            if ambiguous.contains(&block.zone) {
                block.instance = None;
            }
        }
        let mut cuts = Self {
            slots: Vec::new(),
            blocks,
            searched,
            external: instances
                .iter()
                .map(|instance| instance.external.clone())
                .collect(),
        };
        cuts.slots = cuts
            .names(instances)
            .into_iter()
            .map(|name| cuts.cut(name, instances))
            .collect();
        cuts.slots
            .sort_by_key(|cut| std::cmp::Reverse(cut.name.wire().len()));
        if cuts.slots.len() > ZONES {
            tracing::warn!(
                "the Corefile has {} zones, the kernel takes {ZONES}: it answers none of their names",
                cuts.slots.len()
            );
            cuts = Self::default();
        }
        cuts
    }

    /// Every name at which the answer to a missing name may change.
    fn names(&self, instances: &[Arc<Instance>]) -> BTreeSet<Name> {
        let mut names: BTreeSet<Name> =
            self.blocks.iter().map(|block| block.zone.clone()).collect();
        for instance in self.blocks.iter().filter_map(|block| block.instance) {
            let options = instances[instance].view.options();
            names.extend(options.zones.iter().cloned());
            names.extend(options.fallthrough.iter().cloned());
            names.extend(self.searched.iter().map(|(name, _)| name.clone()));
            names.extend(self.external[instance].iter().cloned());
            if options.pods != Pods::Disabled {
                let zones = options.zones.iter().filter(|zone| !is_reverse(zone));
                names.extend(zones.filter_map(|zone| zone.child(b"pod")));
            }
        }
        names
    }

    fn cut(&self, name: Name, instances: &[Arc<Instance>]) -> Cut {
        let instance = self.instance(&name).map(|i| &instances[i]);
        let zone = instance.and_then(|instance| instance.view.zone_of(&name));
        let mut cut = Cut {
            apex: name.wire().len(),
            account: self.account(&name),
            name,
            flags: flag::USED,
            ttl: 0,
            rule_labels: 0,
        };
        if let (Some(instance), Some(zone)) = (instance, zone) {
            let options = instance.view.options();
            if cut.name.wire().len() <= SUFFIX {
                cut.flags |= flag::SERVED;
            }
            if instance.falls_through(&cut.name) {
                cut.flags |= flag::FALLTHROUGH;
            }
            let is_pod = !is_reverse(zone) && zone.child(b"pod").as_ref() == Some(&cut.name);
            if is_pod && options.pods != Pods::Disabled {
                cut.flags |= flag::PODS;
            }
            for (domain, flags) in &self.searched {
                if cut.name == *domain {
                    cut.flags |= flags;
                } else if cut.name.is_under(domain) {
                    cut.flags |= flag::AUTOPATH;
                }
            }
            if options.zonal && !is_reverse(zone) && !options.multicluster.contains(zone) {
                let below = cut.name.labels().count() - zone.labels().count();
                let below = u32::try_from(below).unwrap_or(u32::MAX);
                cut.rule_labels = zonal::LABELS.saturating_sub(below).max(1);
            }
            cut.apex = zone.wire().len();
            // As CoreDNS: a denial is kept for five minutes at most, whatever `ttl` says.
            cut.ttl = options.ttl.min(300);
        }
        cut
    }

    /// The instance of the server block that is asked for `name`, where it is asked first.
    pub(super) fn instance(&self, name: &Name) -> Option<usize> {
        let asked_first = |instance: &usize| {
            let mut external = self.external[*instance].iter();
            !external.any(|zone| name.is_under(zone))
        };
        self.block(name)
            .and_then(|block| block.instance)
            .filter(asked_first)
    }

    /// Whether a name that does not exist may be the first of a search path, which the agent walks.
    pub(super) fn is_searched(&self, name: &Name) -> bool {
        self.searched.iter().any(|(first, _)| name.is_under(first))
    }

    /// What answers for `name` are counted under.
    pub(super) fn account(&self, name: &Name) -> u8 {
        self.block(name).map_or(0, |block| block.account)
    }

    fn block(&self, name: &Name) -> Option<&Block> {
        self.blocks.iter().find(|block| name.is_under(&block.zone))
    }

    /// The slot of a zone.
    pub(super) fn slot(&self, zone: &Name) -> Option<u8> {
        let slot = self.slots.iter().position(|cut| cut.name == *zone)?;
        u8::try_from(slot).ok()
    }

    /// The slots that have a SOA.
    pub(super) fn served(&self) -> Vec<usize> {
        let slots = self.slots.iter().enumerate();
        slots
            .filter(|(_, cut)| cut.flags & flag::SERVED != 0)
            .map(|(slot, _)| slot)
            .collect()
    }

    /// The slots as they are written; `state` adds flags to those that are served.
    pub(super) fn zones(&self, serial: u32, state: impl Fn(&Name) -> u32) -> Vec<Zone> {
        let zone = |cut: &Cut| {
            let served = cut.flags & flag::SERVED != 0;
            let state = if served { state(&cut.name) } else { 0 };
            Zone {
                apex: u32::try_from(cut.apex).unwrap_or_default(),
                flags: cut.flags | state,
                serial,
                ttl: cut.ttl,
                rule_labels: cut.rule_labels,
                account: cut.account.into(),
                ..Zone::new(cut.name.wire())
            }
        };
        self.slots.iter().map(zone).collect()
    }
}

/// Below which names the first names of the search paths are that `autopath` walks for a server block: `svc.<zone>`, which
/// has a domain for each namespace, or the first domain of a file.
fn first_domains(block: &Server) -> Vec<(Name, u32)> {
    let Some(autopath) = &block.autopath else {
        return Vec::new();
    };
    let domains: Vec<(Name, u32)> = match (&autopath.search, &block.kubernetes) {
        (Search::Kubernetes { .. }, Some(kubernetes)) => kubernetes
            .zones
            .iter()
            .filter(|zone| !is_reverse(zone))
            .filter_map(|zone| Some((zone.child(b"svc")?, flag::AUTOPATH | flag::NAMESPACES)))
            .collect(),
        (Search::File(path), _) => {
            let first = path.first().cloned();
            first
                .map(|name| (name, flag::AUTOPATH))
                .into_iter()
                .collect()
        }
        (Search::Kubernetes { .. }, None) => Vec::new(),
    };
    let concerns = |(domain, _): &(Name, u32)| {
        let mut zones = autopath.zones.iter();
        zones.any(|zone| domain.is_under(zone) || zone.is_under(domain))
    };
    domains.into_iter().filter(concerns).collect()
}
