//! What the programs leave alone: each reason to pass, once, with its counter seen growing and the frame unchanged.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use dns_ebpf::fold::Seed;
use dns_ebpf::outcome::{Hook, Outcome};
use kerndns_tests::frame::Frame;
use kerndns_tests::loaded::{COREFILE, Loaded, objects};
use kerndns_tests::query::{Edns, Query};
use kerndns_tests::runner::{Context, SEED};

/// Reasons that no frame brings about here: `TEST_RUN` has room before and behind every frame (256 and 320 octets,
/// Linux 6.18), and a helper that fails is a fault of ours.
const NOT_PRODUCED: [Outcome; 2] = [Outcome::NoRoom, Outcome::Internal];

const WEB: &str = "web.shop.svc.cluster.local";

fn web() -> Query {
    Query::new(WEB, 1)
}

/// The frame passes at `hook`, for this reason.
fn passes(
    loaded: &Loaded,
    hook: Hook,
    frame: &[u8],
    context: Context,
    reason: Outcome,
) -> Result<Outcome> {
    let before = loaded.runner.count(hook, reason)?;
    let answer = loaded.runner.run_as_it_is(hook, frame, context)?;
    ensure!(answer.is_none(), "{reason:?}: answered {frame:02x?}");
    let after = loaded.runner.count(hook, reason)?;
    ensure!(after == before + 1, "not for {reason:?}: {frame:02x?}");
    Ok(reason)
}

fn at_both(loaded: &Loaded, frame: &[u8], reason: Outcome) -> Result<Outcome> {
    loaded.runner.settings().keep_alive();
    for hook in Hook::ALL {
        passes(loaded, hook, frame, Context::default(), reason)?;
    }
    Ok(reason)
}

/// The query passes in both families.
fn query_passes(loaded: &Loaded, message: &[u8], reason: Outcome) -> Result<Outcome> {
    at_both(loaded, &Frame::v4(message.to_vec()).octets(), reason)?;
    at_both(loaded, &Frame::v6(message.to_vec()).octets(), reason)
}

/// Octets of a frame changed; the IPv4 header's checksum made right again.
fn changed(frame: &[u8], changes: &[(usize, u8)]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    for &(at, octet) in changes {
        frame[at] = octet;
    }
    frame[24..26].fill(0);
    let mut sum: u32 = frame[14..34]
        .chunks(2)
        .map(|word| u32::from(word[0]) << 8 | u32::from(word[1]))
        .sum();
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    frame[24..26].copy_from_slice(&(!sum).to_be_bytes()[2..]);
    frame
}

#[test]
fn every_reason_to_pass_is_counted_under_its_name() -> Result<()> {
    let mut seen = BTreeSet::new();
    for produced in [frames()?, messages()?, names()?, states()?, tc_alone()?] {
        seen.extend(produced.into_iter().map(|outcome| outcome as u32));
    }
    for &outcome in Outcome::ALL {
        let expected = !outcome.is_answer() && !NOT_PRODUCED.contains(&outcome);
        assert_eq!(seen.contains(&(outcome as u32)), expected, "{outcome:?}");
    }
    Ok(())
}

