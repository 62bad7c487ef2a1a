//! Aliases that are held with what they lead to: the CNAME record first, then the addresses in any order, or a denial
//! with the RCODE of the last name (RFC 1034 4.3.2, RFC 6604 3).

mod held;

use std::collections::BTreeSet;

use dns_ebpf::arena::flag;
use dns_ebpf::outcome::Outcome;
use dns_ebpf::zone::{self, Zone};
use held::{A, AAAA, CNAME, Held, Records, TXT, addresses, alias, ask, name, query, with_opt};

const COMPLETE: u32 = zone::flag::USED | zone::flag::SERVED | zone::flag::COMPLETE;
const END: u8 = flag::ALIAS | flag::END;

/// An alias `owner` of `target` in the zone `zone`, whose CNAME record is the first set.
fn hold(owner: &str, target: &str, flags: u8, state: u32, mut ends: Vec<Records>) -> Held {
    let mut zone = Zone::new(&name("zone"));
    zone.flags = state;
    let mut held = Held::new(&[zone]);
    ends.insert(
        0,
        Records {
            rtype: CNAME,
            ..alias(&name(target), None)
        },
    );
    held.put(&name(owner), (0, name("zone").len()), flags, &ends);
    held
}

#[test]
fn the_alias_stays_before_addresses_in_any_order_and_at_any_place() {
    for (rtype, stride, most) in [(A, 16, 40), (AAAA, 28, 25)] {
        for length in 1..=63 {
            let (owner, target) = (
                format!("{}.zone", "o".repeat(length)),
                "t".repeat(64 - length),
            );
            let count = 2 + u8::try_from(length).unwrap() % (most - 1);
            let end = addresses(rtype, count, stride);
            let set = alias(&name(&target), Some(&end));
            let held = hold(
                &owner,
                &target,
                flag::ALIAS | flag::SHUFFLE,
                COMPLETE,
                vec![set.clone()],
            );
            let message = with_opt(query(&name(&owner), rtype), 1232, 0, 0, &[]);
            let (question, fixed) = (message.len() - 11, usize::from(set.fixed));
            let mut orders = BTreeSet::new();
            for draw in [0, 0x8000_0000, u32::MAX, 0x1234_5678] {
                held.draw.set(draw);
                let response = ask(&held, &message).unwrap();
                assert_eq!(response[6..8], (u16::from(count) + 1).to_be_bytes());
                let records = &response[question..response.len() - 11];
                assert_eq!(records[..fixed], set.octets[..fixed], "{owner}");
                let order: Vec<&[u8]> = records[fixed..].chunks(stride.into()).collect();
                let sent: BTreeSet<&[u8]> = order.iter().copied().collect();
                assert_eq!(sent, end.octets.chunks(stride.into()).collect(), "{owner}");
                orders.insert(order.concat());
            }
            assert!(orders.len() > 1, "{owner}");
        }
    }
}

#[test]
fn an_alias_of_more_octets_than_are_shuffled_is_put_behind_the_question_whole() {
    // Eight records of 64 octets: as many as `order::FIXED` holds.
    let mut set = alias(&name("t"), Some(&addresses(A, 2, 16)));
    let cname = alias(&name(&"t".repeat(50)), None).octets;
    assert_eq!(cname.len(), 64);
    set.octets = [cname.repeat(8), addresses(A, 2, 16).octets].concat();
    (set.fixed, set.answers) = (512, 10);
    let held = hold(
        "o.zone",
        "t",
        flag::ALIAS | flag::SHUFFLE,
        COMPLETE,
        vec![set],
    );
    let message = with_opt(query(&name("o.zone"), A), 1232, 0, 0, &[]);
    let response = ask(&held, &message).unwrap();
    let question = message.len() - 11;
    assert_eq!(response[question..question + 512], cname.repeat(8));
}

#[test]
fn what_the_last_name_does_not_have_is_denied_behind_the_alias() {
    for (gone, rcode) in [(0, 0), (flag::GONE, 3)] {
        for length in 1..=63 {
            let owner = format!("{}.zone", "o".repeat(length));
            let rest = alias(&name("target.zone"), None);
            let held = hold(
                &owner,
                "target.zone",
                END | gone,
                COMPLETE,
                vec![rest.clone()],
            );
            let message = query(&name(&owner), TXT);
            let response = ask(&held, &message).unwrap();
            assert_eq!(response[2..4], [0x85, rcode]);
            assert_eq!(response[4..12], [0, 1, 0, 1, 0, 1, 0, 0]);
            let behind = &response[message.len()..];
            assert_eq!(behind[..rest.octets.len()], rest.octets);
            assert_eq!(behind.len(), rest.octets.len() + dns_ebpf::negative::SOA);
        }
    }
}

#[test]
fn an_alias_is_denied_only_where_all_is_known_and_it_fits() {
    let told = |flags, state, target: &str, rtype| {
        let rest = alias(&name(target), None);
        let held = hold("o.zone", target, flags, state, vec![rest]);
        ask(&held, &query(&name("o.zone"), rtype)).err()
    };
    let incomplete = zone::flag::USED | zone::flag::SERVED;
    assert_eq!(told(END, COMPLETE, "t.zone", A), None);
    assert_eq!(
        told(END, incomplete, "t.zone", A),
        Some(Outcome::Incomplete)
    );
    assert_eq!(told(END, incomplete, "t.zone", CNAME), None);
    assert_eq!(
        told(flag::ALIAS, COMPLETE, "t.zone", A),
        Some(Outcome::Alias)
    );
    let held = hold("o.zone", "t", END, COMPLETE, vec![alias(&name("t"), None)]);
    held.epoch_step.set(2);
    let denied = ask(&held, &query(&name("o.zone"), A));
    assert_eq!(denied.err(), Some(Outcome::Updating));
    // Eight records of 64 octets fit 1,232 octets and not 512.
    let mut rest = alias(&name(&"t".repeat(50)), None);
    rest.octets = rest.octets.repeat(8);
    rest.answers = 8;
    let held = hold("o.zone", "t", END, COMPLETE, vec![rest]);
    let message = query(&name("o.zone"), A);
    assert_eq!(ask(&held, &message).err(), Some(Outcome::TooLarge));
    assert!(ask(&held, &with_opt(message, 1232, 0, 0, &[])).is_ok());
}
