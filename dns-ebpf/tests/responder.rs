//! A query to a response or to its reason to pass, each reason once; names of every length; denials
//! (RFC 1034 4.3.2, RFC 2308, RFC 6891).

mod held;

use dns_ebpf::arena::flag;
use dns_ebpf::net;
use dns_ebpf::outcome::Outcome;
use dns_ebpf::zone::{self, Zone};
use held::{A, AAAA, CNAME, Held, Records, SOA, TXT, addresses, ask, name, query, text, with_opt};

const SERVED: u32 = zone::flag::USED | zone::flag::SERVED | zone::flag::COMPLETE;

fn cut(text: &str, flags: u32) -> Zone {
    let mut zone = Zone::new(&name(text));
    (zone.flags, zone.serial, zone.ttl) = (flags, 0x0102_0304, 30);
    zone
}

fn held() -> Held {
    let mut held = Held::new(&[
        cut("10.in-addr.arpa", SERVED | zone::flag::FALLTHROUGH),
        cut("other.cluster.local", zone::flag::USED),
        cut("pod.cluster.local", SERVED | zone::flag::PODS),
        cut("half.test", zone::flag::USED | zone::flag::SERVED),
        cut("cluster.local", SERVED),
    ]);
    let zone = (4, name("cluster.local").len());
    held.put(&name("cluster.local"), zone, flag::APEX, &[]);
    held.put(
        &name("web.cluster.local"),
        zone,
        0,
        &[addresses(A, 1, 0), text(5)],
    );
    held.put(&name("many.cluster.local"), zone, 0, &[addresses(A, 60, 0)]);
    let too_many = Records {
        octets: Vec::new(),
        ..addresses(A, 100, 0)
    };
    held.put(&name("toomany.cluster.local"), zone, 0, &[too_many]);
    let alias = Records {
        rtype: CNAME,
        ..text(4)
    };
    held.put(&name("away.cluster.local"), zone, flag::ALIAS, &[alias]);
    held.put(
        &name("half.test"),
        (3, name("half.test").len()),
        flag::APEX,
        &[],
    );
    held.mislead(&name("reused.cluster.local"), &name("web.cluster.local"));
    held.collide(&name("abc.cluster.local"), &name("abd.cluster.local"));
    held
}

fn outcome(held: &Held, message: &[u8]) -> Outcome {
    match ask(held, message) {
        Ok(response) => match (
            response[3] & 15,
            u16::from_be_bytes([response[6], response[7]]),
        ) {
            (3, _) => Outcome::NxDomain,
            (_, 0) => Outcome::NoData,
            _ => Outcome::Answer,
        },
        Err(outcome) => outcome,
    }
}

#[test]
fn each_query_has_its_outcome() {
    let held = held();
    let web = query(&name("web.cluster.local"), A);
    let changed = |at: usize, octet: u8| {
        let mut message = web.clone();
        message[at] = octet;
        message
    };
    let ask_for = |text: &str, rtype| query(&name(text), rtype);
    let opt = |version, options: &[u8]| with_opt(web.clone(), 1232, version, 0, options);
    let dotted = [b"\x0ex\x07cluster\x05local"[..].to_vec(), vec![0]].concat();
    let class = web.len() - 1;
    let long = [web.clone(), vec![0; 500]].concat();
    let rows = [
        (Outcome::Answer, web.clone()),
        (Outcome::NoData, ask_for("web.cluster.local", AAAA)),
        (Outcome::NxDomain, ask_for("no.cluster.local", A)),
        (Outcome::NxDomain, ask_for("below.web.cluster.local", A)),
        (Outcome::Answer, ask_for("cluster.local", SOA)),
        (Outcome::NoData, ask_for("web.cluster.local", SOA)),
        (Outcome::Answer, ask_for("away.cluster.local", CNAME)),
        (Outcome::MessageSize, web[..16].to_vec()),
        (Outcome::MessageSize, long),
        (Outcome::Response, changed(2, 0x81)),
        (Outcome::Opcode, changed(2, 0x29)),
        (Outcome::Counts, changed(5, 2)),
        (Outcome::Counts, changed(7, 1)),
        (Outcome::Counts, changed(11, 2)),
        (Outcome::Qname, query(&[1; 300], A)),
        (Outcome::Class, changed(class, 3)),
        (Outcome::MetaType, ask_for("web.cluster.local", 252)),
        (Outcome::MetaType, ask_for("web.cluster.local", 255)),
        (Outcome::Additional, changed(11, 1)),
        (Outcome::Additional, opt(0, &[0, 10, 0, 9, 1])),
        (Outcome::Additional, opt(0, &[0; 9 * 4])),
        (Outcome::Answer, opt(0, &[0; 8 * 4])),
        (Outcome::EdnsVersion, opt(1, &[])),
        (Outcome::OtherName, ask_for("reused.cluster.local", A)),
        (Outcome::OtherName, ask_for("abc.cluster.local", A)),
        (Outcome::Alias, ask_for("away.cluster.local", A)),
        (Outcome::TooLarge, ask_for("many.cluster.local", A)),
        (Outcome::TooLarge, ask_for("toomany.cluster.local", A)),
        (
            Outcome::Answer,
            with_opt(ask_for("many.cluster.local", A), 1232, 0, 0, &[]),
        ),
        (Outcome::OutOfZone, ask_for("example.com", A)),
        (Outcome::OutOfZone, ask_for("", A)),
        (Outcome::OtherServer, ask_for("x.other.cluster.local", A)),
        (Outcome::Fallthrough, ask_for("1.0.0.10.in-addr.arpa", 12)),
        (Outcome::PodName, ask_for("1-2-3-4.ns.pod.cluster.local", A)),
        (Outcome::Incomplete, ask_for("x.half.test", A)),
        (Outcome::Incomplete, ask_for("half.test", A)),
        (Outcome::Labels, query(&dotted, A)),
        (Outcome::OutOfZone, ask_for("xcluster.local", A)),
    ];
    for (expected, message) in rows {
        assert_eq!(
            outcome(&held, &message),
            expected,
            "{}",
            message.escape_ascii()
        );
    }
}

