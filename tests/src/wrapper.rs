//! A program under a wrapper: before each run the frame is put back to a query, so that a hundred thousand runs in
//! one `BPF_PROG_TEST_RUN` are a hundred thousand answers.
//!
//! Without it the program would answer once, and then pass its own answer. The wrapper takes the next of its queries,
//! gives the frame that query's length and octets, and goes on into the program by `bpf_tail_call`, which the JIT
//! makes a jump (Linux 5.5). What the wrapper itself takes is measured with a program behind it that does nothing.

use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};

use anyhow::{Context as _, Result, ensure};
use aya_obj::generated::{bpf_insn, bpf_map_type, bpf_prog_type};
use dns_ebpf::outcome::Hook;

use crate::assembly::{
    self, Jump, R, Ran, Size, add, call, copy, create_map, exit, jump_if, jump_if_greater,
    load_from, map, map_value, set, store_to, subtract, update,
};

const BPF_MAP_LOOKUP_ELEM: i32 = 1;
const BPF_SKB_STORE_BYTES: i32 = 9;
const BPF_TAIL_CALL: i32 = 12;
const BPF_XDP_LOAD_BYTES: i32 = 189;
const BPF_SKB_LOAD_BYTES: i32 = 26;
const BPF_SKB_CHANGE_TAIL: i32 = 38;
const BPF_XDP_ADJUST_TAIL: i32 = 65;
const BPF_REDIRECT_PEER: i32 = 155;
const BPF_XDP_STORE_BYTES: i32 = 190;

/// Where `ifindex` is in `struct __sk_buff`.
const IFINDEX: i16 = 40;
/// `XDP_DROP`.
const XDP_DROP: i32 = 1;
/// `XDP_PASS`.
const XDP_PASS: i32 = 2;
/// `XDP_TX`.
const XDP_TX: i32 = 3;
/// `TC_ACT_SHOT`.
const TC_SHOT: i32 = 2;
/// `TCX_NEXT`.
const TC_NEXT: i32 = -1;

/// Frames that wrappers take in turn, from the first to the last and again.
pub struct Queries {
    /// Length, then octets.
    frames: OwnedFd,
    /// The number of the next.
    next: OwnedFd,
    count: i32,
    longest: i32,
    first: Vec<u8>,
}

impl Queries {
    /// Puts them where programs find them.
    pub fn new(queries: &[Vec<u8>]) -> Result<Self> {
        let longest = queries.iter().map(Vec::len).max().context("no query")?;
        ensure!(longest <= 512, "a query of {longest} octets");
        let value = (4 + longest).next_multiple_of(8);
        let array = bpf_map_type::BPF_MAP_TYPE_ARRAY;
        let frames = create_map(array, value, queries.len())?;
        for (number, frame) in (0..).zip(queries) {
            let mut octets = u32::try_from(frame.len())?.to_ne_bytes().to_vec();
            octets.extend(frame);
            octets.resize(value, 0);
            update(&frames, number, &octets)?;
        }
        Ok(Self {
            frames,
            next: create_map(array, 4, 1)?,
            count: i32::try_from(queries.len())?,
            longest: i32::try_from(longest)?,
            first: queries[0].clone(),
        })
    }
}

/// A wrapper with a program behind it.
pub struct Wrapped<'a> {
    wrapper: OwnedFd,
    queries: &'a Queries,
    _next: OwnedFd,
}

impl<'a> Wrapped<'a> {
    /// Puts a wrapper that hands out `queries` before `program`, which must be of the hook's type.
    pub fn new(hook: Hook, queries: &'a Queries, program: BorrowedFd<'_>) -> Result<Self> {
        let programs = jump_to(program)?;
        Ok(Self {
            wrapper: assembly::load(kind(hook), "wrapper", &wrapper(hook, queries, &programs))?,
            queries,
            _next: programs,
        })
    }

    /// Runs both `repeat` times, the queries in turn, on from where the last call ended.
    pub fn run(&self, repeat: u32) -> Result<Ran> {
        assembly::test_run(self.wrapper.as_fd(), &self.queries.first, repeat)
    }

    /// Sends `count` queries, in turn, from the interface `ifindex` ([`assembly::send`]); the hook must be XDP.
    pub fn send(&self, ifindex: u32, count: u32) -> Result<()> {
        assembly::send(self.wrapper.as_fd(), &self.queries.first, ifindex, count)
    }
}

