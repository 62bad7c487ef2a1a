//! Names with their records on one page, as the agent lays them out ([`dns_ebpf::arena`]), and queries
//! as octets (RFC 1035 4.1, RFC 6891 6.1) to ask for them.
#![expect(
    clippy::cast_possible_truncation,
    reason = "names, records and messages are shorter than 64 KiB"
)]
#![expect(
    clippy::large_stack_arrays,
    reason = "a test's page, moved to the heap at once"
)]
#![allow(dead_code, reason = "each test binary uses a part")]

use std::cell::Cell;
use std::collections::HashMap;

use dns_ebpf::arena::{Head, PAGE, Page, Record, SLACK};
use dns_ebpf::checksum;
use dns_ebpf::fold::Seed;
use dns_ebpf::outcome::Outcome;
use dns_ebpf::query;
use dns_ebpf::respond::{Reply, Store, respond};
use dns_ebpf::scratch::Scratch;
use dns_ebpf::zone::{ZONES, Zone, Zones};

pub(crate) const SEED: Seed = Seed {
    start: 0x0123_4567_89ab_cdef,
    factor: 0x9e37_79b9_7f4a_7c15,
};

pub(crate) const A: u16 = 1;
pub(crate) const CNAME: u16 = 5;
pub(crate) const SOA: u16 = 6;
pub(crate) const TXT: u16 = 16;
pub(crate) const AAAA: u16 = 28;
pub(crate) const SRV: u16 = 33;

/// Records of one type: their octets as they stand in an answer.
#[derive(Clone)]
pub(crate) struct Records {
    pub(crate) rtype: u16,
    pub(crate) answers: u16,
    pub(crate) octets: Vec<u8>,
    /// Octets per record where their order is drawn, else 0.
    pub(crate) stride: u16,
    /// Octets of CNAME records before those whose order is drawn.
    pub(crate) fixed: u16,
}

/// What is held.
pub(crate) struct Held {
    page: Box<Page>,
    end: usize,
    names: HashMap<u64, u32>,
    /// `None`: the map's lookup failed.
    pub(crate) zones: Option<Zones>,
    pub(crate) epoch: Cell<u64>,
    /// What each look at the epoch adds to it.
    pub(crate) epoch_step: Cell<u64>,
    pub(crate) nsid: bool,
    pub(crate) draw: Cell<u32>,
}

impl Held {
    /// Nothing but zones, longest name first.
    pub(crate) fn new(zones: &[Zone]) -> Self {
        let mut slots = [Zone::EMPTY; ZONES];
        slots[..zones.len()].copy_from_slice(zones);
        Self {
            page: Box::new(Page([0; PAGE + SLACK])),
            end: 0,
            names: HashMap::new(),
            zones: Some(Zones { zone: slots }),
            epoch: Cell::new(2),
            epoch_step: Cell::new(0),
            nsid: false,
            draw: Cell::new(0),
        }
    }

    /// Holds `name` (folded) with `flags` in the zone of this slot and length.
    pub(crate) fn put(&mut self, name: &[u8], zone: (usize, usize), flags: u8, sets: &[Records]) {
        let at = self.write(SEED.key(name), name, zone, flags, sets);
        self.names.insert(SEED.key(name), at);
    }

    /// Lets the key of `name` lead to the record of `other`, as a hash element does that was just reused.
    pub(crate) fn mislead(&mut self, name: &[u8], other: &[u8]) {
        let at = self.names[&SEED.key(other)];
        self.names.insert(SEED.key(name), at);
    }

    /// Holds `name` under its key, with the key of `name` in the record but `other`'s octets as its name:
    /// two names whose keys collide.
    pub(crate) fn collide(&mut self, name: &[u8], other: &[u8]) {
        assert_eq!(name.len(), other.len());
        let at = self.write(SEED.key(name), other, (0, 1), 0, &[]);
        self.names.insert(SEED.key(name), at);
    }

    fn write(
        &mut self,
        key: u64,
        name: &[u8],
        zone: (usize, usize),
        flags: u8,
        sets: &[Records],
    ) -> u32 {
        let head = Head {
            name_len: name.len(),
            zone: zone.0,
            zone_len: zone.1,
            flags,
            sets: sets.len(),
            account: 0,
        };
        let mut record = key.to_ne_bytes().to_vec();
        record.extend(head.to_word().to_ne_bytes());
        record.extend(name);
        record.resize(record.len().next_multiple_of(8), 0);
        let mut offset = (record.len() + 16 * sets.len()) as u16;
        for set in sets {
            let len = set.octets.len() as u16;
            let sum = checksum::of(&set.octets);
            let fields = [
                set.rtype,
                offset,
                len,
                set.answers,
                0,
                sum,
                set.stride,
                set.fixed,
            ];
            record.extend(fields.into_iter().flat_map(u16::to_ne_bytes));
            // Twice in a row: the order may start anywhere.
            offset += (2 * len - set.fixed).next_multiple_of(2);
        }
        for set in sets {
            record.extend(&set.octets);
            record.extend(&set.octets[set.fixed.into()..]);
            record.resize(record.len().next_multiple_of(2), 0);
        }
        let at = self.end;
        self.page.0[at..at + record.len()].copy_from_slice(&record);
        self.end += record.len().next_multiple_of(8);
        (at >> 3) as u32
    }
}

