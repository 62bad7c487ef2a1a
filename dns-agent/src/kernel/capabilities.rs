//! The capabilities (capabilities(7)) that loading and attaching the programs take.

use std::fs;

/// Capabilities this process lacks.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the kernel path needs CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN, and this process lacks {lacking}; \
     run it as root, or grant them (systemd: AmbientCapabilities=, Kubernetes: \
     securityContext.capabilities.add), or give --kernel off"
)]
pub struct MissingCapabilities {
    /// Names, with commas between.
    lacking: String,
}

/// Bit numbers of `linux/capability.h`. `CAP_SYS_ADMIN` includes the two that Linux 5.8 split off.
const SYS_ADMIN: u32 = 21;
const NEEDED: [(u32, &str, bool); 3] = [
    (39, "CAP_BPF", true),
    (38, "CAP_PERFMON", true),
    (12, "CAP_NET_ADMIN", false),
];

/// Whether this thread holds what is needed: `CAP_BPF` and `CAP_PERFMON` to load programs that
/// compare pointers into a packet, `CAP_NET_ADMIN` to attach them.
pub fn check() -> Result<(), MissingCapabilities> {
    // A system without /proc tells nothing: then the kernel's own refusal will.
    let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    effective(&status).map_or(Ok(()), lacking)
}

/// The effective set from a status file of proc(5).
fn effective(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

fn lacking(held: u64) -> Result<(), MissingCapabilities> {
    let holds = |bit: u32| held >> bit & 1 == 1;
    let lacking: Vec<&str> = NEEDED
        .into_iter()
        .filter(|&(bit, _, in_sys_admin)| !(holds(bit) || in_sys_admin && holds(SYS_ADMIN)))
        .map(|(_, name, _)| name)
        .collect();
    if lacking.is_empty() {
        return Ok(());
    }
    Err(MissingCapabilities {
        lacking: lacking.join(", "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_missing_capability_is_named() {
        let none = lacking(0).unwrap_err().to_string();
        assert!(
            none.contains("lacks CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN;"),
            "{none}"
        );
        assert_eq!(
            lacking(1 << 39 | 1 << 38).unwrap_err().lacking,
            "CAP_NET_ADMIN"
        );
        assert_eq!(lacking(1 << 39 | 1 << 38 | 1 << 12), Ok(()));
    }

    #[test]
    fn sys_admin_stands_for_bpf_and_perfmon_but_not_for_net_admin() {
        assert_eq!(lacking(1 << 21).unwrap_err().lacking, "CAP_NET_ADMIN");
        assert_eq!(lacking(1 << 21 | 1 << 12), Ok(()));
    }

    #[test]
    fn the_effective_set_is_read_from_the_status_file() {
        let status = "Name:\tx\nCapPrm:\t0000000000000000\nCapEff:\t000001ffffffffff\n";
        assert_eq!(effective(status), Some(0x1ff_ffff_ffff));
    }
}