#[test]
fn only_with_nsid_do_queries_for_the_servers_identity_pass() {
    let mut held = held();
    let web = query(&name("web.cluster.local"), A);
    let asking = |options| with_opt(web.clone(), 1232, 0, 0, options);
    for (options, with_nsid) in [
        (&[0, 3, 0, 0][..], Outcome::Nsid),
        (&[0, 10, 0, 2, 0, 3, 0, 3, 0, 0], Outcome::Nsid),
        (&[0, 3, 0, 0, 0, 10, 0, 2, 0, 3], Outcome::Nsid),
        (&[0, 10, 0, 4, 0, 3, 0, 0], Outcome::Answer),
        (&[3, 0, 0, 0], Outcome::Answer),
        (&[], Outcome::Answer),
    ] {
        held.nsid = false;
        assert_eq!(
            outcome(&held, &asking(options)),
            Outcome::Answer,
            "{options:?}"
        );
        held.nsid = true;
        assert_eq!(outcome(&held, &asking(options)), with_nsid, "{options:?}");
    }
}

#[test]
fn denials_pass_while_names_are_being_changed_and_answers_do_not() {
    let held = held();
    let (web, no) = (name("web.cluster.local"), name("no.cluster.local"));
    let denied = [
        query(&no, A),
        query(&web, AAAA),
        query(&name("cluster.local"), SOA),
    ];
    let odd = |held: &Held| held.epoch.set(3);
    let moving = |held: &Held| (held.epoch.set(4), held.epoch_step.set(2)).0;
    for change in [&odd as &dyn Fn(&Held), &moving] {
        change(&held);
        for message in &denied {
            assert_eq!(outcome(&held, message), Outcome::Updating);
        }
        assert_eq!(outcome(&held, &query(&web, A)), Outcome::Answer);
    }
}

#[test]
fn without_zones_nothing_is_denied() {
    let mut held = held();
    held.zones = None;
    assert_eq!(
        outcome(&held, &query(&name("no.cluster.local"), A)),
        Outcome::Internal
    );
}

#[test]
fn each_frame_that_is_not_a_plain_datagram_has_its_reason() {
    let frame = b"\x02\0\0\0\0\x01\x02\0\0\0\0\x02\x08\0\
        \x45\0\0\x20\0\0\x40\0\x40\x11\x26\x62\x0a\0\0\x02\x0a\x60\0\x0a\
        \xc0\0\0\x35\0\x0c\0\0abcd";
    let outcome = |changes: &[(usize, u8)], tagged| {
        let mut frame = frame.to_vec();
        for &(at, octet) in changes {
            frame[at] = octet;
        }
        // RFC 791 3.1: the header's sum is right again.
        frame[24..26].fill(0);
        let sum = !dns_ebpf::checksum::of(&frame[14..34]);
        frame[24..26].copy_from_slice(&sum.to_ne_bytes());
        net::parse(&&frame[..], tagged).err()
    };
    assert_eq!(outcome(&[], true), None);
    assert_eq!(
        outcome(&[(12, 0x81), (16, 0x81), (17, 0)], true),
        Some(Outcome::Vlan)
    );
    assert_eq!(outcome(&[(12, 0x81)], false), Some(Outcome::Vlan));
    assert_eq!(outcome(&[(13, 6)], true), Some(Outcome::NotUdp));
    assert_eq!(outcome(&[(23, 6)], true), Some(Outcome::NotUdp));
    assert_eq!(outcome(&[(14, 0x46)], true), Some(Outcome::IpHeader));
    assert_eq!(outcome(&[(26, 224)], true), Some(Outcome::IpHeader));
    assert_eq!(outcome(&[(20, 0x20)], true), Some(Outcome::Fragment));
    assert_eq!(outcome(&[(21, 1)], true), Some(Outcome::Fragment));
    assert_eq!(outcome(&[(39, 0x0b)], true), Some(Outcome::UdpHeader));
    assert_eq!(outcome(&[(34, 0), (35, 0)], true), Some(Outcome::UdpHeader));
    let mut wrong = frame.to_vec();
    wrong[24] ^= 1;
    assert_eq!(net::parse(&&wrong[..], true).err(), Some(Outcome::IpHeader));
}

