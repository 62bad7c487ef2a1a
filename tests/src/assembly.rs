//! Small BPF programs written down instruction by instruction (`Documentation/bpf/standardization/
//! instruction-set.rst`), and the calls of bpf(2) that load, feed and run them.
//!
//! Stand-ins, floors and wrappers are a few instructions long and must not change with a compiler: what is
//! measured against them would change, too.

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::time::Duration;

use anyhow::{Context as _, Result};
use aya_obj::generated::{
    BPF_F_TEST_XDP_LIVE_FRAMES, bpf_attach_type, bpf_attr, bpf_cmd, bpf_insn, bpf_map_type,
    bpf_prog_type,
};

/// Registers: R0 holds what is returned, R1 to R5 are arguments and lost in a call, R6 to R9 are kept,
/// R10 is the end of the stack.
pub const R: [u8; 11] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10];

/// `if to > from goto +off` and others: the operation of a jump.
#[derive(Debug, Clone, Copy)]
pub enum Jump {
    /// `>`, unsigned
    Greater = 0x20,
    /// `!=`
    NotEqual = 0x50,
    /// `<`, unsigned
    Less = 0xa0,
}

/// How many octets are loaded or stored.
#[derive(Debug, Clone, Copy)]
pub enum Size {
    /// Four.
    Word = 0x00,
    /// Two.
    Half = 0x08,
}

/// `to = value`
pub fn set(to: u8, value: i32) -> bpf_insn {
    instruction(0xb7, (to, 0), 0, value)
}

/// `to = from`
pub fn copy(to: u8, from: u8) -> bpf_insn {
    instruction(0xbf, (to, from), 0, 0)
}

/// `to += value`
pub fn add(to: u8, value: i32) -> bpf_insn {
    instruction(0x07, (to, 0), 0, value)
}

/// `to -= from`
pub fn subtract(to: u8, from: u8) -> bpf_insn {
    instruction(0x1f, (to, from), 0, 0)
}

/// `to = *(size *)(from + off)`
pub fn load_from(size: Size, to: u8, from: u8, off: i16) -> bpf_insn {
    instruction(0x61 | size as u8, (to, from), off, 0)
}

/// `*(size *)(to + off) = from`
pub fn store_to(size: Size, to: u8, off: i16, from: u8) -> bpf_insn {
    instruction(0x63 | size as u8, (to, from), off, 0)
}

/// `if to OP value goto +off`
pub fn jump_if(to: u8, jump: Jump, value: i32, off: i16) -> bpf_insn {
    instruction(0x05 | jump as u8, (to, 0), off, value)
}

/// `if to > from goto +off`
pub fn jump_if_greater(to: u8, from: u8, off: i16) -> bpf_insn {
    instruction(0x2d, (to, from), off, 0)
}

/// `r0 = helper(r1, ...)`; the number is that of `enum bpf_func_id`.
pub fn call(helper: i32) -> bpf_insn {
    instruction(0x85, (0, 0), 0, helper)
}

/// `return r0`
pub fn exit() -> bpf_insn {
    instruction(0x95, (0, 0), 0, 0)
}

/// `to = map`, two instructions long.
pub fn map(to: u8, map: &OwnedFd) -> [bpf_insn; 2] {
    const BPF_PSEUDO_MAP_FD: u8 = 1;
    wide(to, BPF_PSEUDO_MAP_FD, map)
}

/// `to = the address of the map's first value`, two instructions long. For arrays.
pub fn map_value(to: u8, map: &OwnedFd) -> [bpf_insn; 2] {
    const BPF_PSEUDO_MAP_VALUE: u8 = 2;
    wide(to, BPF_PSEUDO_MAP_VALUE, map)
}

fn wide(to: u8, kind: u8, map: &OwnedFd) -> [bpf_insn; 2] {
    let first = instruction(0x18, (to, kind), 0, map.as_raw_fd());
    [first, instruction(0, (0, 0), 0, 0)]
}

fn instruction(code: u8, (to, from): (u8, u8), off: i16, imm: i32) -> bpf_insn {
    // SAFETY: a `bpf_insn` is integers, for which zero is a value.
    let mut instruction: bpf_insn = unsafe { std::mem::zeroed() };
    (instruction.code, instruction.off, instruction.imm) = (code, off, imm);
    instruction.set_dst_reg(to);
    instruction.set_src_reg(from);
    instruction
}

/// Has the kernel verify and compile a program.
pub fn load(kind: bpf_prog_type, name: &str, instructions: &[bpf_insn]) -> Result<OwnedFd> {
    let mut attr = zeroed();
    // SAFETY: BPF_PROG_LOAD reads this member of the union.
    let load = unsafe { &mut attr.__bindgen_anon_3 };
    load.prog_type = kind as u32;
    load.insns = instructions.as_ptr() as u64;
    load.insn_cnt = u32::try_from(instructions.len())?;
    load.license = c"GPL".as_ptr() as u64;
    if kind == bpf_prog_type::BPF_PROG_TYPE_XDP {
        load.expected_attach_type = bpf_attach_type::BPF_XDP as u32;
    }
    for (to, from) in load.prog_name.iter_mut().take(15).zip(name.bytes()) {
        *to = from.cast_signed();
    }
    descriptor(bpf_cmd::BPF_PROG_LOAD, &mut attr).with_context(|| format!("loading {name}"))
}

