//! What KernDNS does differently on purpose, as rules: each turns CoreDNS's response into the one that is right
//! here, where its reason holds. `docs/compatibility.md` has each rule's name with its reason.

use kerndns_tests::site::SERVICES;

use crate::facts::Facts;
use crate::message::{NOERROR, NXDOMAIN, Record, Response};
use crate::questions::{A, AAAA, ANY, CNAME, NS, PTR, Question, SOA, SRV, TXT};

/// RFC 1035 4.1.1.
const SERVFAIL: u16 = 2;

/// A deliberate difference.
pub(crate) struct Rule {
    /// As in `docs/compatibility.md`.
    pub(crate) name: &'static str,
    /// Changes CoreDNS's response to the right one, or leaves it alone.
    apply: fn(&Question, &Facts, &mut Response),
}

/// The rule of responses that do not fit, which `fit.rs` has.
pub(crate) const TRUNCATED: &str = "truncated";

/// The rule of names in data and in the additional section, which `compare.rs` has.
pub(crate) const TARGET_CASE: &str = "target-case";

/// All others, in the order in which they are applied.
pub(crate) const RULES: [Rule; 16] = [
    rule("edns-size", edns_size),
    rule("edns-options", edns_options),
    rule("below-reverse", below_reverse),
    rule("pointer-to-nowhere", pointer_to_nowhere),
    rule("own-addresses", own_addresses),
    rule("own-name-and-more", below_own_name),
    rule("alias", alias),
    rule("soa-of-missing", soa_of_missing),
    rule("txt-above", txt_above),
    rule("empty-non-terminal", empty_non_terminal),
    rule("other-types", other_types),
    rule("srv-without-underscores", srv_without_underscores),
    rule("srv-of-pod", srv_of_pod),
    rule("pod-with-colons", pod_with_colons),
    rule("type-at-reverse", type_at_reverse),
    rule("soa-minimum", soa_minimum),
];

const fn rule(name: &'static str, apply: fn(&Question, &Facts, &mut Response)) -> Rule {
    Rule { name, apply }
}

/// Makes CoreDNS's response the one that is expected; the names of the rules that changed it.
pub(crate) fn expected(
    question: &Question,
    facts: &Facts,
    response: &mut Response,
) -> Vec<&'static str> {
    let mut used = Vec::new();
    for rule in &RULES {
        let before = response.clone();
        (rule.apply)(question, facts, response);
        if *response != before {
            used.push(rule.name);
        }
    }
    used
}

fn edns_size(_: &Question, _: &Facts, response: &mut Response) {
    if let Some(edns) = &mut response.edns {
        edns.payload = 1232;
    }
}

fn edns_options(_: &Question, _: &Facts, response: &mut Response) {
    if let Some(edns) = &mut response.edns {
        edns.options = 0;
    }
}

fn soa_minimum(_: &Question, _: &Facts, response: &mut Response) {
    for record in response.authority.iter_mut().chain(&mut response.answer) {
        let ours = record.data.starts_with("ns.dns.") && record.rtype == "SOA";
        let minimum = record.data.rsplit_once(' ');
        if let Some((rest, minimum)) = minimum.filter(|_| ours) {
            let capped = minimum.parse().unwrap_or(0).min(300);
            record.data = format!("{rest} {capped}");
        }
    }
}

fn below_reverse(question: &Question, facts: &Facts, response: &mut Response) {
    if facts.reverse_above(&question.name).is_some() && question.qtype == PTR && response.aa {
        as_missing(question, facts, response);
    }
}

fn pointer_to_nowhere(question: &Question, facts: &Facts, response: &mut Response) {
    let pointers = response.aa && response.answer.iter().all(|record| record.rtype == "PTR");
    if question.qtype != PTR || !pointers || response.answer.is_empty() {
        return;
    }
    let known = facts.pointers(&question.name);
    response
        .answer
        .retain(|record| known.iter().any(|other| other.data == record.data));
    if response.answer.is_empty() {
        as_missing(question, facts, response);
    }
}

