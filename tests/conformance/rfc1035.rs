//! RFC 1035: messages. What is cut, contradicts itself or asks for what we do not do, and what a response copies.

use anyhow::Result;
use kerndns_tests::datagram::{Datagram, check_datagram, message, question};

use crate::cluster::site;

/// RD.
const RD: u16 = 0x0100;
/// What follows the header where the answer has one A record.
const ANSWERED: &str = "NOERROR 0 aa rd 1 1 0 0";
/// A header alone.
const FORMERR: &str = "FORMERR 0 rd 0 0 0 0";

#[test]
fn flags_and_opcodes() -> Result<()> {
    let site = site()?;
    let web = question("web.shop.svc.cluster.local.", 1, 1);
    for (section, rule, flags, header) in [
        ("4.1.1", "QR, AA and RD of an answer", RD, ANSWERED),
        ("4.1.1", "RD is copied", 0, "NOERROR 0 aa 1 1 0 0"),
        ("4.1.1", "Z must be zero in a response", RD | 0x40, ANSWERED),
        (
            "4.1.1",
            "AA, TC and RA mean nothing in a query",
            RD | 0x0680,
            ANSWERED,
        ),
        (
            "RFC 4035 3.1.6",
            "CD is copied",
            RD | 0x10,
            "NOERROR 0 aa rd cd 1 1 0 0",
        ),
        (
            "RFC 4035 3.2.3",
            "AD is not ours to set",
            RD | 0x20,
            ANSWERED,
        ),
        ("7.3", "a response is not answered", RD | 0x8000, "silence"),
        (
            "4.1.1",
            "IQUERY is not implemented",
            RD | 1 << 11,
            "NOTIMP 1 rd 0 0 0 0",
        ),
        (
            "4.1.1",
            "STATUS is not implemented",
            RD | 2 << 11,
            "NOTIMP 2 rd 0 0 0 0",
        ),
        (
            "RFC 1996",
            "NOTIFY is not implemented",
            RD | 4 << 11,
            "NOTIMP 4 rd 0 0 0 0",
        ),
        (
            "RFC 2136",
            "UPDATE is not implemented",
            RD | 5 << 11,
            "NOTIMP 5 rd 0 0 0 0",
        ),
        (
            "RFC 6895 2.2",
            "an opcode without a meaning",
            RD | 15 << 11,
            "NOTIMP 15 rd 0 0 0 0",
        ),
    ] {
        let message = message(flags, [1, 0, 0, 0], &[&web]);
        check_datagram(
            &site,
            &Datagram {
                section,
                rule,
                message,
                header,
            },
        );
    }
    Ok(())
}

#[test]
fn counts_and_what_they_count() -> Result<()> {
    let site = site()?;
    let web = question("web.shop.svc.cluster.local.", 1, 1);
    // An A record of the root.
    let record = [0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 192, 0, 2, 1];
    let cut = &record[..12];
    for (section, rule, counts, rest, header) in [
        ("RFC 9619", "no question", [0, 0, 0, 0], vec![], FORMERR),
        (
            "RFC 9619",
            "two questions",
            [2, 0, 0, 0],
            vec![&web[..], &web],
            FORMERR,
        ),
        (
            "4.1",
            "two answers in a query",
            [1, 2, 0, 0],
            vec![&web[..]],
            FORMERR,
        ),
        (
            "4.1",
            "two authorities in a query",
            [1, 0, 2, 0],
            vec![&web[..]],
            FORMERR,
        ),
        (
            "4.1",
            "three additional records",
            [1, 0, 0, 3],
            vec![&web[..]],
            FORMERR,
        ),
        // As CoreDNS: RFC 1995 has a SOA there, and a count that counts nothing does no harm.
        (
            "4.1",
            "one record each",
            [1, 1, 1, 1],
            vec![&web[..], &record, &record, &record],
            ANSWERED,
        ),
        (
            "4.1",
            "an answer counted, none there",
            [1, 1, 0, 0],
            vec![&web[..]],
            ANSWERED,
        ),
        (
            "4.1",
            "an authority counted, none there",
            [1, 0, 1, 0],
            vec![&web[..]],
            ANSWERED,
        ),
        (
            "4.1",
            "an additional record counted, none there",
            [1, 0, 0, 1],
            vec![&web[..]],
            ANSWERED,
        ),
        (
            "4.1.3",
            "a record that is cut; the question was whole",
            [1, 0, 0, 1],
            vec![&web[..], cut],
            "FORMERR 0 rd 1 0 0 0",
        ),
        (
            "4.1",
            "octets behind the message",
            [1, 0, 0, 0],
            vec![&web[..], b"\xde\xad"],
            ANSWERED,
        ),
    ] {
        let message = message(RD, counts, &rest);
        check_datagram(
            &site,
            &Datagram {
                section,
                rule,
                message,
                header,
            },
        );
    }
    Ok(())
}

