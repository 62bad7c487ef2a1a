//! The embedded BPF object to loaded programs and their maps.

use std::panic::resume_unwind;
use std::thread;

use aya::programs::{Program, ProgramError, SchedClassifier, Xdp};
use aya::{Ebpf, EbpfError, EbpfLoader};
use dns_ebpf::fold::Seed;
use thiserror::Error;

/// The programs of `dns-ebpf`; empty in a build without bpf-linker.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/kerndns-bpf"));

/// A loaded object: programs and maps.
pub type Object = Ebpf;

/// Why the programs could not be loaded.
#[derive(Debug, Error)]
pub enum LoadError {
    /// Built without bpf-linker.
    #[error(
        "this build of kerndns holds no kernel programs, because bpf-linker or rust-src was missing when it was \
         built; install them (`cargo xtask setup`) and build again, or run with --kernel off"
    )]
    Empty,
    /// The object or a map of it.
    #[error("cannot load the kernel programs' maps: {source}{}", cure(.source.as_ref()))]
    Object {
        /// What aya or the kernel said.
        source: Box<EbpfError>,
    },
    /// A program: the verifier, or a permission.
    #[error("cannot load the kernel program {program}: {source}{}", cure(.source.as_ref()))]
    Program {
        /// Its name.
        program: &'static str,
        /// What the kernel said.
        source: Box<ProgramError>,
    },
    /// An object that is not ours.
    #[error("the embedded object has no program {0}: build kerndns again")]
    Missing(&'static str),
}

/// What a person can do about a refusal, where that is known.
fn cure(error: &(dyn std::error::Error + 'static)) -> &'static str {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            return match error.raw_os_error() {
                Some(libc::EPERM | libc::EACCES) => {
                    "; kerndns needs CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON (or CAP_SYS_ADMIN): run it as root, \
                     or add them to the container's securityContext.capabilities"
                }
                Some(libc::ENOSYS | libc::EINVAL) => "; kerndns needs Linux 6.1 or newer",
                Some(libc::ENOMEM) => "; lower --names, or raise the memory limit",
                _ => "",
            };
        }
        cause = error.source();
    }
    ""
}

/// What is fixed when the programs are loaded.
#[derive(Debug, Clone, Copy)]
pub struct Constants {
    /// What keys are made with.
    pub seed: Seed,
    /// Look and count, but pass everything.
    pub observe: bool,
    /// aya-log's level: 0 off, 3 passes, 4 answers too.
    pub log_level: u8,
    /// The ceiling of NAMES.
    pub names: u32,
}

/// The name of the tc program.
pub const TC: &str = "kerndns_tc";
/// The name of the XDP program.
pub const XDP: &str = "kerndns_xdp";

/// Loads maps and both programs; nothing is attached.
pub fn load(constants: &Constants) -> Result<Ebpf, LoadError> {
    if OBJECT.is_empty() {
        return Err(LoadError::Empty);
    }
    let mut ebpf = EbpfLoader::new()
        .override_global("SEED_START", &constants.seed.start, true)
        .override_global("SEED_FACTOR", &constants.seed.factor, true)
        .override_global("OBSERVE", &u32::from(constants.observe), true)
        .override_global("AYA_LOG_LEVEL", &constants.log_level, false)
        .map_max_entries("NAMES", constants.names)
        .load(OBJECT)
        .map_err(|source| LoadError::Object {
            source: Box::new(source),
        })?;
    verify(&mut ebpf)?;
    Ok(ebpf)
}

/// Loads both programs at the same time: the verifier takes some 0.2 s for each.
fn verify(ebpf: &mut Ebpf) -> Result<(), LoadError> {
    let (mut tc, mut xdp) = (None, None);
    for (name, loaded) in ebpf.programs_mut() {
        match loaded {
            Program::SchedClassifier(loaded) if name == TC => tc = Some(loaded),
            Program::Xdp(loaded) if name == XDP => xdp = Some(loaded),
            _ => {}
        }
    }
    let tc = tc.ok_or(LoadError::Missing(TC))?;
    let xdp = xdp.ok_or(LoadError::Missing(XDP))?;
    thread::scope(|scope| {
        let other = scope.spawn(|| xdp.load());
        let loaded = tc.load().map_err(|source| program(TC, source));
        let other = other.join().unwrap_or_else(|panic| resume_unwind(panic));
        loaded.and(other.map_err(|source| program(XDP, source)))
    })
}

fn program(program: &'static str, source: ProgramError) -> LoadError {
    LoadError::Program {
        program,
        source: Box::new(source),
    }
}

/// The tc program.
pub fn tc(ebpf: &mut Ebpf) -> Result<&mut SchedClassifier, LoadError> {
    let program = ebpf.program_mut(TC).ok_or(LoadError::Missing(TC))?;
    program.try_into().map_err(|_| LoadError::Missing(TC))
}

/// The XDP program.
pub fn xdp(ebpf: &mut Ebpf) -> Result<&mut Xdp, LoadError> {
    let program = ebpf.program_mut(XDP).ok_or(LoadError::Missing(XDP))?;
    program.try_into().map_err(|_| LoadError::Missing(XDP))
}
