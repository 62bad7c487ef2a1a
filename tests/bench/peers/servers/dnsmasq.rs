//! dnsmasq with the addresses as a file of hosts and the rest as its own options; it has no zones of this kind.
//!
//! It is one thread, and goes through its list of SRV records from the beginning: with thousands of them that shows.

use anyhow::Result;

use crate::peers::servers::{Ground, NAMES, Server, at};
use crate::peers::zone::{Record, TTL};

/// Starts it.
pub(super) fn start<'a>(ground: &Ground<'a>) -> Result<Server<'a>> {
    let records = ground.zone.records();
    // The first line of an address names it in reverse: of an endpoint, that is its own name, the longest.
    let mut addresses: Vec<&Record> = records.iter().filter(|one| one.rtype == "A").collect();
    addresses.sort_by_key(|record| std::cmp::Reverse(record.owner.len()));
    let lines = addresses.iter().map(|record| {
        let owner = record.owner.trim_end_matches('.');
        format!("{} {owner}\n", record.data)
    });
    let hosts = ground.write("hosts", &lines.collect::<String>())?;
    let mut text = format!(
        "port=53
listen-address={}
bind-interfaces
no-resolv
no-hosts
addn-hosts={}
local=/cluster.local/
local=/10.in-addr.arpa/
local-ttl={TTL}
neg-ttl=5
cache-size=10000
user=root
group=root
pid-file=
",
        at(17).ip(),
        hosts.display()
    );
    for Record { owner, rtype, data } in &records {
        let owner = owner.trim_end_matches('.');
        let words: Vec<&str> = data.trim_end_matches('.').split(' ').collect();
        match (*rtype, &words[..]) {
            ("SRV", [priority, weight, port, target]) => text.push_str(&format!(
                "srv-host={owner},{},{port},{priority},{weight}\n",
                target.trim_end_matches('.')
            )),
            ("CNAME", [target]) => text.push_str(&format!("cname={owner},{target}\n")),
            // A and PTR are the hosts'.
            _ => {}
        }
    }
    let config = ground.write("dnsmasq.conf", &text)?.display().to_string();
    let argument = format!("--conf-file={config}");
    ground.start(
        NAMES[7],
        17,
        "dnsmasq",
        &["--keep-in-foreground", &argument],
    )
}
