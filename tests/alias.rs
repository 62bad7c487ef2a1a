//! ExternalName in the kernel: an alias of a cluster's name and what it leads to are one answer of the programs.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use dns_agent::k8s::document;
use dns_agent::k8s::needs::Needs;
use dns_ebpf::outcome::Hook;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Record, RecordType};
use kerndns_tests::frame::Frame;
use kerndns_tests::loaded::{COREFILE, Loaded};
use kerndns_tests::query::{Edns, Query};

/// The answers of both hooks in both families, which have the same records; `None`: they pass.
fn ask(loaded: &Loaded, query: &Query) -> Result<Option<Message>> {
    let (v4, v6) = (Frame::v4(query.octets()), Frame::v6(query.octets()));
    let mut answers = Vec::new();
    for (hook, frame) in [
        (Hook::Tc, &v4),
        (Hook::Tc, &v6),
        (Hook::Xdp, &v4),
        (Hook::Xdp, &v6),
    ] {
        let response = loaded.runner.run(hook, &frame.octets())?;
        let message = response.map(|octets| frame.message_of_response(&octets));
        let message = message.transpose()?;
        let lines = message.as_ref().map(|message| query.answered_by(message));
        answers.push((lines.transpose()?, message));
    }
    ensure!(
        answers.iter().all(|(lines, _)| *lines == answers[0].0),
        "{answers:?}"
    );
    let (_, message) = answers.swap_remove(0);
    Ok(message
        .map(|message| Message::from_vec(&message))
        .transpose()?)
}

/// The answer section in order: owners, types and data.
fn answer(message: &Message) -> Vec<String> {
    let line =
        |record: &Record| format!("{} {} {}", record.name, record.record_type(), record.data);
    message.answers.iter().map(line).collect()
}

fn asked(loaded: &Loaded, name: &str, rtype: &str) -> Result<Vec<String>> {
    let query = Query::of_type(&format!("{name}.shop.svc.cluster.local"), rtype);
    let message = ask(loaded, &query.with(Edns::default()))?;
    Ok(message.as_ref().map_or(vec!["passed".to_owned()], answer))
}

/// A Service of the namespace `shop` comes or changes.
fn put(loaded: &mut Loaded, name: &str, spec: &str) -> Result<()> {
    let manifest = format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{namespace: shop, name: {name}}}\nspec: {spec}\n"
    );
    let reading = document::read(&manifest, &Needs::default());
    ensure!(reading.mistakes.is_empty(), "{:?}", reading.mistakes);
    loaded.apply(&reading.objects);
    Ok(())
}

#[test]
fn an_external_name_goes_from_one_name_to_another_to_an_address() -> Result<()> {
    let mut loaded = Loaded::with(COREFILE)?;
    let moving = "moving.shop.svc.cluster.local.";
    let led = format!("led.shop.svc.cluster.local. CNAME {moving}");
    let to_moving = "{type: ExternalName, externalName: moving.shop.svc.cluster.local}";
    put(&mut loaded, "led", to_moving)?;
    assert_eq!(
        asked(&loaded, "led", "A")?,
        std::slice::from_ref(&led),
        "NXDOMAIN"
    );
    for target in ["foo.example.com", "bar.example.com"] {
        let spec = format!("{{type: ExternalName, externalName: {target}}}");
        put(&mut loaded, "moving", &spec)?;
        let cname = format!("{moving} CNAME {target}.");
        assert_eq!(asked(&loaded, "moving", "CNAME")?, [cname]);
        assert_eq!(asked(&loaded, "moving", "A")?, ["passed"]);
        assert_eq!(asked(&loaded, "led", "A")?, ["passed"]);
    }
    let cluster_ip = "{type: ClusterIP, clusterIP: 10.96.3.1, clusterIPs: [10.96.3.1]}";
    put(&mut loaded, "moving", cluster_ip)?;
    let address = format!("{moving} A 10.96.3.1");
    assert_eq!(asked(&loaded, "moving", "CNAME")?, [""; 0]);
    assert_eq!(
        asked(&loaded, "moving", "A")?,
        std::slice::from_ref(&address)
    );
    assert_eq!(asked(&loaded, "led", "A")?, [led.clone(), address]);
    assert_eq!(asked(&loaded, "led", "AAAA")?, [led], "NODATA");
    Ok(())
}

