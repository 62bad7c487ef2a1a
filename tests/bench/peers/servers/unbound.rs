//! Unbound with both zones as authority zones, answered to clients, with a thread per CPU and a socket for each.

use anyhow::Result;

use crate::peers::servers::{Ground, NAMES, Server, at, master_file};

/// Starts it.
pub(super) fn start<'a>(ground: &Ground<'a>) -> Result<Server<'a>> {
    let directory = ground.files.display();
    // The private addresses' reverse zone is one that it would deny by itself (RFC 6303).
    let mut text = format!(
        "server:
    directory: \"{directory}\"
    chroot: \"\"
    username: \"\"
    pidfile: \"\"
    interface: {}
    port: 53
    access-control: 0.0.0.0/0 allow
    num-threads: {}
    so-reuseport: yes
    do-daemonize: no
    use-syslog: no
    module-config: \"iterator\"
    local-zone: \"10.in-addr.arpa.\" nodefault
remote-control:
    control-enable: no
",
        at(16).ip(),
        ground.workers
    );
    for (zone, file) in master_file::ZONES {
        text.push_str(&format!(
            "auth-zone:\n    name: \"{zone}\"\n    zonefile: \"{directory}/{file}\"\n    for-downstream: yes\n    \
             for-upstream: no\n    fallback-enabled: no\n"
        ));
    }
    let config = ground.write("unbound.conf", &text)?.display().to_string();
    ground.start(NAMES[6], 16, "unbound", &["-d", "-c", &config])
}
