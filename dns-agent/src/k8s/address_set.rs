//! Which objects hold an address, in address order, so that both one address and a whole prefix are
//! one lookup.
//!
//! One entry is 32 octets: a cluster's endpoints are the bulk of what the agent keeps.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::net::IpAddr;
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
pub struct AddressSet<T: Keyed>(BTreeSet<Holder<T>>);

impl<T: Keyed> AddressSet<T> {
    /// Notes that `object` has `address`.
    pub fn insert(&mut self, address: IpAddr, object: &Arc<T>) {
        self.0.insert(Holder::new(address, object));
    }

    /// Forgets that the object has `address`.
    pub fn remove(&mut self, address: IpAddr, object: &Arc<T>) {
        self.0.remove(&Holder::new(address, object));
    }

    /// The objects that have `address`, in the order of their keys.
    pub fn at(&self, address: IpAddr) -> impl Iterator<Item = &Arc<T>> {
        self.within(address..=address).map(|(_, object)| object)
    }

    /// The pairs with an address in `range`, in order; IPv4 comes before IPv6.
    pub fn within(&self, range: RangeInclusive<IpAddr>) -> impl Iterator<Item = (IpAddr, &Arc<T>)> {
        let (first, last) = range.into_inner();
        let from = Holder {
            address: first,
            object: None,
        };
        self.0
            .range((Bound::Included(from), Bound::Unbounded))
            .take_while(move |holder| holder.address <= last)
            .filter_map(|holder| Some((holder.address, holder.object.as_ref()?)))
    }
}

impl<T: Keyed> Clone for AddressSet<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Keyed> Default for AddressSet<T> {
    fn default() -> Self {
        Self(BTreeSet::new())
    }
}

/// An element of the set. Without an object: the lower bound of all that have the address.
#[derive(Debug)]
struct Holder<T> {
    address: IpAddr,
    object: Option<Arc<T>>,
}

impl<T> Clone for Holder<T> {
    fn clone(&self) -> Self {
        Self {
            address: self.address,
            object: self.object.clone(),
        }
    }
}

impl<T: Keyed> Holder<T> {
    fn new(address: IpAddr, object: &Arc<T>) -> Self {
        Self {
            address,
            object: Some(Arc::clone(object)),
        }
    }

    fn rank(&self) -> (IpAddr, Option<&ObjectKey>) {
        (
            self.address,
            self.object.as_ref().map(|object| object.key()),
        )
    }
}

impl<T: Keyed> Ord for Holder<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl<T: Keyed> PartialOrd for Holder<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Keyed> PartialEq for Holder<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T: Keyed> Eq for Holder<T> {}
