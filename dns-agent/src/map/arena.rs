//! ARENA: where records lie. Pages are added as they are needed, slots of removed records used again.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};

use aya::maps::{ArrayOfMaps, Map, MapData};
use dns_ebpf::arena::{PAGE, PAGES, Page, RECORD_MAX, Record, offset_of, page_of, reference};
use dns_ebpf::shortcut::SHORTCUT_PAGES;

use super::MapFault;
use super::batch;
use super::shared::Shared;
use super::shortcut::Shortcut;

/// The map's name.
pub const ARENA: &str = "ARENA";
/// Removed records are kept until they are so many octets, or an eighth of all: one grace period (some 10 ms)
/// then serves many.
const RETIRED_MIN: usize = 256 * 1024;
/// The most pages that are added at a time.
const TOGETHER: usize = 32;

/// The pages and what of them is in use.
pub struct Arena {
    pages: Vec<Shared<Page>>,
    kernel: Option<Kernel>,
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

struct Kernel {
    outer: ArrayOfMaps<MapData, MapData>,
    /// Another descriptor of the same.
    descriptor: OwnedFd,
    first: Option<MapData>,
}

impl Arena {
    /// On the heap.
    pub fn heap() -> Self {
        Self {
            pages: Vec::new(),
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
        let refused = |source| MapFault::refused(ARENA, source);
        let descriptor = match &map {
            Map::ArrayOfMaps(data) => data.fd().as_fd().try_clone_to_owned(),
            _ => Err(io::ErrorKind::InvalidInput.into()),
        };
        let descriptor = descriptor.map_err(|source| MapFault::Mapping { map: ARENA, source })?;
        Ok(Self {
            kernel: Some(Kernel {
                outer: map.try_into().map_err(refused)?,
                descriptor,
                first: None,
            }),
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
        if let Some(page) = self.pages.get_mut(page_of(at) as usize) {
            page.get_mut().0[offset..offset + record.len()].copy_from_slice(record);
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

    /// The record at `at`.
    pub fn record(&self, at: u32) -> Option<Record<'_>> {
        Some(Record::new(self.pages.get(page_of(at) as usize)?.get(), at))
    }

    /// The `len` octets of the record at `at`; none where there is no such page.
    pub fn octets_at(&self, at: u32, len: usize) -> &[u8] {
        let offset = offset_of(at);
        let page = self.pages.get(page_of(at) as usize);
        page.and_then(|page| page.get().0.get(offset..offset + len))
            .unwrap_or(&[])
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
        let Some(kernel) = &mut self.kernel else {
            return None;
        };
        let there = self.shortcut.pages();
        let wanted = (there * 2).max(1);
        if names <= self.shortcut.room() || wanted > SHORTCUT_PAGES {
            return None;
        }
        match kernel.add(PAGES - wanted, wanted - there) {
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
                self.add_pages()?;
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
        Ok(at)
    }

    /// Adds an eighth of the pages that there are: each call waits for a grace period, and a large cluster that is
    /// listed would wait longer than it takes to write its names.
    fn add_pages(&mut self) -> Result<(), MapFault> {
        let index = self.pages.len();
        let room = PAGES - SHORTCUT_PAGES - index;
        let count = (index / 8).clamp(1, TOGETHER).min(room);
        if count == 0 {
            return Err(MapFault::ArenaFull { pages: index });
        }
        match &mut self.kernel {
            None => self.pages.extend((0..count).map(|_| Shared::heap())),
            Some(kernel) => self.pages.extend(kernel.add(index, count)?),
        }
        Ok(())
    }

    /// Frees the retired slots, after every program that may read them has ended.
    fn reclaim(&mut self) {
        if let Some(kernel) = &mut self.kernel
            && let Err(error) = kernel.wait()
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

impl Kernel {
    /// Puts `count` pages at `index` and behind it.
    fn add(&mut self, index: usize, count: usize) -> Result<Vec<Shared<Page>>, MapFault> {
        let mut pages = Vec::new();
        let mut memories = Vec::new();
        for index in index..index + count {
            let page = Self::page()?;
            let memory =
                Shared::map(&page).map_err(|source| MapFault::Mapping { map: ARENA, source })?;
            memories.push(memory);
            pages.push((u32::try_from(index).unwrap_or(u32::MAX), page));
        }
        let elements: Vec<_> = pages
            .iter()
            .map(|(index, page)| (*index, page.fd().as_fd()))
            .collect();
        if !batch::update(self.descriptor.as_fd(), &elements) {
            // Linux 5.18 and earlier, or no memory: then this says so.
            for (index, page) in &pages {
                let set = self.outer.set(*index, page, 0);
                set.map_err(|source| MapFault::refused(ARENA, source))?;
            }
        }
        // The arrays are kept alive by the outer one; the descriptor of page 0 is kept for `wait`.
        if index == 0 {
            self.first = pages.into_iter().next().map(|(_, page)| page);
        }
        Ok(memories)
    }

    fn page() -> Result<MapData, MapFault> {
        let array = aya_obj::Map::new_from_params(
            aya_obj::generated::bpf_map_type::BPF_MAP_TYPE_ARRAY as u32,
            4,
            u32::try_from(size_of::<Page>()).unwrap_or(u32::MAX),
            1,
            aya_obj::generated::BPF_F_MMAPABLE,
        );
        MapData::create(array, "PAGE", None).map_err(|source| MapFault::refused(ARENA, source))
    }

    /// Waits for an RCU grace period: the kernel does so within an update of an array of maps
    /// (`maybe_wait_bpf_programs`, Linux 4.19). Page 0 is put where it is.
    fn wait(&mut self) -> Result<(), MapFault> {
        let Some(first) = &self.first else {
            return Ok(());
        };
        self.outer
            .set(0, first, 0)
            .map_err(|source| MapFault::refused(ARENA, source))
    }
}

/// Records share slots of a few sizes, so that a slot fits another record later.
fn slot_size(len: usize) -> usize {
    debug_assert!(len <= RECORD_MAX);
    match len {
        0..=512 => len.next_multiple_of(16),
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
        assert_eq!(arena.put(&[4; 110]).unwrap(), first);
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
