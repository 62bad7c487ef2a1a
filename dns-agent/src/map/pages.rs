//! ARENA's pages as the agent sees them: mapped when a record in one is written or read, until [`Pages::unmap`].
//!
//! What is mapped counts as the agent's memory, page by page, although the kernel has it once. Unmapping needs `&mut`, so
//! that no reader holds a reference into a page that goes; mapping does not, and two readers may come to it at once.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use aya::maps::MapData;
use dns_ebpf::arena::Page;

use super::shared::Shared;

/// The pages that records lie in, by their numbers.
#[derive(Default)]
pub(super) struct Pages {
    slots: Vec<Slot>,
    /// How many are mapped.
    mapped: AtomicUsize,
    /// Where the search for one to unmap goes on.
    hand: usize,
}

struct Slot {
    /// Kept open, since a page cannot be mapped again without; `None`: it is on the heap, and stays.
    array: Option<MapData>,
    memory: OnceLock<Shared<Page>>,
}

impl Pages {
    /// How many pages there are.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Adds a page on the heap.
    pub(super) fn push_heap(&mut self) {
        self.slots.push(Slot {
            array: None,
            memory: Shared::heap().into(),
        });
    }

    /// Adds a page of the kernel.
    pub(super) fn push(&mut self, array: MapData) {
        self.slots.push(Slot {
            array: Some(array),
            memory: OnceLock::new(),
        });
    }

    /// The array of a page of the kernel.
    pub(super) fn array(&self, page: usize) -> Option<&MapData> {
        self.slots.get(page)?.array.as_ref()
    }

    /// A page to read.
    pub(super) fn get(&self, page: usize) -> io::Result<&Page> {
        let slot = self.slots.get(page).ok_or(io::ErrorKind::NotFound)?;
        if slot.memory.get().is_none()
            && let Some(array) = &slot.array
            // Of two readers one is first; the other's mapping goes at once.
            && slot.memory.set(Shared::map(array)?).is_ok()
        {
            self.mapped.fetch_add(1, Ordering::Relaxed);
        }
        let memory = slot.memory.get().ok_or(io::ErrorKind::NotFound)?;
        Ok(memory.get())
    }

    /// A page to write.
    pub(super) fn get_mut(&mut self, page: usize) -> io::Result<&mut Page> {
        self.get(page)?;
        let slot = self.slots.get_mut(page).ok_or(io::ErrorKind::NotFound)?;
        let memory = slot.memory.get_mut().ok_or(io::ErrorKind::NotFound)?;
        Ok(memory.get_mut())
    }

    /// Unmaps pages until no more than `most` are mapped, in turn, and `kept` not at all.
    pub(super) fn unmap(&mut self, most: usize, kept: Option<usize>) {
        for _ in 0..self.slots.len() {
            if *self.mapped.get_mut() <= most {
                return;
            }
            self.hand = (self.hand + 1) % self.slots.len();
            let slot = &mut self.slots[self.hand];
            if Some(self.hand) != kept && slot.array.is_some() && slot.memory.take().is_some() {
                *self.mapped.get_mut() -= 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_on_the_heap_is_never_given_up() {
        let mut pages = Pages::default();
        pages.push_heap();
        pages.get_mut(0).unwrap().0[7] = 1;
        pages.unmap(0, None);
        assert_eq!(pages.get(0).unwrap().0[7], 1);
        assert!(pages.get(1).is_err());
    }
}