impl Store for Held {
    fn find(&self, key: u64) -> Option<Record<'_>> {
        Some(Record::new(&self.page, *self.names.get(&key)?))
    }

    fn zones(&self) -> Option<&Zones> {
        self.zones.as_ref()
    }

    fn epoch(&self) -> u64 {
        self.epoch.replace(self.epoch.get() + self.epoch_step.get())
    }

    fn has_nsid(&self) -> bool {
        self.nsid
    }

    fn draw(&self) -> u32 {
        self.draw.get()
    }
}

/// The response to `message`, whose sum is checked.
pub(crate) fn ask(held: &Held, message: &[u8]) -> Result<Vec<u8>, Outcome> {
    let mut scratch = Box::new(Scratch::ZERO);
    ask_in(&mut scratch, held, message, message.len()).map(|(_, message)| message)
}

/// The response to the first `len` octets of `message`; what comes after them is padding of the frame.
pub(crate) fn ask_in(
    scratch: &mut Scratch,
    held: &Held,
    message: &[u8],
    len: usize,
) -> Result<(Reply, Vec<u8>), Outcome> {
    let query = query::parse(&message, len, scratch, SEED)?;
    let reply = respond(scratch, &query, held)?;
    let response = assemble(message, &reply);
    assert_eq!(
        checksum::fold(reply.sum),
        checksum::of(&response),
        "the sum of {response:x?}, the response to {message:x?}"
    );
    Ok((reply, response))
}

fn assemble(query: &[u8], reply: &Reply) -> Vec<u8> {
    let mut message = query[..reply.front_len].to_vec();
    message.resize(reply.len(), 0);
    // SAFETY: scratch and page are as they were when the reply was made.
    unsafe { reply.write(&mut &mut message[..]) }.expect("the message has room for it");
    message
}

/// A name in wire form from text with dots; the empty text is the root.
pub(crate) fn name(text: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in text.split('.').filter(|label| !label.is_empty()) {
        wire.push(label.len() as u8);
        wire.extend(label.as_bytes());
    }
    wire.push(0);
    wire
}

/// A query for a name in wire form, RD set, class IN.
pub(crate) fn query(name: &[u8], rtype: u16) -> Vec<u8> {
    let mut message = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    message.extend(name);
    message.extend(rtype.to_be_bytes());
    message.extend([0, 1]);
    message
}

/// The query with an OPT record: payload size, version, flags and options as octets.
pub(crate) fn with_opt(
    mut message: Vec<u8>,
    payload: u16,
    version: u8,
    flags: u16,
    options: &[u8],
) -> Vec<u8> {
    message[11] = 1;
    message.extend([0, 0, 41]);
    message.extend(payload.to_be_bytes());
    message.extend([0, version]);
    message.extend(flags.to_be_bytes());
    message.extend((options.len() as u16).to_be_bytes());
    message.extend(options);
    message
}

/// `count` A records (10.0.0.0 and on) or AAAA records (`fd00::` and on) whose owner is the question's name.
pub(crate) fn addresses(rtype: u16, count: u8, stride: u16) -> Records {
    let mut octets = Vec::new();
    for i in 0..count {
        octets.extend([0xc0, 12]);
        octets.extend(rtype.to_be_bytes());
        octets.extend([0, 1, 0, 0, 0, 5]);
        if rtype == A {
            octets.extend([0, 4, 10, 0, 0, i]);
        } else {
            octets.extend([0, 16, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, i]);
        }
    }
    Records {
        rtype,
        answers: count.into(),
        octets,
        stride,
        fixed: 0,
    }
}

/// A CNAME record from the question's name to `target` (wire form), and after it what leads on from there.
pub(crate) fn alias(target: &[u8], end: Option<&Records>) -> Records {
    let mut octets = vec![0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 5, 0, target.len() as u8];
    octets.extend(target);
    let fixed = octets.len() as u16;
    let end = end.cloned().unwrap_or(Records {
        rtype: 0,
        answers: 0,
        octets: Vec::new(),
        stride: 0,
        fixed: 0,
    });
    octets.extend(&end.octets);
    Records {
        octets,
        answers: end.answers + 1,
        fixed: if end.stride == 0 { 0 } else { fixed },
        ..end
    }
}

/// One TXT record of a character-string of `len` octets.
pub(crate) fn text(len: u8) -> Records {
    let mut octets = vec![0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 5];
    octets.extend((u16::from(len) + 1).to_be_bytes());
    octets.push(len);
    octets.extend((0..len).map(|i| b'a' + i % 26));
    Records {
        rtype: TXT,
        answers: 1,
        octets,
        stride: 0,
        fixed: 0,
    }
}
