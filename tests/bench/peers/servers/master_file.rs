//! Records to master files (RFC 1035 5): one of the cluster's zone, one of the private addresses' reverse zone.

use anyhow::Result;

use crate::peers::servers::Ground;
use crate::peers::zone::{Record, TTL};

/// The zones, and the names of their files.
pub(super) const ZONES: [(&str, &str); 2] = [
    ("cluster.local.", "cluster.local.zone"),
    ("10.in-addr.arpa.", "10.in-addr.arpa.zone"),
];

/// Writes both; the same for every server.
pub(super) fn write(ground: &Ground<'_>) -> Result<()> {
    let records = ground.zone.records();
    for (zone, file) in ZONES {
        ground.write(file, &text(zone, &records))?;
    }
    Ok(())
}

/// SOA and NS as CoreDNS's `kubernetes` has them, then what lies in the zone.
fn text(zone: &str, records: &[Record]) -> String {
    let mut text = format!(
        "$ORIGIN {zone}\n$TTL {TTL}\n@ SOA ns.dns.cluster.local. hostmaster.cluster.local. 1 7200 1800 86400 5\n\
         @ NS ns.dns.cluster.local.\n"
    );
    if zone == "cluster.local." {
        // A name server in the zone needs an address (RFC 1034 4.2.2).
        text.push_str("ns.dns A 10.96.0.10\n");
    }
    let inside = |record: &&Record| record.owner.ends_with(&format!(".{zone}"));
    for Record { owner, rtype, data } in records.iter().filter(inside) {
        text.push_str(&format!("{owner} {rtype} {data}\n"));
    }
    text
}
