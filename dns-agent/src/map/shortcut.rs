//! The last pages of ARENA ([`dns_ebpf::shortcut`]): they grow with the names, and each entry follows its record.

use std::sync::atomic::{AtomicU32, Ordering};

use dns_ebpf::arena::Page;
use dns_ebpf::shortcut::{BUCKETS, entry, place};

use super::shared::Shared;

/// The pages, last one of ARENA first.
#[derive(Default)]
pub(super) struct Shortcut {
    pages: Vec<Shared<Page>>,
    mask: u64,
}

impl Shortcut {
    /// For how many names there are entries enough: with a name to two buckets, one in fifty finds both entries
    /// of its own taken.
    pub(super) fn room(&self) -> usize {
        self.pages.len() * BUCKETS / 2
    }

    /// How many pages there are.
    pub(super) fn pages(&self) -> usize {
        self.pages.len()
    }

    /// Adds pages, from the last of ARENA on, which makes a power of two of them: every name has a new place. Returns the new mask, to be told to the
    /// programs before the names are entered.
    pub(super) fn extend(&mut self, pages: impl Iterator<Item = Shared<Page>>) -> u64 {
        for page in &self.pages {
            for at in 0..BUCKETS * 2 {
                cell(page, at).store(0, Ordering::Relaxed);
            }
        }
        self.pages.extend(pages);
        self.mask = (self.pages.len() * BUCKETS) as u64 - 1;
        self.mask
    }

    /// Has `key` lead to the record at `new` and no longer to that at `old`, as far as there is an entry for it.
    pub(super) fn replace(&self, key: u64, old: Option<u32>, new: Option<u32>) {
        let (page, octet) = place(key, self.mask);
        let first = dns_ebpf::arena::PAGES - 1;
        let Some(page) = self.pages.get(first - page as usize) else {
            return;
        };
        let entries = [octet / 4, octet / 4 + 1].map(|at| cell(page, at));
        let new = new.map_or(0, |at| entry(key, at));
        let place_of = |wanted: u32| {
            entries
                .iter()
                .find(|cell| cell.load(Ordering::Relaxed) == wanted)
        };
        // What was there first: two entries of one name would be one too many to follow.
        let old = old.map(|at| entry(key, at)).filter(|&old| old != 0);
        if let Some(cell) = old.and_then(place_of).or_else(|| place_of(0)) {
            cell.store(new, Ordering::Release);
        }
    }
}

/// Entry `at` of a page.
#[expect(clippy::cast_ptr_alignment, reason = "a page is aligned to 8 octets")]
fn cell(page: &Shared<Page>, at: usize) -> &AtomicU32 {
    debug_assert!(at < BUCKETS * 2);
    // SAFETY: aligned memory of the page, which only this module writes to, and only so.
    unsafe { &*page.get().0.as_ptr().cast::<AtomicU32>().add(at) }
}
