//! Maps of a loaded object, pinned, and what two other readers make of it: `kerndns dump`, and the agent's log.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aya::maps::{Map, MapData};
use aya::programs::{TestRun as _, TestRunOptions};
use dns_agent::answer::held::{Placement, encode};
use dns_agent::dump;
use dns_agent::kernel::log::KernelLog;
use dns_agent::kernel::object::{self, Constants};
use dns_agent::map::arena::{ARENA, Arena};
use dns_agent::map::destinations::{DESTINATIONS, Destinations};
use dns_agent::map::held::Held;
use dns_agent::map::names::{NAMES, Names};
use dns_agent::map::pin::{self, PINNED};
use dns_agent::map::pinned;
use dns_agent::map::settings::{SETTINGS, SettingsMap};
use dns_agent::map::zones::{ZONES, ZonesMap};
use dns_agent::record::{Name, Node, RRset, Rdata};
use dns_ebpf::fold::Seed;
use dns_ebpf::zone::{Zone, flag};

const SEED: Seed = Seed {
    start: 1,
    factor: 0x9e37_79b9_7f4a_7c15,
};
const NAMES_MAX: u32 = 1000;

fn load(log_level: u8) -> aya::Ebpf {
    let constants = Constants {
        seed: SEED,
        observe: false,
        log_level,
        names: NAMES_MAX,
    };
    object::load(&constants).unwrap()
}

/// The maps of `ebpf`, with `web.lab.` and 999 more names in the zone `lab.`.
fn fill(ebpf: &mut aya::Ebpf) -> Held {
    let mut map = |name| ebpf.take_map(name).unwrap();
    let zones = array(map(ZONES));
    let settings = array(map(SETTINGS));
    let mut held = Held::new(
        SEED,
        Names::kernel(map(NAMES), NAMES_MAX).unwrap(),
        Arena::kernel(map(ARENA)).unwrap(),
        ZonesMap::kernel(&zones).unwrap(),
        Arc::new(SettingsMap::kernel(&settings).unwrap()),
    );
    let zone = Name::parse("lab").unwrap();
    let flags = flag::USED | flag::SERVED | flag::COMPLETE;
    held.set_zones(&[Zone {
        flags,
        serial: 9,
        ttl: 30,
        ..Zone::new(zone.wire())
    }]);
    let hosts = (1..NAMES_MAX).map(|i| format!("h{i}.lab"));
    for name in hosts.chain(["web.lab".to_owned()]) {
        let rdata = vec![Rdata::A([10, 0, 0, 7].into())];
        let rrsets = vec![RRset {
            ttl: 5,
            rdata,
            additional: Vec::new(),
        }];
        let placement = Placement {
            zone: 0,
            zone_len: zone.wire().len().try_into().unwrap(),
            shuffle: true,
            account: 0,
        };
        let (record, entry) = encode(&Name::parse(&name).unwrap(), &Node { rrsets }, placement);
        held.put(record, entry).unwrap();
    }
    held
}

/// The descriptor of an array.
fn array(map: Map) -> MapData {
    match map {
        Map::Array(data) => data,
        other => panic!("{other:?} is no array"),
    }
}

/// A directory that is not there yet, below the temporary one; gone at the end.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("kdt-{name}-{}/pins", std::process::id())))
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _gone_already = fs::remove_dir_all(self.0.parent().unwrap());
    }
}

fn pins_in(dir: &Path) -> usize {
    PINNED.iter().filter(|name| dir.join(name).exists()).count()
}

#[test]
fn what_is_pinned_is_dumped_and_goes_with_its_owner() {
    let dir = Dir::new("dump");
    let nothing = pinned::read(&dir.0).unwrap_err().to_string();
    assert!(
        nothing.contains("no maps are pinned in") && nothing.contains("--bpffs"),
        "{nothing}"
    );

    let mut ebpf = load(0);
    let mut pins = pin::prepare(&dir.0).unwrap();
    pins.pin(&ebpf).unwrap();
    assert_eq!(pins_in(&dir.0), PINNED.len());
    let mut held = fill(&mut ebpf);

    let text = dump::text(&pinned::read(&dir.0).unwrap());
    assert!(
        text.starts_with("; zone lab. served; complete\nlab. 30 IN SOA ns.dns.lab. "),
        "{text}"
    );
    assert!(text.contains("\nweb.lab. 5 IN A 10.0.0.7\n"), "{text}");
    assert_eq!(text.matches(" IN A 10.0.0.7\n").count(), NAMES_MAX as usize);
    held.remove(Name::parse("web.lab").unwrap().wire()).unwrap();
    assert!(!dump::text(&pinned::read(&dir.0).unwrap()).contains("web.lab"));

    let second = pin::prepare(&dir.0).unwrap_err().to_string();
    assert!(
        second.contains("another kerndns") && second.contains("--bpffs"),
        "{second}"
    );
    pins.remove();
    pins.remove();
    assert_eq!(pins_in(&dir.0), 0);
    assert!(
        !dir.0.exists(),
        "it was mounted for the pins and is unmounted"
    );
}

