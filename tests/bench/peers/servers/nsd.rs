//! NSD, authoritative for both zones, with a server process per CPU and a socket for each.

use anyhow::Result;

use crate::peers::servers::{Ground, NAMES, Server, at, master_file};

/// Starts it.
pub(super) fn start<'a>(ground: &Ground<'a>) -> Result<Server<'a>> {
    let directory = ground.files.display();
    // Debian's build limits responses to 200 a second per client; that would be what is measured.
    let mut text = format!(
        "server:
    server-count: {}
    reuseport: yes
    ip-address: {}
    port: 53
    username: \"\"
    database: \"\"
    zonesdir: \"{directory}\"
    pidfile: \"\"
    xfrdfile: \"{directory}/nsd.xfrd\"
    xfrdir: \"{directory}\"
    zonelistfile: \"{directory}/nsd.zones\"
    rrl-ratelimit: 0
    rrl-whitelist-ratelimit: 0
remote-control:
    control-enable: no
",
        ground.workers,
        at(15).ip()
    );
    for (zone, file) in master_file::ZONES {
        text.push_str(&format!(
            "zone:\n    name: \"{zone}\"\n    zonefile: \"{file}\"\n"
        ));
    }
    let config = ground.write("nsd.conf", &text)?.display().to_string();
    ground.start(NAMES[5], 15, "nsd", &["-d", "-c", &config])
}
