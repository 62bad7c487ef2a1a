//! Addresses in an order drawn per answer: a permutation always, each order and each first address reached
//! (RFC 1794 3).

mod held;

use std::collections::{BTreeMap, BTreeSet};

use dns_ebpf::arena::flag;
use dns_ebpf::order::SHUFFLED;
use dns_ebpf::zone::{self, Zone};
use held::{A, AAAA, Held, addresses, ask, name, query, with_opt};

/// The last octet of each address in the answer.
fn order(held: &Held, rtype: u16, count: usize) -> Vec<u8> {
    let message = with_opt(query(&name("a.zone"), rtype), 1232, 0, 0, &[]);
    let response = ask(held, &message).expect("an answer");
    let stride = if rtype == A { 16 } else { 28 };
    let start = message.len() - 11;
    let records = &response[start..start + count * stride];
    records
        .chunks(stride)
        .map(|record| record[stride - 1])
        .collect()
}

fn hold(rtype: u16, count: u8, flags: u8) -> Held {
    let mut zone = Zone::new(&name("zone"));
    zone.flags = zone::flag::USED | zone::flag::SERVED | zone::flag::COMPLETE;
    let mut held = Held::new(&[zone]);
    let stride = if rtype == A { 16 } else { 28 };
    let sets = [addresses(rtype, count, stride)];
    held.put(&name("a.zone"), (0, name("zone").len()), flags, &sets);
    held
}

/// Draws as the kernel's generator makes them: all 32 bits in use.
fn draws() -> impl Iterator<Item = u32> {
    (0u32..6000).map(|i| i.wrapping_mul(0x9e37_79b9) ^ 0x5bd1_e995)
}

#[test]
fn three_addresses_come_in_all_six_orders_and_about_equally_often() {
    for rtype in [A, AAAA] {
        let held = hold(rtype, 3, flag::SHUFFLE);
        let mut seen = BTreeMap::new();
        for draw in draws() {
            held.draw.set(draw);
            *seen.entry(order(&held, rtype, 3)).or_insert(0) += 1;
        }
        assert_eq!(seen.len(), 6, "{seen:?}");
        assert!(
            seen.values().all(|&count| (700..1300).contains(&count)),
            "{seen:?}"
        );
    }
}

#[test]
fn every_order_holds_each_address_once_and_each_address_comes_first() {
    // 1,232 octets hold 74 A or 42 AAAA records behind this question and OPT.
    for (rtype, most) in [(A, 74), (AAAA, 42)] {
        for count in 1..=most {
            let held = hold(rtype, count, flag::SHUFFLE);
            let mut first = BTreeSet::new();
            for draw in draws().take(1000) {
                held.draw.set(draw);
                let mut order = order(&held, rtype, count.into());
                first.insert(order[0]);
                order.sort_unstable();
                assert!(
                    order.into_iter().eq(0..count),
                    "type {rtype}, {count} addresses"
                );
            }
            assert_eq!(
                first.len(),
                usize::from(count),
                "type {rtype}, {count} addresses"
            );
        }
    }
}

#[test]
fn more_addresses_than_are_shuffled_keep_their_order_from_a_drawn_first_one() {
    let count = SHUFFLED + 1;
    let held = hold(A, 17, flag::SHUFFLE);
    for draw in draws().take(100).chain([0, u32::MAX]) {
        held.draw.set(draw);
        let order = order(&held, A, count);
        for (before, after) in order.iter().zip(&order[1..]) {
            assert_eq!(usize::from(*after), (usize::from(*before) + 1) % count);
        }
    }
}

#[test]
fn without_loadbalance_the_order_stays() {
    for count in [2, 16, 17, 40] {
        let held = hold(A, count, 0);
        for draw in [0, 1, 0x8000_0000, u32::MAX] {
            held.draw.set(draw);
            assert!(order(&held, A, count.into()).into_iter().eq(0..count));
        }
    }
}
