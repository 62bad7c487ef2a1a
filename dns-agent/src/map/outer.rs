//! ARENA's array of maps: pages are made and put in it, one of them ahead of need.
//!
//! The kernel waits for running programs whenever an element is set (`maybe_wait_bpf_programs`, Linux 4.19), some 10 ms.
//! So a thread puts the next page in while the last one is being filled: nobody waits, and none is made that is not needed
//! soon.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use aya::maps::{ArrayOfMaps, Map, MapData};
use dns_ebpf::arena::Page;
use parking_lot::Mutex;

use super::MapFault;
use super::arena::ARENA;
use super::batch;

/// The array of maps.
pub(super) struct Outer {
    shared: Arc<Shared>,
    /// A page on its way.
    ahead: Option<JoinHandle<Result<MapData, MapFault>>>,
}

struct Shared {
    map: Mutex<ArrayOfMaps<MapData, MapData>>,
    /// Another descriptor of the same.
    descriptor: OwnedFd,
}

impl Outer {
    /// From the loaded map.
    pub(super) fn new(map: Map) -> Result<Self, MapFault> {
        let descriptor = match &map {
            Map::ArrayOfMaps(data) => data.fd().as_fd().try_clone_to_owned(),
            _ => Err(io::ErrorKind::InvalidInput.into()),
        };
        let shared = Shared {
            descriptor: descriptor.map_err(|source| MapFault::Mapping { map: ARENA, source })?,
            map: Mutex::new(map.try_into().map_err(refused)?),
        };
        Ok(Self {
            shared: Arc::new(shared),
            ahead: None,
        })
    }

    /// Has a page put at `index`, without waiting for it; it is what [`Self::next`] returns then.
    pub(super) fn prepare(&mut self, index: usize) {
        if self.ahead.is_none() {
            let shared = Arc::clone(&self.shared);
            let thread = thread::Builder::new().name("arena".into());
            // Without a thread the page is made when it is needed.
            self.ahead = thread.spawn(move || shared.add_one(index)).ok();
        }
    }

    /// The page at `index`, which nobody has yet.
    pub(super) fn next(&mut self, index: usize) -> Result<MapData, MapFault> {
        match self.ahead.take().map(JoinHandle::join) {
            Some(Ok(page)) => page,
            None | Some(Err(_)) => self.shared.add_one(index),
        }
    }

    /// Puts `count` pages at `index` and behind it.
    pub(super) fn add(&self, index: usize, count: usize) -> Result<Vec<MapData>, MapFault> {
        self.shared.add(index, count)
    }

    /// Waits for an RCU grace period, by putting page 0 where it is.
    pub(super) fn wait(&self, first: &MapData) -> Result<(), MapFault> {
        let mut map = self.shared.map.lock();
        map.set(0, first, 0).map_err(refused)
    }
}

impl Shared {
    fn add_one(&self, index: usize) -> Result<MapData, MapFault> {
        let page = self.add(index, 1)?.pop();
        page.ok_or(MapFault::ArenaFull { pages: index })
    }

    fn add(&self, index: usize, count: usize) -> Result<Vec<MapData>, MapFault> {
        let pages = (0..count).map(|_| page());
        let pages = pages.collect::<Result<Vec<MapData>, MapFault>>()?;
        let numbers = index..index + count;
        let numbered = numbers.map(|page| u32::try_from(page).unwrap_or(u32::MAX));
        let numbered: Vec<(u32, &MapData)> = numbered.zip(&pages).collect();
        let elements: Vec<_> = numbered
            .iter()
            .map(|(number, page)| (*number, page.fd().as_fd()))
            .collect();
        if !batch::update(self.descriptor.as_fd(), &elements) {
            // Linux 5.18 and earlier, or no memory: then this says so.
            for (number, page) in numbered {
                self.map.lock().set(number, page, 0).map_err(refused)?;
            }
        }
        Ok(pages)
    }
}

/// A page of zeros.
fn page() -> Result<MapData, MapFault> {
    let array = aya_obj::Map::new_from_params(
        aya_obj::generated::bpf_map_type::BPF_MAP_TYPE_ARRAY as u32,
        4,
        u32::try_from(size_of::<Page>()).unwrap_or(u32::MAX),
        1,
        aya_obj::generated::BPF_F_MMAPABLE,
    );
    MapData::create(array, "PAGE", None).map_err(refused)
}

fn refused(source: aya::maps::MapError) -> MapFault {
    MapFault::refused(ARENA, source)
}
