//! `RLIMIT_NOFILE`: as many descriptors as the system lets us have.
//!
//! The soft limit is mostly 1024, for programs that use select(2). Connections alone may take as many, and then there
//! would be none for a question to an upstream.

use std::io;

use nix::libc::{RLIMIT_NOFILE, getrlimit, rlimit, setrlimit};

/// Raises the soft limit to the hard one, and returns it.
pub(super) fn raise_limit() -> io::Result<u64> {
    let mut limit = rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is a value of the type that the call fills in.
    if unsafe { getrlimit(RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: it is only read.
    if unsafe { setrlimit(RLIMIT_NOFILE, &raw const limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(limit.rlim_cur)
}