/// A program that takes no notice of the frame.
pub fn empty(hook: Hook) -> Result<OwnedFd> {
    let verdict = match hook {
        Hook::Xdp => XDP_DROP,
        Hook::Tc => TC_SHOT,
    };
    verdict_of(hook, "floor_drop", verdict)
}

/// What makes an XDP wrapper a sender: the frame goes out of the interface, to the XDP program at its peer; or into the
/// stack, to the tc program at the interface itself.
pub fn sender(to: Hook) -> Result<OwnedFd> {
    let verdict = match to {
        Hook::Xdp => XDP_TX,
        Hook::Tc => XDP_PASS,
    };
    verdict_of(Hook::Xdp, "sender", verdict)
}

/// A program that lets everything through.
pub fn through(hook: Hook) -> Result<OwnedFd> {
    let verdict = match hook {
        Hook::Xdp => XDP_PASS,
        Hook::Tc => TC_NEXT,
    };
    verdict_of(hook, "through", verdict)
}

fn verdict_of(hook: Hook, name: &str, verdict: i32) -> Result<OwnedFd> {
    assembly::load(kind(hook), name, &[set(R[0], verdict), exit()])
}

/// A program that counts frames and drops them.
pub struct Sink {
    /// The program.
    pub program: OwnedFd,
    count: OwnedFd,
}

impl Sink {
    /// Loads it. It counts on one CPU at a time.
    pub fn new(hook: Hook) -> Result<Self> {
        let count = create_map(bpf_map_type::BPF_MAP_TYPE_ARRAY, 4, 1)?;
        let mut code = map_value(R[1], &count).to_vec();
        code.extend([
            load_from(Size::Word, R[2], R[1], 0),
            add(R[2], 1),
            store_to(Size::Word, R[1], 0, R[2]),
            set(R[0], if hook == Hook::Xdp { XDP_DROP } else { TC_SHOT }),
            exit(),
        ]);
        Ok(Self {
            program: assembly::load(kind(hook), "sink", &code)?,
            count,
        })
    }

    /// Frames so far, modulo 2^32.
    pub fn count(&self) -> Result<u32> {
        let mut count = [0; 4];
        assembly::look_up(self.count.as_fd(), 0, &mut count)?;
        Ok(u32::from_ne_bytes(count))
    }
}

/// The least that sends a frame back: XDP swaps the MAC addresses and returns `XDP_TX`, tc calls
/// `bpf_redirect_peer` (Linux 5.10) and changes nothing.
pub fn floor(hook: Hook) -> Result<OwnedFd> {
    let instructions = match hook {
        Hook::Xdp => vec![
            load_from(Size::Word, R[2], R[1], 0),
            load_from(Size::Word, R[3], R[1], 4),
            copy(R[4], R[2]),
            add(R[4], 14),
            jump_if_greater(R[4], R[3], 8),
            load_from(Size::Word, R[4], R[2], 0),
            load_from(Size::Half, R[5], R[2], 4),
            load_from(Size::Word, R[6], R[2], 6),
            load_from(Size::Half, R[7], R[2], 10),
            store_to(Size::Word, R[2], 0, R[6]),
            store_to(Size::Half, R[2], 4, R[7]),
            store_to(Size::Word, R[2], 6, R[4]),
            store_to(Size::Half, R[2], 10, R[5]),
            set(R[0], XDP_TX),
            exit(),
        ],
        Hook::Tc => vec![
            load_from(Size::Word, R[1], R[1], IFINDEX),
            set(R[2], 0),
            call(BPF_REDIRECT_PEER),
            exit(),
        ],
    };
    assembly::load(kind(hook), "floor_reply", &instructions)
}

/// What [`labour`] makes.
pub struct Labour {
    /// The program.
    pub program: OwnedFd,
    _next: Option<OwnedFd>,
}

