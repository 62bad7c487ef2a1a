//! Whole messages in, responses for one client out.

use super::*;
use crate::serve::query::Transport;
use crate::serve::sample::{
    OPT_1232, a_record, addresses, counts, is_truncated, message, parsed, plain, question,
    with_edns,
};

fn udp(octets: Vec<u8>) -> Query {
    parsed(octets, Transport::Udp)
}

#[test]
fn id_and_case_are_the_clients() {
    let query = udp(plain("WWW.Example.com", 1));
    let mut answer = addresses(&plain("www.example.COM", 1), 2, false);
    answer[..2].copy_from_slice(b"\xff\xff");
    let expected = addresses(query.octets(), 2, false);
    assert_eq!(fit(&query, &answer), Some(expected));
}

#[test]
fn another_question_is_not_the_response() {
    let query = udp(plain("www.example.com", 1));
    for other in [
        plain("www.example.org", 1),
        plain("www.example.com", 28),
        plain("www.example.com.test", 1),
        plain(".", 1),
    ] {
        assert_eq!(fit(&query, &addresses(&other, 1, false)), None);
    }
    let mut chaos = addresses(query.octets(), 1, false);
    chaos[12 + query.question_octets().len() - 1] = 3;
    assert_eq!(fit(&query, &chaos), None);
    assert_eq!(fit(&query, &message(0x8180, [0, 0, 0, 0], &[])), None);
}

#[test]
fn whole_answers_are_kept_as_far_as_they_fit_and_tc_says_so() {
    let answer = addresses(&plain("www.example.com", 1), 60, false);
    // 12 + 21 octets of header and question, 16 of each record.
    for (query, kept, length) in [
        (plain("www.example.com", 1), 29, 33 + 29 * 16),
        (with_edns("www.example.com", 1), 60, 33 + 60 * 16 + 11),
    ] {
        let edns = counts(&query)[3];
        let response = fit(&udp(query), &answer).unwrap();
        assert_eq!(counts(&response), [1, kept, 0, edns]);
        assert_eq!(response.len(), length);
        assert_eq!(is_truncated(&response), kept < 60);
    }
    let tcp = parsed(plain("www.example.com", 1), Transport::Tcp);
    assert_eq!(fit(&tcp, &answer), Some(answer));
}

#[test]
fn missing_additional_records_are_no_truncation() {
    let asked = question("www.example.com", 1);
    let mut body = asked.clone();
    for last in 0..40 {
        body.extend(a_record([192, 0, 2, last]));
    }
    let query = udp(plain("www.example.com", 1));
    let additional = fit(&query, &message(0x8180, [1, 20, 0, 20], &body)).unwrap();
    assert_eq!(
        (counts(&additional), is_truncated(&additional)),
        ([1, 20, 0, 0], false)
    );
    let authority = fit(&query, &message(0x8180, [1, 0, 40, 0], &body)).unwrap();
    assert_eq!(
        (counts(&authority), is_truncated(&authority)),
        ([1, 0, 29, 0], true)
    );
}

/// An A record of an owner that is spelled out.
fn owned(owner: &str, last: u8) -> Vec<u8> {
    let name = question(owner, 1);
    let record = a_record([192, 0, 2, last]);
    [&name[..name.len() - 4], &record[2..]].concat()
}

#[test]
fn an_additional_rrset_is_kept_whole_or_not_at_all() {
    let asked = question("www.example.com", 1);
    let query = udp(plain("www.example.com", 1));
    // 33 octets of header and question, 16 of an answer, 21 of each additional record.
    let answer = a_record([192, 0, 2, 1]);
    for (owners, kept) in [
        (["aaaaa"; 22].to_vec(), 22),
        (["aaaaa"; 23].to_vec(), 0),
        ([vec!["aaaaa"; 10], vec!["bbbbb"; 13]].concat(), 10),
        (
            [vec!["aaaaa"; 10], ["BBBBB", "bbbbb"].repeat(7)].concat(),
            10,
        ),
        // In pieces: one set that is cut takes the other one along.
        (
            [vec!["ccccc"; 4], ["aaaaa", "bbbbb"].repeat(10)].concat(),
            4,
        ),
        (
            [vec!["aaaaa"; 3], vec!["bbbbb"; 19], vec!["aaaaa"]].concat(),
            0,
        ),
    ] {
        let mut body = [&asked[..], &answer].concat();
        for owner in &owners {
            body.extend(owned(owner, 7));
        }
        let additional = u16::try_from(owners.len()).unwrap();
        let response = fit(&query, &message(0x8180, [1, 1, 0, additional], &body)).unwrap();
        assert_eq!(counts(&response), [1, 1, 0, kept], "{owners:?}");
        assert_eq!(response.len(), 49 + usize::from(kept) * 21);
        assert!(!is_truncated(&response));
    }
}

#[test]
fn the_opt_is_ours_or_none() {
    let asked = question("www.example.com", 1);
    let upstream = b"\0\0\x29\xff\xff\x01\0\x80\0\0\x08\0\x0a\0\x04abcd";
    let body = [&asked, &a_record([192, 0, 2, 1])[..], upstream].concat();
    let answer = message(0x81a0, [1, 1, 0, 1], &body);
    let plain = fit(&udp(plain("www.example.com", 1)), &answer).unwrap();
    let body = &body[..body.len() - upstream.len()];
    assert_eq!(plain, message(0x81a0, [1, 1, 0, 0], body));
    let edns = fit(&udp(with_edns("www.example.com", 1)), &answer).unwrap();
    // The extended RCODE is the message's, DO the client's.
    let ours = b"\0\0\x29\x04\xd0\x01\0\0\0\0\0";
    assert_eq!(edns, message(0x81a0, [1, 1, 0, 1], &[body, ours].concat()));
}

#[test]
fn what_follows_an_opt_is_left_out() {
    let asked = question("www.example.com", 1);
    let body = [&asked, OPT_1232, &a_record([192, 0, 2, 1])].concat();
    let response = fit(
        &udp(plain("www.example.com", 1)),
        &message(0x8180, [1, 0, 0, 2], &body),
    );
    assert_eq!(response, Some(message(0x8180, [1, 0, 0, 0], &asked)));
}

#[test]
fn no_truncation_or_flipped_octet_of_a_message_panics_or_exceeds_the_limit() {
    let query = udp(with_edns("www.example.com", 1));
    let mut sample = addresses(query.octets(), 3, false);
    sample.extend(OPT_1232);
    sample[11] = 1;
    for end in 0..=sample.len() {
        if let Some(response) = fit(&query, &sample[..end]) {
            assert!(response.len() <= 1232);
        }
    }
    for at in 0..sample.len() {
        for octet in [0, 1, 0x29, 0x3f, 0x40, 0xc0, 0xff] {
            let mut changed = sample.clone();
            changed[at] = octet;
            if let Some(response) = fit(&query, &changed) {
                assert!(response.len() <= 1232);
                assert_eq!(response[..2], query.octets()[..2]);
            }
        }
    }
}