fn own_addresses(question: &Question, facts: &Facts, response: &mut Response) {
    let name = question.name.to_lowercase();
    let is_apex = |zone: &str| facts.soa(zone).is_some_and(|soa| soa.owner == zone);
    let record = |owner: &str, rtype: &str, data: &str| Record {
        owner: owner.into(),
        rtype: rtype.into(),
        ttl: facts.ttl,
        data: data.into(),
    };
    let [v4, v6] = SERVICES.map(|address| address.to_string());
    let (answer, additional) = match question.qtype {
        NS if is_apex(&name) => {
            let target = format!("ns.dns.{}", question.name);
            let glue = vec![record(&target, "A", &v4), record(&target, "AAAA", &v6)];
            (record(&question.name, "NS", &target), glue)
        }
        A | AAAA if name.strip_prefix("ns.dns.").is_some_and(is_apex) => {
            let address = match question.qtype {
                A => record(&question.name, "A", &v4),
                _ => record(&question.name, "AAAA", &v6),
            };
            (address, Vec::new())
        }
        _ => return,
    };
    response.rcode = NOERROR;
    response.aa = true;
    response.ra = false;
    response.answer = vec![answer];
    response.authority.clear();
    response.additional = additional;
}

fn below_own_name(question: &Question, facts: &Facts, response: &mut Response) {
    let prefix = format!("ns.dns.{}", facts.zone);
    let below = question.name.to_lowercase();
    let below = below
        .strip_prefix(&prefix)
        .is_some_and(|rest| !rest.is_empty());
    if below && response.aa && response.rcode == NOERROR {
        as_missing(question, facts, response);
    }
}

fn alias(question: &Question, facts: &Facts, response: &mut Response) {
    let mut aliases = facts.aliases(&question.name);
    let Some((_, last)) = aliases.last().cloned() else {
        return;
    };
    if question.qtype == CNAME {
        return;
    }
    if question.qtype == ANY {
        aliases.truncate(1);
    }
    let again = aliases
        .iter()
        .any(|(record, _)| record.owner.to_lowercase() == last);
    response.authority.clear();
    response.additional.clear();
    response.rcode = NOERROR;
    if again && question.qtype != ANY {
        response.rcode = SERVFAIL;
    }
    response.answer = aliases.into_iter().map(|(record, _)| record).collect();
    response.answer.sort();
    if question.qtype == ANY || again {
        return;
    }
    // What the last name has, itself by all rules.
    let target = Question {
        name: last.clone(),
        ..question.clone()
    };
    let Some(mut end) = facts.response(&last, question.qtype).cloned() else {
        return;
    };
    expected(&target, facts, &mut end);
    response.rcode = end.rcode;
    response.answer.extend(end.answer);
    response.answer.sort();
    response.authority = end.authority;
    response.additional = end.additional;
}

fn soa_of_missing(question: &Question, facts: &Facts, response: &mut Response) {
    let denied = response.rcode == NOERROR && response.is_denial() && response.aa;
    if question.qtype == SOA && denied && facts.is_missing(&question.name) {
        as_missing(question, facts, response);
    }
}

fn txt_above(question: &Question, facts: &Facts, response: &mut Response) {
    let name = question.name.to_lowercase();
    let denied = response.rcode == NXDOMAIN && response.is_denial();
    // The apex, `svc`, `pod`, and the namespaces below them.
    let at_the_top = facts
        .labels_above_zone(&name)
        .is_some_and(|labels| labels.split('.').count() <= 3);
    if question.qtype == TXT && denied && at_the_top && !facts.is_missing(&name) {
        deny(question, facts, NOERROR, response);
    }
}

fn empty_non_terminal(question: &Question, facts: &Facts, response: &mut Response) {
    let denied = response.rcode == NXDOMAIN && response.is_denial();
    let name = question.name.to_lowercase();
    // `ns.dns` is below `dns`, also where it has no addresses.
    let dns = name.strip_prefix("dns.") == Some(&facts.zone);
    let ours = facts.soa(&name).is_some();
    if denied && ours && (dns || facts.has_below(&name)) {
        deny(question, facts, NOERROR, response);
    }
}