#[test]
fn a_long_zone_denies_its_own_names_and_not_those_that_end_alike() {
    let nibbles = "1.".repeat(23) + "0.0.0.0.0.d.f.ip6.arpa";
    let mut held = Held::new(&[cut(&nibbles, SERVED)]);
    held.put(&name("a"), (0, 1), 0, &[]);
    let below = query(&name(&format!("2.{nibbles}")), A);
    let beside = query(&name(&format!("2.3{}", &nibbles[1..])), A);
    assert_eq!(outcome(&held, &below), Outcome::NxDomain);
    assert_eq!(outcome(&held, &beside), Outcome::OutOfZone);
}

#[test]
fn names_of_every_length_are_found_denied_and_echoed_in_their_case() {
    let mut held = Held::new(&[cut("", SERVED)]);
    let lengths = [1].into_iter().chain(3..=255);
    for len in lengths.clone() {
        held.put(
            &long_name(len, b'a'),
            (0, 1),
            0,
            &[addresses(A, 2, 16), text(6)],
        );
    }
    for len in lengths {
        let asked: Vec<u8> = long_name(len, b'a');
        let upper = asked.to_ascii_uppercase();
        for message in [query(&upper, A), query(&upper, TXT), query(&asked, AAAA)] {
            for message in [message.clone(), with_opt(message, 1232, 0, 0, &[])] {
                let response = ask(&held, &message).unwrap();
                assert_eq!(
                    response[12..12 + len],
                    message[12..12 + len],
                    "{len} octets"
                );
                assert_eq!(response[3] & 15, 0);
            }
        }
        if len > 1 {
            let other = query(&long_name(len, b'b'), A);
            assert_eq!(outcome(&held, &other), Outcome::NxDomain, "{len} octets");
        }
    }
}

#[test]
fn labels_may_hold_octets_that_no_letter_has() {
    for letter in [0x01, 0x7f, 0x80, 0x81, 0xc3, 0xff] {
        let mut held = Held::new(&[cut("", SERVED)]);
        let asked = long_name(100, letter);
        held.put(&asked, (0, 1), 0, &[text(6)]);
        let response = ask(&held, &query(&asked, TXT)).unwrap();
        assert_eq!(response[7], 1, "{letter:#x}");
    }
}

/// A name of `len` octets in wire form, of labels as long as can be.
fn long_name(len: usize, letter: u8) -> Vec<u8> {
    let mut wire = Vec::new();
    while wire.len() + 1 < len {
        let rest = len - 1 - wire.len();
        let label = match rest {
            65 => 62,
            _ => rest.min(64) - 1,
        };
        wire.extend(u8::try_from(label));
        wire.extend(std::iter::repeat_n(letter, label));
    }
    wire.push(0);
    wire
}

#[test]
fn a_response_has_our_opt_if_the_query_had_one_and_only_then() {
    let held = held();
    let web = query(&name("web.cluster.local"), A);
    let plain = ask(&held, &web).unwrap();
    assert_eq!(plain[11], 0);
    for (flags, expected) in [(0, 0), (0x8000, 0x80)] {
        let message = with_opt(
            web.clone(),
            4096,
            0,
            flags,
            &[0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8],
        );
        let response = ask(&held, &message).unwrap();
        assert_eq!(response[11], 1);
        let opt = [0, 0, 41, 4, 0xd0, 0, 0, expected, 0, 0, 0];
        assert_eq!(response[plain.len()..], opt);
    }
}

#[test]
fn a_denial_has_the_zones_soa_with_pointers_into_the_question() {
    let held = held();
    let message = query(&name("no.Cluster.Local"), A);
    let response = ask(&held, &message).unwrap();
    assert_eq!(
        response[..12],
        [0x12, 0x34, 0x85, 3, 0, 1, 0, 0, 0, 1, 0, 0]
    );
    let soa = b"\xc0\x0f\0\x06\0\x01\0\0\0\x1e\0\x2a\
        \x02ns\x03dns\xc0\x0f\x0ahostmaster\xc0\x0f\
        \x01\x02\x03\x04\0\0\x1c\x20\0\0\x07\x08\0\x01\x51\x80\0\0\0\x1e";
    assert_eq!(response[message.len()..], soa[..]);
}
