//! Memory that a program may read while we write it: a mapping of a BPF array, or the heap where there is
//! no kernel side. The only place where a map's memory becomes a reference.

use std::io;
use std::os::fd::AsRawFd as _;
use std::ptr::NonNull;

use aya::maps::MapData;
use memmap2::{MmapOptions, MmapRaw};

/// One `T` made of integers, starting as zeros.
pub(crate) struct Shared<T> {
    value: NonNull<T>,
    /// Keeps `value` alive.
    _memory: Memory,
}

enum Memory {
    Mapped(#[expect(dead_code, reason = "held for its Drop")] MmapRaw),
    Heap(#[expect(dead_code, reason = "held for its Drop")] Box<[u64]>),
}

// SAFETY: `Shared` owns its memory as a `Box<T>` would; the programs that share a mapping only read it.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: as above; `&Shared` gives out `&T` alone.
unsafe impl<T: Sync> Sync for Shared<T> {}

impl<T> Shared<T> {
    /// Element 0 of an array made with `BPF_F_MMAPABLE`, whose value is a `T`.
    pub(crate) fn map(array: &MapData) -> io::Result<Self> {
        const { assert!(align_of::<T>() <= 8) };
        let memory = MmapOptions::new()
            .len(size_of::<T>())
            .map_raw(array.fd().as_fd_raw())?;
        let value = NonNull::new(memory.as_mut_ptr().cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self {
            value,
            _memory: Memory::Mapped(memory),
        })
    }

    /// On the heap.
    pub(crate) fn heap() -> Self {
        const { assert!(align_of::<T>() <= 8) };
        let mut memory = vec![0u64; size_of::<T>().div_ceil(8)].into_boxed_slice();
        let value = NonNull::from(&mut *memory).cast();
        Self {
            value,
            _memory: Memory::Heap(memory),
        }
    }

    /// The value.
    pub(crate) fn get(&self) -> &T {
        // SAFETY: the memory is as large and aligned as a `T` of integers, initialised, and changed only
        // through `&mut self`.
        unsafe { self.value.as_ref() }
    }

    /// The value, to change. A program may be reading it: what it must not see half of is to be written
    /// as an atomic, or before it is published.
    pub(crate) fn get_mut(&mut self) -> &mut T {
        // SAFETY: as in `get`; `self` is borrowed mutably.
        unsafe { self.value.as_mut() }
    }
}

/// `as_raw_fd` of aya's own type of descriptor.
trait AsFdRaw {
    fn as_fd_raw(&self) -> i32;
}

impl AsFdRaw for aya::maps::MapFd {
    fn as_fd_raw(&self) -> i32 {
        use std::os::fd::AsFd as _;
        self.as_fd().as_raw_fd()
    }
}