#[test]
fn every_type_of_the_last_name_is_there_and_every_other_one_is_denied() -> Result<()> {
    let loaded = Loaded::with(COREFILE)?;
    // Name, type, RCODE, and how many records each section has.
    for (name, rtype, rcode, counts) in [
        ("to-web", "A", ResponseCode::NoError, [2, 0, 0]),
        ("to-web", "AAAA", ResponseCode::NoError, [2, 0, 0]),
        ("to-web", "SRV", ResponseCode::NoError, [3, 0, 2]),
        ("to-web", "CNAME", ResponseCode::NoError, [1, 0, 0]),
        ("to-web", "TXT", ResponseCode::NoError, [1, 1, 0]),
        ("to-web", "HTTPS", ResponseCode::NoError, [1, 1, 0]),
        ("to-web", "SOA", ResponseCode::NoError, [1, 1, 0]),
        ("to-ten", "A", ResponseCode::NoError, [11, 0, 0]),
        ("to-ten", "AAAA", ResponseCode::NoError, [1, 1, 0]),
        ("to-alias", "A", ResponseCode::NoError, [12, 0, 0]),
        ("to-alias", "MX", ResponseCode::NoError, [2, 1, 0]),
        ("to-port", "A", ResponseCode::NoError, [11, 0, 0]),
        ("to-sixty", "A", ResponseCode::NoError, [61, 0, 0]),
        ("to-svc", "A", ResponseCode::NoError, [1, 1, 0]),
        ("to-apex", "NS", ResponseCode::NoError, [2, 0, 2]),
        ("to-nothing", "A", ResponseCode::NXDomain, [1, 1, 0]),
        ("to-nothing", "HTTPS", ResponseCode::NXDomain, [1, 1, 0]),
    ] {
        let query = Query::of_type(&format!("{name}.shop.svc.cluster.local"), rtype);
        let message = ask(&loaded, &query.with(Edns::default()))?;
        let message = message.with_context(|| format!("{name} {rtype} passed"))?;
        let sections = [&message.answers, &message.authorities, &message.additionals];
        assert_eq!(message.metadata.response_code, rcode, "{name} {rtype}");
        assert_eq!(sections.map(Vec::len), counts, "{name} {rtype}: {message}");
        assert_eq!(message.answers[0].record_type(), RecordType::CNAME);
    }
    for (name, rtype) in [
        ("away", "A"),
        ("to-apex", "SOA"),
        ("to-no-pointer", "PTR"),
        ("to-pod", "A"),
        ("to-itself", "A"),
    ] {
        assert_eq!(asked(&loaded, name, rtype)?, ["passed"], "{name} {rtype}");
    }
    Ok(())
}

#[test]
fn without_edns_an_answer_has_the_alias_and_all_addresses_or_passes() -> Result<()> {
    let loaded = Loaded::with(COREFILE)?;
    let plain = |name: &str| Query::of_type(&format!("{name}.shop.svc.cluster.local"), "A");
    let ten = ask(&loaded, &plain("to-ten"))?.context("it passed")?;
    assert_eq!(ten.answers.len(), 11);
    assert!(ask(&loaded, &plain("to-sixty"))?.is_none());
    Ok(())
}

#[test]
fn with_loadbalance_addresses_change_their_order_behind_the_aliases() -> Result<()> {
    let corefile = COREFILE.replace("forward .", "loadbalance\n    forward .");
    let loaded = Loaded::with(&corefile)?;
    for (name, aliases, addresses) in [("to-alias", 2, 10), ("to-sixty", 1, 60)] {
        let first = asked(&loaded, name, "A")?;
        assert_eq!(first.len(), aliases + addresses);
        let mut heads = BTreeSet::new();
        for _ in 0..200 {
            let again = asked(&loaded, name, "A")?;
            assert_eq!(again[..aliases], first[..aliases]);
            let sorted = |lines: &[String]| lines.iter().cloned().collect::<BTreeSet<_>>();
            assert_eq!(sorted(&again), sorted(&first));
            heads.insert(again[aliases].clone());
        }
        assert!(heads.len() > addresses / 2, "{name}: {heads:?}");
    }
    Ok(())
}
