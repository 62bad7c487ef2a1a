//! How many connections there may be, and how many of them may be one client's (RFC 7766 6.2.2).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections at the same time; one more is closed at once.
pub(super) const CONNECTIONS: u32 = 1024;
/// Connections of one address: nobody can take them all. Half, since a whole node may be behind one
/// address (a cache, masquerading).
pub(super) const PER_CLIENT: u32 = CONNECTIONS / 2;

/// The connections of one listener.
pub(super) struct Admission {
    all: Arc<Semaphore>,
    clients: Arc<Mutex<HashMap<IpAddr, u32>>>,
}

/// Leave to have a connection, given back when dropped.
pub(super) struct Admitted {
    client: IpAddr,
    clients: Arc<Mutex<HashMap<IpAddr, u32>>>,
    _one: OwnedSemaphorePermit,
}

impl Default for Admission {
    fn default() -> Self {
        Self {
            all: Arc::new(Semaphore::new(CONNECTIONS as usize)),
            clients: Arc::default(),
        }
    }
}

impl Admission {
    /// Leave for one more connection of `client`; `None`: it is to be closed.
    pub(super) fn admit(&self, client: IpAddr) -> Option<Admitted> {
        let one = Arc::clone(&self.all).try_acquire_owned().ok()?;
        let mut clients = self.clients.lock();
        let count = clients.entry(client).or_default();
        if *count == PER_CLIENT {
            return None;
        }
        *count += 1;
        Some(Admitted {
            client,
            clients: Arc::clone(&self.clients),
            _one: one,
        })
    }

    /// Returns once no connection is left.
    pub(super) async fn all_gone(&self) {
        // Fails only on a closed semaphore; this one is never closed.
        let _all = self.all.acquire_many(CONNECTIONS).await;
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut clients = self.clients.lock();
        if let Some(count) = clients.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                clients.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_client_leaves_room_for_others_and_what_is_closed_is_free_again() {
        let admission = Admission::default();
        let greedy = IpAddr::from([192, 0, 2, 1]);
        let mut held: Vec<Admitted> = std::iter::from_fn(|| admission.admit(greedy)).collect();
        assert_eq!(held.len(), PER_CLIENT as usize);
        let mut others: Vec<Admitted> = (0..=u8::MAX)
            .flat_map(|last| (0..4).map(move |_| IpAddr::from([198, 51, 100, last])))
            .filter_map(|client| admission.admit(client))
            .collect();
        assert_eq!(others.len(), (CONNECTIONS - PER_CLIENT) as usize);
        others.pop();
        assert!(admission.admit(greedy).is_none());
        held.pop();
        assert!(admission.admit(greedy).is_some());
        drop((held, others));
        assert!(admission.clients.lock().is_empty());
    }
}
