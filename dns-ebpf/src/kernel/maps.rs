//! The maps, and what is held in them as the responder sees it.

use aya_ebpf::Global;
use aya_ebpf::bindings::{BPF_F_MMAPABLE, BPF_F_NO_PREALLOC};
use aya_ebpf::btf_maps::{Array, ArrayOfMaps, HashMap, PerCpuArray};
use aya_ebpf::helpers::bpf_get_prandom_u32;
use aya_ebpf::helpers::generated::{bpf_jiffies64, bpf_ktime_get_coarse_ns};
use aya_ebpf::macros::btf_map;
use dns_ebpf::answered::{Answered, COUNTERS};
use dns_ebpf::arena::{NameEntry, PAGES, Page, Record, page_of};
use dns_ebpf::destination::Destination;
use dns_ebpf::fold::Seed;
use dns_ebpf::outcome::{Hook, OUTCOMES as PER_HOOK, Outcome};
use dns_ebpf::respond::Store;
use dns_ebpf::scratch::Scratch;
use dns_ebpf::settings::{Settings, flag};
use dns_ebpf::shortcut;
use dns_ebpf::zone::Zones;

const MMAPABLE: usize = BPF_F_MMAPABLE as usize;
const NO_PREALLOC: usize = BPF_F_NO_PREALLOC as usize;

/// Name key -> where its record is. Grows with what is held; the agent sets the ceiling.
#[btf_map]
static NAMES: HashMap<u64, NameEntry, 1, NO_PREALLOC> = HashMap::new();

/// Page number -> the page, in an array of one.
#[btf_map]
static ARENA: ArrayOfMaps<Array<Page, 1, MMAPABLE>, PAGES> = ArrayOfMaps::new();

/// The cuts of the namespace.
#[btf_map]
static ZONES: Array<Zones, 1, MMAPABLE> = Array::new();

/// What the agent says while we run.
#[btf_map]
static SETTINGS: Array<Settings, 1, MMAPABLE> = Array::new();

/// Whom we answer for; the value is 1.
#[btf_map]
static DESTINATIONS: HashMap<Destination, u32, 256, NO_PREALLOC> = HashMap::new();

/// hook * 64 + outcome -> datagrams.
#[btf_map]
static OUTCOMES: PerCpuArray<u64, { PER_HOOK * Hook::ALL.len() }> = PerCpuArray::new();

/// [`Answered::index`] -> answers given.
#[btf_map]
static ANSWERED: PerCpuArray<u64, COUNTERS> = PerCpuArray::new();

/// One for both hooks: a datagram may meet both in one softirq, but one after the other.
#[btf_map]
static SCRATCH: PerCpuArray<Scratch, 1> = PerCpuArray::new();

/// What a global holds until it is set at load: no value that a constant of the program has. LLVM lays equal
/// constants into one place in `.rodata`, so that setting a global that is 0 would change every `&0`, too.
const UNSET: u64 = 0x6b65_726e_646e_7321;
/// The secret start of keys, set at load.
#[unsafe(no_mangle)]
static SEED_START: Global<u64> = Global::new(UNSET);
/// The secret factor of keys, set at load.
#[unsafe(no_mangle)]
static SEED_FACTOR: Global<u64> = Global::new(UNSET + 2);
/// 1: look and count, but pass everything. Set at load.
#[unsafe(no_mangle)]
static OBSERVE: Global<u32> = Global::new(UNSET as u32);

/// What keys are made with.
#[inline(always)]
pub(super) fn seed() -> Seed {
    Seed {
        start: SEED_START.load(),
        factor: SEED_FACTOR.load(),
    }
}

/// Whether answers are counted but not given.
#[inline(always)]
pub(super) fn observing() -> bool {
    OBSERVE.load() != 0
}

/// Whether an address and port are ours to answer for. The last one that is, is remembered until the agent changes some:
/// nearly all queries go to one address.
#[inline(always)]
pub(super) fn is_ours(
    destination: &Destination,
    scratch: &mut Scratch,
    settings: *const Settings,
) -> bool {
    // Read before the map is: a change in between makes what is remembered outdated at once.
    // SAFETY: the map's value lives as long as the program.
    let now = unsafe { (&raw const (*settings).destinations).read_volatile() }.wrapping_add(1);
    if scratch.ours_as_of == now && scratch.ours.is(destination) {
        return true;
    }
    if DESTINATIONS.get_ptr(destination).is_none() {
        return false;
    }
    scratch.ours = *destination;
    scratch.ours_as_of = now;
    true
}

