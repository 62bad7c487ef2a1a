//! Which objects hold an address, in address order, so that both one address and a whole prefix are
//! one lookup.
//!
//! One entry is 16 octets for IPv4 and 24 for IPv6: a cluster's endpoints are the bulk of what the agent keeps.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::{Bound, RangeInclusive};
use std::sync::Arc;

use super::object::ObjectKey;

/// An object with a key by which it is told from others of its kind.
pub trait Keyed {
    /// Namespace and name.
    fn key(&self) -> &ObjectKey;
}

/// Pairs of an address and an object that has it, ordered by address, then by the object's key.
#[derive(Debug)]
pub struct AddressSet<T: Keyed> {
    v4: BTreeSet<Holder<Ipv4Addr, T>>,
    v6: BTreeSet<Holder<Ipv6Addr, T>>,
}

impl<T: Keyed> AddressSet<T> {
    /// Notes that `object` has `address`.
    pub fn insert(&mut self, address: IpAddr, object: &Arc<T>) {
        match address {
            IpAddr::V4(address) => self.v4.insert(Holder::new(address, object)),
            IpAddr::V6(address) => self.v6.insert(Holder::new(address, object)),
        };
    }

    /// Forgets that the object has `address`.
    pub fn remove(&mut self, address: IpAddr, object: &Arc<T>) {
        match address {
            IpAddr::V4(address) => self.v4.remove(&Holder::new(address, object)),
            IpAddr::V6(address) => self.v6.remove(&Holder::new(address, object)),
        };
    }

    /// The objects that have `address`, in the order of their keys.
    pub fn at(&self, address: IpAddr) -> impl Iterator<Item = &Arc<T>> {
        self.within(address..=address).map(|(_, object)| object)
    }

    /// The pairs with an address in `range`, in order; IPv4 comes before IPv6.
    pub fn within(&self, range: RangeInclusive<IpAddr>) -> impl Iterator<Item = (IpAddr, &Arc<T>)> {
        let (v4, v6) = match range.into_inner() {
            (IpAddr::V4(first), IpAddr::V4(last)) => (Some(first..=last), None),
            (IpAddr::V6(first), IpAddr::V6(last)) => (None, Some(first..=last)),
            (IpAddr::V4(first), IpAddr::V6(last)) => (
                Some(first..=Ipv4Addr::BROADCAST),
                Some(Ipv6Addr::UNSPECIFIED..=last),
            ),
            (IpAddr::V6(_), IpAddr::V4(_)) => (None, None),
        };
        let v4 = v4.into_iter().flat_map(|range| within(&self.v4, range));
        let v6 = v6.into_iter().flat_map(|range| within(&self.v6, range));
        v4.chain(v6)
    }
}

fn within<A: Copy + Ord + Into<IpAddr>, T: Keyed>(
    set: &BTreeSet<Holder<A, T>>,
    range: RangeInclusive<A>,
) -> impl Iterator<Item = (IpAddr, &Arc<T>)> {
    let (first, last) = range.into_inner();
    let from = Holder {
        address: first,
        object: None,
    };
    set.range((Bound::Included(from), Bound::Unbounded))
        .take_while(move |holder| holder.address <= last)
        .filter_map(|holder| Some((holder.address.into(), holder.object.as_ref()?)))
}

impl<T: Keyed> Clone for AddressSet<T> {
    fn clone(&self) -> Self {
        Self {
            v4: self.v4.clone(),
            v6: self.v6.clone(),
        }
    }
}

impl<T: Keyed> Default for AddressSet<T> {
    fn default() -> Self {
        Self {
            v4: BTreeSet::new(),
            v6: BTreeSet::new(),
        }
    }
}

/// An element of the set. Without an object: the lower bound of all that have the address.
#[derive(Debug)]
struct Holder<A, T> {
    address: A,
    object: Option<Arc<T>>,
}

impl<A: Copy, T> Clone for Holder<A, T> {
    fn clone(&self) -> Self {
        Self {
            address: self.address,
            object: self.object.clone(),
        }
    }
}

impl<A: Copy, T: Keyed> Holder<A, T> {
    fn new(address: A, object: &Arc<T>) -> Self {
        Self {
            address,
            object: Some(Arc::clone(object)),
        }
    }

    fn rank(&self) -> (A, Option<&ObjectKey>) {
        (
            self.address,
            self.object.as_ref().map(|object| object.key()),
        )
    }
}

impl<A: Copy + Ord, T: Keyed> Ord for Holder<A, T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl<A: Copy + Ord, T: Keyed> PartialOrd for Holder<A, T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<A: Copy + Ord, T: Keyed> PartialEq for Holder<A, T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<A: Copy + Ord, T: Keyed> Eq for Holder<A, T> {}