fn other_types(question: &Question, facts: &Facts, response: &mut Response) {
    let name = question.name.to_lowercase();
    let special = ["dns-version.", "ns.dns."];
    let special = special
        .iter()
        .any(|label| name.strip_prefix(label) == Some(&facts.zone));
    if special && response.rcode == NXDOMAIN && response.is_denial() {
        deny(question, facts, NOERROR, response);
    }
}

fn srv_without_underscores(question: &Question, facts: &Facts, response: &mut Response) {
    let name = question.name.to_lowercase();
    let mut labels = name.split('.');
    let (Some(port), Some(protocol)) = (labels.next(), labels.next()) else {
        return;
    };
    let right = port.len() > 1 && port.starts_with('_') && protocol.starts_with('_');
    let service = labels.collect::<Vec<_>>().join(".");
    let of_service = service
        .strip_suffix(&facts.zone)
        .and_then(|labels| labels.strip_suffix(".svc."))
        .is_some_and(|labels| labels.split('.').count() == 2);
    if !right && of_service && response.rcode == NOERROR && response.aa {
        as_missing(question, facts, response);
    }
}

fn srv_of_pod(question: &Question, facts: &Facts, response: &mut Response) {
    let port_0 = response
        .answer
        .iter()
        .all(|record| record.data.starts_with("0 100 0 "));
    // A virtual host of a pod leads to the pod; the pod to itself.
    let name = question.name.to_lowercase();
    let is_pod = facts
        .soa(&name)
        .and_then(|soa| name.strip_suffix(&format!(".pod.{}", soa.owner)))
        .is_some_and(|labels| labels.split('.').count() == 2);
    if question.qtype == SRV && is_pod && response.answer.len() == 1 && port_0 {
        deny(question, facts, NOERROR, response);
    }
}

fn pod_with_colons(question: &Question, facts: &Facts, response: &mut Response) {
    let is_pod = question
        .name
        .to_lowercase()
        .ends_with(&format!(".pod.{}", facts.zone));
    let colons = is_pod && question.name.contains(':');
    if colons && response.rcode == NOERROR && response.aa {
        as_missing(question, facts, response);
    }
}

fn type_at_reverse(question: &Question, facts: &Facts, response: &mut Response) {
    let name = &question.name;
    let ours = !facts.pointers(name).is_empty();
    let elsewhere = !response.aa || response.rcode == NXDOMAIN;
    let below = facts.reverse_above(name).is_some();
    if question.qtype != PTR && ours && elsewhere && !below {
        deny(question, facts, NOERROR, response);
    }
}

/// Makes it what is said of a name that does not exist.
fn as_missing(question: &Question, facts: &Facts, response: &mut Response) {
    let Some(other) = facts.missing(&question.name) else {
        return;
    };
    if other.aa {
        deny(question, facts, other.rcode, response);
        return;
    }
    response.rcode = other.rcode;
    response.aa = other.aa;
    response.ra = other.ra;
    response.answer.clone_from(&other.answer);
    response.authority.clone_from(&other.authority);
    response.additional.clone_from(&other.additional);
}

/// Makes it a denial of the name by the zone that it is in.
fn deny(question: &Question, facts: &Facts, rcode: u16, response: &mut Response) {
    response.rcode = rcode;
    response.answer.clear();
    response.additional.clear();
    response.authority = facts.soa(&question.name).into_iter().collect();
    response.aa = true;
    response.ra = false;
    let [_, ad, _] = &mut response.others;
    *ad = false;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_stands_in_the_paper_with_its_reason() {
        let paper = include_str!("../../docs/compatibility.md");
        let names = RULES.iter().map(|rule| rule.name);
        for name in names.chain([TARGET_CASE, TRUNCATED]) {
            let row = paper
                .lines()
                .find(|line| line.contains(&format!("`{name}`")));
            let columns = row.map(|row| {
                row.split('|')
                    .filter(|text| !text.trim().is_empty())
                    .count()
            });
            assert_eq!(
                columns,
                Some(5),
                "{name}: a question, two answers, a reason, its name"
            );
        }
    }
}
