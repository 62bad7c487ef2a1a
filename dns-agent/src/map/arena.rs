//! ARENA: where records lie. Pages are added as they are needed, slots of removed records used again.

use std::collections::BTreeMap;

use aya::maps::{Map, MapData};
use dns_ebpf::arena::{
    PAGE, PAGES, Page, RECORD_MAX, Record, SLACK, offset_of, page_of, reference,
};
use dns_ebpf::shortcut::SHORTCUT_PAGES;

use super::MapFault;
use super::outer::Outer;
use super::pages::Pages;
use super::shared::Shared;
use super::shortcut::Shortcut;

/// The map's name.
pub const ARENA: &str = "ARENA";
/// Removed records are kept until they are so many octets, or an eighth of all: one grace period (some 10 ms)
/// then serves many.
const RETIRED_MIN: usize = 256 * 1024;
/// How many pages records may take.
const ROOM: usize = PAGES - SHORTCUT_PAGES;
/// A page is made ready when so much of the last one is in use, octets.
const NEARLY_FULL: usize = PAGE / 2;

/// A page whose every record is nobody's: no key, and no name.
static NOBODYS: Page = Page([0; PAGE + SLACK]);

/// The pages and what of them is in use.
pub struct Arena {
    pages: Pages,
    kernel: Option<Outer>,
    /// How many of them hold records, or did.
    begun: usize,
    /// Where the unused end of the last of these starts.
    end: usize,
    /// Slots to use again, by size.
    free: BTreeMap<usize, Vec<u32>>,
    /// Slots that a program may still be reading: reference and size.
    retired: Vec<(u32, usize)>,
    retired_octets: usize,
    used_octets: usize,
    shortcut: Shortcut,
}

impl Arena {
    /// On the heap.
    pub fn heap() -> Self {
        Self {
            pages: Pages::default(),
            kernel: None,
            begun: 0,
            end: PAGE,
            free: BTreeMap::new(),
            retired: Vec::new(),
            retired_octets: 0,
            used_octets: 0,
            shortcut: Shortcut::default(),
        }
    }

    /// In the kernel's map.
    pub fn kernel(map: Map) -> Result<Self, MapFault> {
        Ok(Self {
            kernel: Some(Outer::new(map)?),
            ..Self::heap()
        })
    }

    /// Puts a record in a slot that nobody reads yet; returns its reference.
    pub fn put(&mut self, record: &[u8]) -> Result<u32, MapFault> {
        let size = slot_size(record.len());
        let at = match self.take(size) {
            Some(at) => at,
            None => self.extend(size)?,
        };
        let offset = offset_of(at);
        match self.pages.get_mut(page_of(at) as usize) {
            Ok(page) => page.0[offset..offset + record.len()].copy_from_slice(record),
            Err(source) => {
                self.free.entry(size).or_default().push(at);
                return Err(MapFault::Mapping { map: ARENA, source });
            }
        }
        self.used_octets += size;
        Ok(at)
    }

    /// Gives a slot back that no name leads to any more.
    pub fn retire(&mut self, at: u32, len: usize) {
        let size = slot_size(len);
        self.used_octets -= size;
        self.retired_octets += size;
        self.retired.push((at, size));
        if self.retired_octets > RETIRED_MIN.max(self.used_octets / 8) {
            self.reclaim();
        }
    }