#[test]
fn names_and_questions() -> Result<()> {
    let site = site()?;
    let web = question("web.shop.svc.cluster.local.", 1, 1);
    let long = question(&"a234567890123456789012345678901.".repeat(8), 1, 1);
    for (section, rule, question, header) in [
        ("4.1.2", "a question that is not there", &[][..], FORMERR),
        ("4.1.2", "a name that is cut", &web[..7], FORMERR),
        (
            "4.1.2",
            "a question without its class",
            &web[..web.len() - 2],
            FORMERR,
        ),
        (
            "4.1.4",
            "a pointer to itself",
            b"\xc0\x0c\0\x01\0\x01",
            FORMERR,
        ),
        (
            "4.1.4",
            "a label of the reserved kind",
            b"\x40abc\0\0\x01\0\x01",
            FORMERR,
        ),
        ("3.1", "a name of more than 255 octets", &long, FORMERR),
        (
            "3.1",
            "a dot within a label is no separator",
            &joined(),
            "NXDOMAIN 0 aa rd 1 0 1 0",
        ),
    ] {
        let message = message(RD, [1, 0, 0, 0], &[question]);
        check_datagram(
            &site,
            &Datagram {
                section,
                rule,
                message,
                header,
            },
        );
    }
    for (section, rule, qtype, qclass, header) in [
        (
            "3.2.4",
            "class CHAOS is not served",
            1,
            3,
            "REFUSED 0 rd 1 0 0 0",
        ),
        (
            "3.2.5",
            "class ANY is not served",
            1,
            255,
            "REFUSED 0 rd 1 0 0 0",
        ),
        (
            "RFC 5936 4.2",
            "AXFR over UDP",
            252,
            1,
            "REFUSED 0 rd 1 0 0 0",
        ),
        (
            "RFC 1995 2",
            "IXFR without transfers",
            251,
            1,
            "REFUSED 0 rd 1 0 0 0",
        ),
        (
            "RFC 8482",
            "ANY need not be all there is",
            255,
            1,
            "NOERROR 0 aa rd 1 0 1 0",
        ),
        ("RFC 6895 3.1", "type 0", 0, 1, "NOERROR 0 aa rd 1 0 1 0"),
        (
            "RFC 6895 3.1",
            "a type of private use",
            65_280,
            1,
            "NOERROR 0 aa rd 1 0 1 0",
        ),
        (
            "3.2.4",
            "class HESIOD is not served",
            1,
            4,
            "REFUSED 0 rd 1 0 0 0",
        ),
    ] {
        let asked = question("web.shop.svc.cluster.local.", qtype, qclass);
        let message = message(RD, [1, 0, 0, 0], &[&asked]);
        check_datagram(
            &site,
            &Datagram {
                section,
                rule,
                message,
                header,
            },
        );
    }
    for (rule, name, flags, header) in [
        (
            "octets beyond ASCII are octets",
            "w\u{fffd}b.shop.svc.cluster.local.",
            RD,
            "NXDOMAIN 0 aa rd 1 0 1 0",
        ),
        (
            "without RD a name of others is forwarded all the same, as CoreDNS does",
            "one.example.net.",
            0,
            "NOERROR 0 ra 1 1 0 0",
        ),
    ] {
        let message = message(flags, [1, 0, 0, 0], &[&question(name, 1, 1)]);
        let row = Datagram {
            section: "4.1.1",
            rule,
            message,
            header,
        };
        check_datagram(&site, &row);
    }
    for octets in 0..12 {
        let whole = message(RD, [1, 0, 0, 0], &[&web]);
        let row = Datagram {
            section: "4.1.1",
            rule: "less than a header is no message",
            message: whole[..octets].to_vec(),
            header: "silence",
        };
        check_datagram(&site, &row);
    }
    Ok(())
}

/// A query for `web.shop` as one label.
fn joined() -> Vec<u8> {
    let mut octets = question("web-shop.svc.cluster.local.", 1, 1);
    octets[4] = b'.';
    octets
}