/// Headers.
fn frames() -> Result<Vec<Outcome>> {
    let loaded = Loaded::with(COREFILE)?;
    let v4 = Frame::v4(web().octets());
    let good = v4.octets();
    let v6 = Frame::v6(web().octets()).octets();
    let both = |frame: &[u8], reason| at_both(&loaded, frame, reason);
    let mut wrong_sum = good.clone();
    wrong_sum[24] ^= 1;
    let mut without_sum = v6.clone();
    without_sum[60..62].fill(0);
    let mut hop_by_hop = v6.clone();
    hop_by_hop[20] = 0;
    let mut twice = v4.clone().tagged().octets();
    twice.splice(12..12, [0x88, 0xa8, 0, 1]);
    let mut qinq = v4.clone().tagged().octets();
    qinq.splice(12..12, [0x81, 0, 0, 1]);
    let mut elsewhere = v4.clone();
    elsewhere.destination.set_port(5353);
    let mut another = v4.clone();
    another.destination.set_ip("10.96.0.11".parse()?);
    Ok(vec![
        both(&changed(&good, &[(13, 0x06)]), Outcome::NotUdp)?,
        both(&changed(&good, &[(23, 6)]), Outcome::NotUdp)?,
        both(&hop_by_hop, Outcome::NotUdp)?,
        both(&changed(&good, &[(14, 0x46)]), Outcome::IpHeader)?,
        both(&wrong_sum, Outcome::IpHeader)?,
        // TEST_RUN makes no skb of an IP header that is cut.
        passes(
            &loaded,
            Hook::Xdp,
            &good[..30],
            Context::default(),
            Outcome::IpHeader,
        )?,
        both(&changed(&good, &[(20, 0x20)]), Outcome::Fragment)?,
        both(&changed(&good, &[(20, 0), (21, 9)]), Outcome::Fragment)?,
        both(&twice, Outcome::Vlan)?,
        both(&qinq, Outcome::Vlan)?,
        both(&changed(&good, &[(39, 200)]), Outcome::UdpHeader)?,
        both(&changed(&good, &[(34, 0), (35, 0)]), Outcome::UdpHeader)?,
        both(&good[..40], Outcome::UdpHeader)?,
        // IP says more than there is.
        both(&good[..good.len() - 1], Outcome::UdpHeader)?,
        both(&without_sum, Outcome::UdpHeader)?,
        both(&elsewhere.octets(), Outcome::OtherDestination)?,
        both(&another.octets(), Outcome::OtherDestination)?,
    ])
}

/// Messages.
fn messages() -> Result<Vec<Outcome>> {
    let loaded = Loaded::with(COREFILE)?;
    let message = web().octets();
    let pass = |message: &[u8], reason| query_passes(&loaded, message, reason);
    let with = |change: &dyn Fn(&mut Query)| {
        let mut query = web();
        change(&mut query);
        query.octets()
    };
    let edns = |edns| web().with(edns).octets();
    let mut two_questions = message.clone();
    two_questions[5] = 2;
    let mut an_answer = message.clone();
    an_answer[7] = 1;
    let padded = edns(Edns {
        options: [vec![0, 12, 1, 0xb0], vec![0; 0x1b0]].concat(),
        ..Edns::default()
    });
    Ok(vec![
        pass(&message[..16], Outcome::MessageSize)?,
        pass(&[], Outcome::MessageSize)?,
        pass(&[padded, vec![0; 50]].concat(), Outcome::MessageSize)?,
        pass(&with(&|query| query.flags = 0x8100), Outcome::Response)?,
        pass(&with(&|query| query.flags = 0x2800), Outcome::Opcode)?,
        pass(&two_questions, Outcome::Counts)?,
        pass(&an_answer, Outcome::Counts)?,
        pass(&with(&|query| query.name = vec![1; 280]), Outcome::Qname)?,
        pass(&with(&|query| query.qclass = 3), Outcome::Class)?,
        pass(&with(&|query| query.qclass = 255), Outcome::Class)?,
        pass(&with(&|query| query.qtype = 252), Outcome::MetaType)?,
        pass(&with(&|query| query.qtype = 251), Outcome::MetaType)?,
        pass(&with(&|query| query.qtype = 255), Outcome::MetaType)?,
        pass(&[message.clone(), vec![0]].concat(), Outcome::Additional)?,
        pass(
            &edns(Edns {
                options: vec![0, 10, 0, 9, 1],
                ..Edns::default()
            }),
            Outcome::Additional,
        )?,
        pass(
            &edns(Edns {
                version: 1,
                ..Edns::default()
            }),
            Outcome::EdnsVersion,
        )?,
    ])
}

