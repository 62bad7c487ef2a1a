//! Knot DNS, authoritative for both zones, with a UDP worker per CPU.

use anyhow::Result;

use crate::peers::servers::{Ground, NAMES, Server, at, master_file};

/// Starts it.
pub(super) fn start<'a>(ground: &Ground<'a>) -> Result<Server<'a>> {
    let directory = ground.files.display();
    let mut text = format!(
        "server:
    rundir: {directory}
    listen: {}@53
    udp-workers: {}
    tcp-workers: 1
    background-workers: 1
log:
  - target: stderr
    any: warning
database:
    storage: {directory}/knot
zone:
",
        at(14).ip(),
        ground.workers
    );
    for (zone, file) in master_file::ZONES {
        text.push_str(&format!("  - domain: {zone}\n    file: {directory}/{file}\n    zonefile-sync: -1\n    journal-content: none\n"));
    }
    let config = ground.write("knot.conf", &text)?.display().to_string();
    ground.start(NAMES[4], 14, "knotd", &["-c", &config])
}
