//! By what name this server is told from others: the host's (RFC 4892, RFC 5001).

use std::fs;

/// The host's name as the kernel has it, at most 255 octets; a pod with the host's network has the node's.
pub fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname");
    let name = name.as_deref().map_or("", str::trim);
    if name.is_empty() {
        "localhost".to_owned()
    } else {
        // Linux allows 64 octets.
        name.chars().take(64).collect()
    }
}