/// Names.
fn names() -> Result<Vec<Outcome>> {
    let loaded = Loaded::with(COREFILE)?;
    let pass = |name: &str, qtype, reason| {
        query_passes(&loaded, &Query::new(name, qtype).octets(), reason)
    };
    let with_nsid = Loaded::with(&COREFILE.replace("errors", "nsid node-1"))?;
    let with_autopath = Loaded::with(&COREFILE.replace("errors", "autopath @kubernetes"))?;
    let with_zonal = Loaded::with(&COREFILE.replace("ttl 30", "zonal"))?;
    let zonal = Query::new("z.pin._zone.no.shop.svc.cluster.local", 1).octets();
    let missing = Query::new("no.shop.svc.cluster.local", 1).octets();
    let asking = Query::new(WEB, 1).with(Edns {
        options: vec![0, 3, 0, 0],
        ..Edns::default()
    });
    let mut within_a_label = Query::new("", 1);
    within_a_label.name = [b"\x0ex\x07cluster\x05local", &[0][..]].concat();
    let mut zone_alone = Loaded::empty(SEED)?;
    zone_alone.configure("cluster.local {\n kubernetes\n}\n")?;
    zone_alone.apply(&objects()?);
    let outside = Query::new("www.example.com", 1).octets();
    Ok(vec![
        pass("away.shop.svc.cluster.local", 1, Outcome::Alias)?,
        pass("away.shop.svc.cluster.local", 16, Outcome::Alias)?,
        pass("sixty.shop.svc.cluster.local", 1, Outcome::TooLarge)?,
        pass("hundred.shop.svc.cluster.local", 1, Outcome::TooLarge)?,
        pass("www.example.com", 1, Outcome::OtherServer)?,
        pass("1.2.3.10.in-addr.arpa", 12, Outcome::Fallthrough)?,
        pass("1-2-3-4.shop.pod.cluster.local", 1, Outcome::PodName)?,
        pass("nothing.pod.cluster.local", 1, Outcome::PodName)?,
        query_passes(&loaded, &within_a_label.octets(), Outcome::Labels)?,
        query_passes(&zone_alone, &outside, Outcome::OutOfZone)?,
        query_passes(&with_nsid, &asking.octets(), Outcome::Nsid)?,
        query_passes(&with_zonal, &zonal, Outcome::ZonalName)?,
        query_passes(&with_autopath, &missing, Outcome::Autopath)?,
    ])
}

/// What the agent says, and collisions.
fn states() -> Result<Vec<Outcome>> {
    let mut seen = Vec::new();
    let mut loaded = Loaded::empty(SEED)?;
    loaded.configure(COREFILE)?;
    loaded.apply(&objects()?);
    // Before the full list: what is there is answered, nothing is denied.
    loaded.runner.settings().keep_alive();
    for frame in [Frame::v4(web().octets()), Frame::v6(web().octets())] {
        for hook in Hook::ALL {
            let answer = loaded.runner.run(hook, &frame.octets())?;
            frame.message_of_response(&answer.context("it passed")?)?;
        }
    }
    let denied = Query::new("no.shop.svc.cluster.local", 1).octets();
    let no_data = Query::new(WEB, 16).octets();
    for message in [&denied, &no_data] {
        seen.push(query_passes(&loaded, message, Outcome::Incomplete)?);
    }
    loaded.list(&objects()?);
    for message in [&denied, &no_data] {
        let updating = || query_passes(&loaded, message, Outcome::Updating);
        seen.push(loaded.runner.settings().change(updating)?);
    }
    loaded.runner.settings().stand_down();
    for hook in Hook::ALL {
        let frame = Frame::v4(web().octets()).octets();
        let context = Context::default();
        seen.push(passes(&loaded, hook, &frame, context, Outcome::Stale)?);
    }
    // All keys are 0: one name is held, and found for every other.
    let mut colliding = Loaded::empty(Seed {
        start: 0,
        factor: 0,
    })?;
    colliding.configure(COREFILE)?;
    colliding.apply(&objects()?);
    seen.push(query_passes(&colliding, &denied, Outcome::OtherName)?);
    Ok(seen)
}

/// What only tc can see.
fn tc_alone() -> Result<Vec<Outcome>> {
    let loaded = Loaded::with(COREFILE)?;
    let frame = Frame::v4(web().octets());
    loaded.runner.settings().keep_alive();
    let pass = |frame: &[u8], context, reason| passes(&loaded, Hook::Tc, frame, context, reason);
    let segments = Context { gso_size: 1000 };
    Ok(vec![
        pass(
            &frame.clone().tagged().octets(),
            Context::default(),
            Outcome::Vlan,
        )?,
        pass(&frame.octets(), segments, Outcome::Gso)?,
    ])
}