/// Makes a map whose keys are of 4 octets and whose values of `value` octets.
pub fn create_map(kind: bpf_map_type, value: usize, entries: usize) -> Result<OwnedFd> {
    let mut attr = zeroed();
    // SAFETY: BPF_MAP_CREATE reads this member of the union.
    let create = unsafe { &mut attr.__bindgen_anon_1 };
    create.map_type = kind as u32;
    create.key_size = 4;
    create.value_size = u32::try_from(value)?;
    create.max_entries = u32::try_from(entries)?;
    descriptor(bpf_cmd::BPF_MAP_CREATE, &mut attr).with_context(|| format!("making a {kind:?}"))
}

/// Sets an element of such a map; `value` has the length it was made for.
pub fn update(map: &OwnedFd, key: u32, value: &[u8]) -> Result<()> {
    let mut attr = zeroed();
    // SAFETY: BPF_MAP_UPDATE_ELEM reads this member of the union.
    let update = unsafe { &mut attr.__bindgen_anon_2 };
    update.map_fd = map.as_raw_fd().cast_unsigned();
    update.key = (&raw const key) as u64;
    update.__bindgen_anon_1.value = value.as_ptr() as u64;
    bpf(bpf_cmd::BPF_MAP_UPDATE_ELEM, &mut attr).context("setting an element")?;
    Ok(())
}

/// Reads an element of such a map; `value` has the length it was made for.
pub fn look_up(map: BorrowedFd<'_>, key: u32, value: &mut [u8]) -> io::Result<()> {
    let mut attr = zeroed();
    // SAFETY: BPF_MAP_LOOKUP_ELEM reads this member of the union.
    let element = unsafe { &mut attr.__bindgen_anon_2 };
    element.map_fd = map.as_raw_fd().cast_unsigned();
    element.key = (&raw const key) as u64;
    element.__bindgen_anon_1.value = value.as_mut_ptr() as u64;
    bpf(bpf_cmd::BPF_MAP_LOOKUP_ELEM, &mut attr)?;
    Ok(())
}

/// What `BPF_PROG_TEST_RUN` said.
#[derive(Debug)]
pub struct Ran {
    /// What the last run returned.
    pub verdict: u32,
    /// The mean of all runs.
    pub each: Duration,
    /// The frame after the last run.
    pub frame: Vec<u8>,
}

/// Runs a program `repeat` times on one and the same frame, which it finds as the run before left it.
pub fn test_run(program: BorrowedFd<'_>, frame: &[u8], repeat: u32) -> Result<Ran> {
    let mut out = vec![0; 4096];
    let mut attr = zeroed();
    // SAFETY: BPF_PROG_TEST_RUN reads and writes this member of the union.
    let test = unsafe { &mut attr.test };
    test.prog_fd = program.as_raw_fd().cast_unsigned();
    test.repeat = repeat;
    test.data_in = frame.as_ptr() as u64;
    test.data_size_in = u32::try_from(frame.len())?;
    test.data_out = out.as_mut_ptr() as u64;
    test.data_size_out = u32::try_from(out.len())?;
    bpf(bpf_cmd::BPF_PROG_TEST_RUN, &mut attr).context("running a program")?;
    // SAFETY: as above.
    let test = unsafe { &attr.test };
    out.truncate(test.data_size_out as usize);
    Ok(Ran {
        verdict: test.retval,
        each: Duration::from_nanos(test.duration.into()),
        frame: out,
    })
}

/// Has an XDP program act upon `count` frames as if the interface `ifindex` of the thread's network namespace had
/// received them: `XDP_TX` sends each out there, `XDP_PASS` hands it to the stack (`BPF_F_TEST_XDP_LIVE_FRAMES`,
/// Linux 5.18). Pages are used again as the last frame left them, so the program must write the whole frame.
pub fn send(program: BorrowedFd<'_>, frame: &[u8], ifindex: u32, count: u32) -> Result<()> {
    /// Frames made before the interfaces' turn comes; a veth pair's ring holds 256.
    const BATCH: u32 = 64;
    let size = u32::try_from(frame.len())?;
    // `struct xdp_md`: data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex.
    let context: [u32; 6] = [0, size, 0, ifindex, 0, 0];
    let mut attr = zeroed();
    // SAFETY: BPF_PROG_TEST_RUN reads this member of the union.
    let test = unsafe { &mut attr.test };
    test.prog_fd = program.as_raw_fd().cast_unsigned();
    test.repeat = count;
    test.data_in = frame.as_ptr() as u64;
    test.data_size_in = size;
    test.ctx_in = context.as_ptr() as u64;
    test.ctx_size_in = u32::try_from(size_of_val(&context))?;
    test.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
    test.batch_size = BATCH;
    bpf(bpf_cmd::BPF_PROG_TEST_RUN, &mut attr).context("sending live frames")?;
    Ok(())
}

pub(crate) fn zeroed() -> bpf_attr {
    // SAFETY: a `bpf_attr` is integers, and the kernel wants what is not used to be zero.
    unsafe { std::mem::zeroed() }
}

/// A call that makes a descriptor.
pub(crate) fn descriptor(command: bpf_cmd, attr: &mut bpf_attr) -> io::Result<OwnedFd> {
    let fd = bpf(command, attr)?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

pub(crate) fn bpf(command: bpf_cmd, attr: &mut bpf_attr) -> io::Result<i32> {
    // SAFETY: `attr` and what it points to live until the call returns.
    let result = unsafe {
        let size = size_of::<bpf_attr>();
        libc::syscall(libc::SYS_bpf, command, &raw mut *attr, size)
    };
    let result = i32::try_from(result).ok().filter(|result| *result >= 0);
    result.ok_or_else(io::Error::last_os_error)
}