#[test]
fn what_a_killed_agent_left_is_replaced() {
    let dir = Dir::new("left");
    let ebpf = load(0);
    let outer = pin::prepare(&dir.0).unwrap();
    let inner = dir.0.join("kerndns");
    let first = pin::prepare(&inner).unwrap();
    first.pin(&ebpf).unwrap();
    // A killed one unlocks and removes nothing: the same pins again, without an owner.
    drop(first);
    fs::create_dir(&inner).unwrap();
    for name in PINNED {
        ebpf.map(name).unwrap().pin(inner.join(name)).unwrap();
    }
    let second = pin::prepare(&inner).unwrap();
    assert_eq!(pins_in(&inner), 0);
    second.pin(&ebpf).unwrap();
    assert_eq!(pins_in(&inner), PINNED.len());
    drop(second);
    drop(outer);
}

#[test]
fn answers_and_passes_are_logged_in_words() {
    let passes = logged(3);
    assert!(
        passes.contains("passed web.elsewhere. A on lo: out_of_zone"),
        "{passes}"
    );
    assert!(!passes.contains("answered"), "{passes}");
    let all = logged(4);
    assert!(all.contains("answered web.lab. A on lo: answer"), "{all}");
    assert!(
        all.contains("answered none.lab. AAAA on lo: nxdomain"),
        "{all}"
    );
    assert!(
        all.contains("passed web.elsewhere. A on lo: out_of_zone"),
        "{all}"
    );
}

/// What the log says of three queries.
fn logged(level: u8) -> String {
    let service = Ipv4Addr::new(10, 96, 0, 10);
    let mut ebpf = load(level);
    let destinations = ebpf.take_map(DESTINATIONS).unwrap();
    let settings = Arc::new(SettingsMap::heap());
    let mut destinations = Destinations::kernel(destinations, settings).unwrap();
    destinations.set(&[(service, 53).into()].into()).unwrap();
    let held = fill(&mut ebpf);
    held.settings().keep_alive();

    let written = Arc::new(Mutex::new(Vec::new()));
    let to = Arc::clone(&written);
    let log = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || Written(Arc::clone(&to)));
    let _guard = tracing::subscriber::set_default(log.finish());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let log = KernelLog::open(&mut ebpf).unwrap();
        let program = object::xdp(&mut ebpf).unwrap();
        for (name, rtype) in [("web.lab", 1), ("none.lab", 28), ("web.elsewhere", 1)] {
            let frame = frame(service, Name::parse(name).unwrap().wire(), rtype);
            let mut out = [0; 2048];
            let options = TestRunOptions {
                data_in: Some(&frame),
                data_out: Some(&mut out),
                ..TestRunOptions::default()
            };
            program.test_run(options).unwrap();
        }
        let _ends_never = tokio::time::timeout(Duration::from_millis(300), log.follow()).await;
    });
    String::from_utf8(written.lock().unwrap().clone()).unwrap()
}

struct Written(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Written {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// An Ethernet frame with a query over UDP, without a UDP checksum (RFC 768 allows that over IPv4).
fn frame(to: Ipv4Addr, name: &[u8], rtype: u16) -> Vec<u8> {
    let mut message = vec![0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    message.extend(name);
    message.extend(rtype.to_be_bytes());
    message.extend([0, 1]);
    let udp_len = 8 + u16::try_from(message.len()).unwrap();

    let mut ip = vec![0x45, 0];
    ip.extend((20 + udp_len).to_be_bytes());
    ip.extend([0, 0, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 1]);
    ip.extend(to.octets());
    let words = ip
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]));
    let sum = words.sum::<u32>();
    let sum = !u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap();
    ip[10..12].copy_from_slice(&sum.to_be_bytes());

    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    frame.extend(ip);
    frame.extend(40000u16.to_be_bytes());
    frame.extend(53u16.to_be_bytes());
    frame.extend(udp_len.to_be_bytes());
    frame.extend([0, 0]);
    frame.extend(message);
    frame
}
