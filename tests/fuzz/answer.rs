//! Any RRsets to the two encoders of answers: the record that is held for a name, read by the responder, and the whole
//! message of the agent. hickory-proto finds in both the records that went in.
#![no_main]

use std::cell::RefCell;
use std::net::{Ipv4Addr, Ipv6Addr};

use dns_agent::answer::held::{Placement, encode};
use dns_agent::answer::message::{self, Sections, Soa};
use dns_agent::map::held::Held;
use dns_agent::plugin::kubernetes::respond_from;
use dns_agent::record::{Name, Node, RRset, Rdata};
use dns_ebpf::scratch::Scratch;
use hickory_proto::op::Message;
use hickory_proto::rr::Record;
use kerndns_fuzz::oracle;
use kerndns_fuzz::site::{SEED, query};
use libfuzzer_sys::arbitrary::{Arbitrary, Result, Unstructured};
use libfuzzer_sys::fuzz_target;

/// Labels that make names share their ends; others are any octets.
const LABELS: [&[u8]; 8] = [
    b"a",
    b"web",
    b"shop",
    b"svc",
    b"cluster",
    b"local",
    &[b'x'; 63],
    b"_tcp",
];

thread_local! {
    static HELD: RefCell<(Held, Box<Scratch>)> =
        RefCell::new((Held::heap(SEED, 10), Box::new(Scratch::ZERO)));
}

/// A name and what it has.
#[derive(Debug)]
struct Input {
    name: Name,
    node: Node,
    placement: Placement,
    soa: Option<Soa>,
}

impl<'a> Arbitrary<'a> for Input {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let name = name(u)?;
        let labels = name.labels().count();
        let mut zone = name.clone();
        for _ in 0..u.int_in_range(0..=labels)? {
            zone = zone.parent().unwrap_or(zone);
        }
        let placement = Placement {
            zone: 0,
            account: 0,
            zone_len: u8::try_from(zone.wire().len()).unwrap_or(u8::MAX),
            shuffle: u.arbitrary()?,
        };
        let mut node = Node::default();
        for kind in 0..7 {
            if u.ratio(1, 3)? {
                node.rrsets.push(rrset(u, kind)?);
            }
        }
        // The Corefile refuses a zone without room for the mailbox of its SOA record.
        let soa = if u.arbitrary()? && zone.child(b"hostmaster").is_some() {
            let ttl = u.int_in_range(0..=3600)?;
            Some(Soa {
                zone,
                ttl,
                serial: u.arbitrary()?,
                is_answer: false,
                apex: None,
            })
        } else {
            None
        };
        Ok(Self {
            name,
            node,
            placement,
            soa,
        })
    }
}

fn name(u: &mut Unstructured<'_>) -> Result<Name> {
    let mut name = Name::root();
    for _ in 0..u.int_in_range(0..=9)? {
        let label = match u.int_in_range(0..=9)? {
            known @ 0..=7 => LABELS[known],
            8 => u.bytes(1)?,
            _ => {
                let length = u.int_in_range(1..=63)?.min(u.len());
                u.bytes(length)?
            }
        };
        name = name.child(label).unwrap_or(name);
    }
    Ok(name)
}

fn rrset(u: &mut Unstructured<'_>, kind: u8) -> Result<RRset> {
    let most = if u.ratio(1, 32)? { 4000 } else { 40 };
    let count = match kind {
        // An alias has one canonical name (RFC 1034 3.6.2).
        2 => 1,
        _ => u.int_in_range(1..=most)?,
    };
    let records = (0..count)
        .map(|i| rdata(u, kind, i))
        .collect::<Result<_>>()?;
    let mut additional = Vec::new();
    if kind == 6 {
        for i in 0..u.int_in_range(0..=20)? {
            let kind = u.int_in_range(0..=1)?;
            additional.push((name(u)?, rdata(u, kind, i)?));
        }
    }
    Ok(RRset {
        ttl: u.int_in_range(0..=3600)?,
        rdata: records,
        additional,
    })
}

