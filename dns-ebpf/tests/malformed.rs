//! Queries and frames that are cut, or wrong in one octet: never a panic (these tests run with debug
//! assertions and overflow checks), never an answer to what was not asked (RFC 1035 4.1).

mod held;

use dns_ebpf::arena::flag;
use dns_ebpf::net;
use dns_ebpf::scratch::Scratch;
use dns_ebpf::zone::{self, Zone};
use held::{
    A, AAAA, CNAME, Held, Records, SOA, SRV, TXT, addresses, alias, ask_in, name, query, text,
    with_opt,
};

fn held() -> Held {
    let mut zone = Zone::new(&name("cluster.local"));
    zone.flags = zone::flag::USED | zone::flag::SERVED | zone::flag::COMPLETE;
    let mut held = Held::new(&[zone]);
    let zone = (0, name("cluster.local").len());
    held.put(&name("cluster.local"), zone, flag::APEX, &[]);
    let sets = [addresses(A, 3, 16), addresses(AAAA, 20, 28), text(7)];
    held.put(&name("web.svc.cluster.local"), zone, flag::SHUFFLE, &sets);
    let away = Records {
        rtype: CNAME,
        ..text(4)
    };
    held.put(&name("away.svc.cluster.local"), zone, flag::ALIAS, &[away]);
    let led = [
        alias(&name("web.svc"), Some(&addresses(A, 3, 16))),
        alias(&name("web.svc"), None),
    ];
    let flags = flag::ALIAS | flag::END | flag::SHUFFLE;
    held.put(&name("led.svc.cluster.local"), zone, flags, &led);
    held
}

/// Queries of each kind of answer, with and without EDNS; each is answered.
fn samples() -> Vec<Vec<u8>> {
    let mut samples = Vec::new();
    for (text, rtype) in [
        ("cluster.local", SOA),
        ("web.svc.cluster.local", A),
        ("WEB.svc.Cluster.LOCAL", TXT),
        ("web.svc.cluster.local", SRV),
        ("away.svc.cluster.local", CNAME),
        ("led.svc.cluster.local", A),
        ("led.svc.cluster.local", TXT),
        ("nothing.svc.cluster.local", AAAA),
    ] {
        let plain = query(&name(text), rtype);
        samples.push(with_opt(plain.clone(), 1232, 0, 0x8000, &[]));
        samples.push(with_opt(plain.clone(), 4096, 0, 0, COOKIE));
        samples.push(plain);
    }
    samples.push(with_opt(
        query(&name("web.svc.cluster.local"), AAAA),
        1232,
        0,
        0,
        &[],
    ));
    samples
}

/// A client's COOKIE option (RFC 7873 4).
const COOKIE: &[u8] = &[0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8];

#[test]
fn every_truncation_of_a_query_passes() {
    let held = held();
    for sample in samples() {
        let mut scratch = Box::new(Scratch::ZERO);
        assert!(
            ask_in(&mut scratch, &held, &sample, sample.len()).is_ok(),
            "{sample:x?}"
        );
        for len in 0..sample.len() {
            let mut fresh = Box::new(Scratch::ZERO);
            let cut = ask_in(&mut fresh, &held, &sample[..len], len);
            assert!(cut.is_err(), "{len} octets of {sample:x?}");
            // The rest of the last query is still in the kernel's memory, and is not part of this one.
            let cut = ask_in(&mut scratch, &held, &sample, len);
            assert!(
                cut.is_err(),
                "{len} octets of {sample:x?} with the rest behind them"
            );
        }
    }
}

#[test]
fn a_query_wrong_in_one_octet_passes_or_its_own_question_is_answered() {
    let held = held();
    let mut scratch = Box::new(Scratch::ZERO);
    let (mut answers, mut passes) = (0, 0);
    for sample in samples() {
        for at in 0..sample.len() {
            for octet in 0..=255 {
                let mut message = sample.clone();
                message[at] = octet;
                let Ok((_, response)) = ask_in(&mut scratch, &held, &message, message.len()) else {
                    passes += 1;
                    continue;
                };
                answers += 1;
                assert_eq!(response[..2], message[..2], "another ID: {message:x?}");
                let question = 12..message.len().min(reply_front(&message));
                assert_eq!(
                    response[question.clone()],
                    message[question],
                    "{message:x?}"
                );
                assert!(response.len() <= 1232, "{message:x?}");
            }
        }
    }
    println!("{answers} answers, {passes} passes");
    assert!(answers > 10_000 && passes > 10_000);
}

/// Where the question of a message ends.
fn reply_front(message: &[u8]) -> usize {
    let name = message[12..].iter().position(|&octet| octet == 0);
    12 + name.unwrap_or(message.len()) + 5
}

#[test]
fn octets_after_a_message_pass() {
    let held = held();
    let mut scratch = Box::new(Scratch::ZERO);
    for mut sample in samples() {
        sample.push(0);
        assert!(
            ask_in(&mut scratch, &held, &sample, sample.len()).is_err(),
            "{sample:x?}"
        );
    }
}

#[test]
fn a_frame_cut_or_wrong_in_one_octet_is_never_read_past_its_end() {
    let v4 = b"\x02\0\0\0\0\x01\x02\0\0\0\0\x02\x08\0\
        \x45\0\0\x20\0\0\x40\0\x40\x11\x26\x62\x0a\0\0\x02\x0a\x60\0\x0a\
        \xc0\0\0\x35\0\x0c\0\0abcd";
    let v6 = b"\x02\0\0\0\0\x01\x02\0\0\0\0\x02\x81\0\0\x05\x86\xdd\
        \x60\0\0\0\0\x0c\x11\x40\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x02\xfd\0\0\x60\0\0\0\0\0\0\0\0\0\0\0\x0a\
        \xc0\0\0\x35\0\x0c\xab\xcdabcd";
    for frame in [&v4[..], v6] {
        let headers = frame.len() - 4;
        let layout = net::parse(&frame, true).unwrap();
        assert_eq!((layout.headers, layout.message), (headers, 4));
        assert_eq!(layout.destination.port, 53);
        for len in 0..headers {
            assert!(net::parse(&&frame[..len], true).is_err(), "{len} octets");
        }
        for at in 0..frame.len() {
            for octet in 0..=255 {
                let mut frame = frame.to_vec();
                frame[at] = octet;
                if let Ok(layout) = net::parse(&&frame[..], true) {
                    assert_eq!((layout.headers, layout.message), (headers, 4));
                }
            }
        }
    }
}