    /// The record at `at`; where its page cannot be mapped, one that has nobody's name: the query passes then.
    pub fn record(&self, at: u32) -> Record<'_> {
        let page = self.pages.get(page_of(at) as usize);
        Record::new(page.unwrap_or(&NOBODYS), at)
    }

    /// The `len` octets of the record at `at`.
    pub fn octets_at(&self, at: u32, len: usize) -> Result<&[u8], MapFault> {
        let page = self.pages.get(page_of(at) as usize);
        let page = page.map_err(|source| MapFault::Mapping { map: ARENA, source })?;
        let offset = offset_of(at);
        Ok(&page.0[offset..offset + len])
    }

    /// Unmaps pages until no more than `most` are mapped, but never the one that is being filled.
    pub fn unmap(&mut self, most: usize) {
        self.pages.unmap(most, self.begun.checked_sub(1));
    }

    /// Octets of memory taken.
    pub fn octets(&self) -> usize {
        (self.pages.len() + self.shortcut.pages()) * size_of::<Page>()
    }

    /// Has the programs' shortcut lead to the record at `new` for `key`, and no longer to that at `old`, which may be
    /// retired afterwards.
    pub fn point(&self, key: u64, old: Option<u32>, new: Option<u32>) {
        self.shortcut.replace(key, old, new);
    }

    /// Makes the shortcut larger if it is too small for so many names: then its mask, to be told to the programs before
    /// every name is entered anew.
    pub fn widen(&mut self, names: usize) -> Option<u64> {
        let Some(kernel) = &self.kernel else {
            return None;
        };
        let there = self.shortcut.pages();
        let wanted = (there * 2).max(1);
        if names <= self.shortcut.room() || wanted > SHORTCUT_PAGES {
            return None;
        }
        let pages = kernel.add(PAGES - wanted, wanted - there);
        match pages.and_then(|pages| pages.iter().map(mapped).collect::<Result<Vec<_>, _>>()) {
            Ok(pages) => Some(self.shortcut.extend(pages.into_iter().rev())),
            Err(error) => {
                tracing::debug!("the shortcut to records stays as it is: {error}");
                None
            }
        }
    }

    fn take(&mut self, size: usize) -> Option<u32> {
        self.free.get_mut(&size)?.pop()
    }

    /// A slot at the end of the last page, or of the next one.
    fn extend(&mut self, size: usize) -> Result<u32, MapFault> {
        if self.end + size > PAGE {
            if self.begun == self.pages.len() {
                self.add_page()?;
            }
            self.begun += 1;
            self.end = 0;
        }
        let full = |_| MapFault::ArenaFull {
            pages: self.pages.len(),
        };
        let page = u32::try_from(self.begun - 1).map_err(full)?;
        let at = reference(page, self.end);
        self.end += size;
        let next = self.pages.len();
        if let Some(kernel) = &mut self.kernel
            && self.begun == next
            && next < ROOM
            && self.end > NEARLY_FULL
        {
            kernel.prepare(next);
        }
        Ok(at)
    }

    fn add_page(&mut self) -> Result<(), MapFault> {
        let next = self.pages.len();
        if next == ROOM {
            return Err(MapFault::ArenaFull { pages: next });
        }
        match &mut self.kernel {
            None => self.pages.push_heap(),
            Some(kernel) => self.pages.push(kernel.next(next)?),
        }
        Ok(())
    }

    /// Frees the retired slots, after every program that may read them has ended.
    fn reclaim(&mut self) {
        if let Some(kernel) = &self.kernel
            && let Some(first) = self.pages.array(0)
            && let Err(error) = kernel.wait(first)
        {
            // They stay retired: memory is lost for now, answers are right.
            tracing::warn!("cannot wait for running programs, records are not reclaimed: {error}");
            return;
        }
        for (at, size) in self.retired.drain(..) {
            self.free.entry(size).or_default().push(at);
        }
        self.retired_octets = 0;
    }
}

fn mapped(page: &MapData) -> Result<Shared<Page>, MapFault> {
    Shared::map(page).map_err(|source| MapFault::Mapping { map: ARENA, source })
}

/// Large records share slots of a few sizes, so that a slot fits another record later. Of the others there are many.
fn slot_size(len: usize) -> usize {
    debug_assert!(len <= RECORD_MAX);
    match len {
        0..=512 => len.next_multiple_of(8),
        513..=2048 => len.next_multiple_of(128),
        _ => len.next_multiple_of(1024),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_used_again_only_after_they_were_reclaimed() {
        let mut arena = Arena::heap();
        let first = arena.put(&[1; 100]).unwrap();
        let second = arena.put(&[2; 100]).unwrap();
        assert_ne!(first, second);
        arena.retire(first, 100);
        assert_ne!(arena.put(&[3; 100]).unwrap(), first);
        arena.reclaim();
        assert_eq!(arena.put(&[4; 104]).unwrap(), first);
    }

    #[test]
    fn churn_does_not_grow_the_arena_without_end() {
        let mut arena = Arena::heap();
        let mut at: Vec<u32> = (0..100).map(|_| arena.put(&[0; 1000]).unwrap()).collect();
        for round in 0..10_000 {
            let new = arena.put(&[0; 1000]).unwrap();
            arena.retire(std::mem::replace(&mut at[round % 100], new), 1000);
        }
        assert!(arena.pages.len() <= 4, "{} pages", arena.pages.len());
    }
}