/// `steps` times a fixed piece of work of the kind that an answer is made of (a helper that copies 64 octets out of
/// the frame), and then `next`, or nothing more. A measure that is as fast as the machine is, and a slow-down to order.
pub fn labour(hook: Hook, steps: usize, next: Option<BorrowedFd<'_>>) -> Result<Labour> {
    let table = next.map(jump_to).transpose()?;
    let mut instructions = vec![copy(R[6], R[1])];
    for _ in 0..steps {
        instructions.extend([
            copy(R[1], R[6]),
            set(R[2], 0),
            copy(R[3], R[10]),
            add(R[3], -64),
            set(R[4], 64),
            call(match hook {
                Hook::Xdp => BPF_XDP_LOAD_BYTES,
                Hook::Tc => BPF_SKB_LOAD_BYTES,
            }),
        ]);
    }
    if let Some(table) = &table {
        instructions.extend(tail_call(table));
    }
    instructions.extend([set(R[0], 0), exit()]);
    Ok(Labour {
        program: assembly::load(kind(hook), "labour", &instructions)?,
        _next: table,
    })
}

/// A table for `bpf_tail_call` with one program in it. A program that uses it keeps the table, but the table is
/// emptied when its last descriptor is closed: the caller keeps it.
fn jump_to(program: BorrowedFd<'_>) -> Result<OwnedFd> {
    let programs = create_map(bpf_map_type::BPF_MAP_TYPE_PROG_ARRAY, 4, 1)?;
    update(&programs, 0, &program.as_raw_fd().to_ne_bytes())?;
    Ok(programs)
}

/// The context is in R6.
fn tail_call(programs: &OwnedFd) -> Vec<bpf_insn> {
    let [low, high] = map(R[2], programs);
    vec![
        copy(R[1], R[6]),
        low,
        high,
        set(R[3], 0),
        call(BPF_TAIL_CALL),
    ]
}

fn wrapper(hook: Hook, queries: &Queries, programs: &OwnedFd) -> Vec<bpf_insn> {
    let mut code = vec![copy(R[6], R[1])];
    // R7: the number of this query. The next one's is one more, or zero.
    code.extend(map_value(R[1], &queries.next));
    code.extend([
        load_from(Size::Word, R[7], R[1], 0),
        copy(R[8], R[7]),
        add(R[8], 1),
        jump_if(R[8], Jump::Less, queries.count, 1),
        set(R[8], 0),
        store_to(Size::Word, R[1], 0, R[8]),
        store_to(Size::Word, R[10], -4, R[7]),
    ]);
    code.extend(map(R[1], &queries.frames));
    // R7: its length and octets. R8: its length.
    code.extend([
        copy(R[2], R[10]),
        add(R[2], -4),
        call(BPF_MAP_LOOKUP_ELEM),
        jump_if(R[0], Jump::NotEqual, 0, 1),
        exit(),
        copy(R[7], R[0]),
        load_from(Size::Word, R[8], R[7], 0),
        jump_if(R[8], Jump::Greater, queries.longest, 1),
        jump_if(R[8], Jump::NotEqual, 0, 2),
        set(R[0], 0),
        exit(),
    ]);
    code.extend(match hook {
        Hook::Xdp => vec![
            copy(R[2], R[8]),
            load_from(Size::Word, R[3], R[6], 0),
            load_from(Size::Word, R[4], R[6], 4),
            subtract(R[4], R[3]),
            subtract(R[2], R[4]),
            copy(R[1], R[6]),
            call(BPF_XDP_ADJUST_TAIL),
            copy(R[1], R[6]),
            set(R[2], 0),
            copy(R[3], R[7]),
            add(R[3], 4),
            copy(R[4], R[8]),
            call(BPF_XDP_STORE_BYTES),
        ],
        Hook::Tc => vec![
            copy(R[1], R[6]),
            copy(R[2], R[8]),
            set(R[3], 0),
            call(BPF_SKB_CHANGE_TAIL),
            copy(R[1], R[6]),
            set(R[2], 0),
            copy(R[3], R[7]),
            add(R[3], 4),
            copy(R[4], R[8]),
            set(R[5], 0),
            call(BPF_SKB_STORE_BYTES),
        ],
    });
    code.extend(tail_call(programs));
    // Only if there is no program: a verdict that is no answer.
    code.extend([set(R[0], 0), exit()]);
    code
}

fn kind(hook: Hook) -> bpf_prog_type {
    match hook {
        Hook::Xdp => bpf_prog_type::BPF_PROG_TYPE_XDP,
        Hook::Tc => bpf_prog_type::BPF_PROG_TYPE_SCHED_CLS,
    }
}