/// Whether the agent's deadline is not over. Asked of the clock once in a tick, and again when the deadline is another: the
/// coarse clock moves with the tick, too.
#[inline(always)]
pub(super) fn is_fresh(scratch: &mut Scratch, settings: *const Settings) -> bool {
    // SAFETY: the map's value lives as long as the program.
    let deadline = unsafe { (&raw const (*settings).deadline).read_volatile() };
    // SAFETY: a helper without arguments (Linux 5.6), which 64-bit machines have as a load.
    let tick = unsafe { bpf_jiffies64() };
    if scratch.fresh_at == tick && scratch.fresh_until == deadline {
        return true;
    }
    // SAFETY: a helper without arguments (Linux 5.11).
    if unsafe { bpf_ktime_get_coarse_ns() } > deadline {
        return false;
    }
    scratch.fresh_at = tick;
    scratch.fresh_until = deadline;
    true
}

/// The settings; each field is to be read as volatile.
#[inline(always)]
pub(super) fn settings() -> Option<*const Settings> {
    SETTINGS.get_ptr(0)
}

/// This CPU's working memory.
#[inline(always)]
pub(super) fn scratch() -> Option<&'static mut Scratch> {
    // SAFETY: a CPU runs one of our programs at a time: both hooks are in softirq context, which does
    // not nest.
    SCRATCH
        .get_ptr_mut(0)
        .map(|scratch| unsafe { &mut *scratch })
}

/// Counts a verdict.
#[inline(always)]
pub(super) fn count(hook: Hook, outcome: Outcome) {
    if let Some(counter) = OUTCOMES.get_ptr_mut(outcome.index(hook)) {
        // SAFETY: per CPU, and see `scratch`.
        unsafe { *counter += 1 };
    }
}

/// Counts an answer that was given.
#[inline(always)]
pub(super) fn count_answered(answered: Answered) {
    if let Some(counter) = ANSWERED.get_ptr_mut(answered.index()) {
        // SAFETY: per CPU, and see `scratch`.
        unsafe { *counter += 1 };
    }
}

/// NAMES, ARENA and ZONES.
pub(super) struct Held {
    pub(super) settings: *const Settings,
}

impl Held {
    /// The record that the shortcut has for `key`; it may be another name's.
    #[inline(always)]
    fn shortcut(&self, key: u64) -> Option<Record<'_>> {
        // SAFETY: the map's value lives as long as the program.
        let mask = unsafe { (&raw const (*self.settings).shortcut_mask).read_volatile() };
        let (page, octet) = shortcut::place(key, mask);
        let bucket = ARENA.get_value(page, &0)?.word(octet);
        let at = shortcut::find(bucket, key)?;
        Some(Record::new(ARENA.get_value(page_of(at), &0)?, at))
    }
}

impl Store for Held {
    #[inline(always)]
    fn find(&self, key: u64) -> Option<Record<'_>> {
        if let Some(record) = self.shortcut(key)
            && record.key() == key
        {
            return Some(record);
        }
        let entry = NAMES.get_ptr(key)?;
        // SAFETY: the element may be given to another name while we read; `at` is one aligned word, and the
        // record says whose it is.
        let at = unsafe { (&raw const (*entry).at).read_volatile() };
        let page = ARENA.get_value(page_of(at), &0)?;
        Some(Record::new(page, at))
    }

    #[inline(always)]
    fn zones(&self) -> Option<&Zones> {
        ZONES.get(0)
    }

    #[inline(always)]
    fn epoch(&self) -> u64 {
        // SAFETY: the map's value lives as long as the program.
        unsafe { (&raw const (*self.settings).epoch).read_volatile() }
    }

    #[inline(always)]
    fn has_nsid(&self) -> bool {
        // SAFETY: as above.
        let flags = unsafe { (&raw const (*self.settings).flags).read_volatile() };
        flags & flag::NSID != 0
    }

    #[inline(always)]
    fn draw(&self) -> u32 {
        // SAFETY: a helper without arguments.
        unsafe { bpf_get_prandom_u32() }
    }
}