/// The `i`th record's data. Addresses are counted up, so that many cost no input.
fn rdata(u: &mut Unstructured<'_>, kind: u8, i: u16) -> Result<Rdata> {
    let [high, low] = i.to_be_bytes();
    Ok(match kind {
        0 => Rdata::A(Ipv4Addr::new(10, u.arbitrary()?, high, low)),
        1 => Rdata::Aaaa(Ipv6Addr::new(0xfd00, u.arbitrary()?, 0, 0, 0, 0, 0, i)),
        2 => Rdata::Cname(name(u)?),
        3 => Rdata::Ns(name(u)?),
        4 => Rdata::Ptr(name(u)?),
        5 => {
            let length = usize::from(u.arbitrary::<u8>()?).min(u.len());
            Rdata::Txt(u.bytes(length)?.into())
        }
        _ => Rdata::Srv {
            weight: u.arbitrary()?,
            port: i,
            target: name(u)?,
        },
    })
}

fuzz_target!(|input: Input| {
    let (record, entry) = encode(&input.name, &input.node, input.placement);
    HELD.with_borrow_mut(|(held, scratch)| {
        held.put(record, entry).expect("there is room for one");
        agrees(&input, held, scratch);
        held.remove(input.name.wire())
            .expect("nothing fails on the heap");
    });
});

fn agrees(input: &Input, held: &Held, scratch: &mut Scratch) {
    for rrset in &input.node.rrsets {
        let (name, qtype) = (&input.name, rrset.rtype());
        let sections = sections(input, rrset);
        let whole = message::encode(name, qtype, 0, &sections);
        decodes_to(&whole, &sections);
        let without_soa = message::encode(
            name,
            qtype,
            0,
            &Sections {
                soa: None,
                ..sections.clone()
            },
        );
        // A label with a zero octet passes.
        let is_scanned = !name.labels().any(|label| label.contains(&0));
        let answered = respond_from(scratch, &query(name, qtype), held);
        if let Some(response) = &answered {
            let said = oracle::read(response);
            let wanted = oracle::read(&without_soa);
            assert_eq!(said.sections, wanted.sections);
            assert_eq!(response.len(), without_soa.len());
        }
        assert_eq!(answered.is_some(), is_scanned && without_soa.len() <= 512);
    }
}

fn sections(input: &Input, rrset: &RRset) -> Sections {
    let record = |rdata: &Rdata| (input.name.clone(), rrset.ttl, rdata.clone());
    let additional = |(owner, rdata): &(Name, Rdata)| (owner.clone(), rrset.ttl, rdata.clone());
    Sections {
        answer: rrset.rdata.iter().map(record).collect(),
        soa: input.soa.clone(),
        additional: rrset.additional.iter().map(additional).collect(),
    }
}

/// hickory-proto reads what was encoded: all of it, or as much from the front of a section as 64 KiB hold.
fn decodes_to(octets: &[u8], sections: &Sections) {
    let message = match Message::from_vec(octets) {
        Ok(message) => message,
        Err(error) => panic!("{error}: {octets:02x?}"),
    };
    let records = |list: &[(Name, u32, Rdata)]| -> Vec<Record> {
        let record = |(owner, ttl, rdata): &(Name, u32, Rdata)| oracle::record(owner, *ttl, rdata);
        list.iter().map(record).collect()
    };
    let (answer, additional) = (records(&sections.answer), records(&sections.additional));
    assert!(answer.starts_with(&message.answers));
    assert!(additional.starts_with(&message.additionals));
    if octets.len() < 60_000 {
        assert_eq!(answer.len(), message.answers.len());
        assert_eq!(additional.len(), message.additionals.len());
    }
    assert_eq!(
        message.authorities.len(),
        usize::from(sections.soa.is_some())
    );
    if let (Some(soa), [record]) = (&sections.soa, &message.authorities[..]) {
        assert_eq!(record.name, oracle::name(&soa.zone));
        assert_eq!(record.ttl, soa.ttl);
    }
}
