//! What KernDNS does differently on purpose, as rules: each turns CoreDNS's response into the one that is right
//! here, where its reason holds. `docs/compatibility.md` has each rule's name with its reason.

use crate::facts::Facts;
use crate::message::{NOERROR, NXDOMAIN, Response};
use crate::questions::{PTR, Question, SOA, SRV, TXT};

/// A deliberate difference.
pub(crate) struct Rule {
    /// As in `docs/compatibility.md`.
    pub(crate) name: &'static str,
    /// Changes CoreDNS's response to the right one, or leaves it alone.
    apply: fn(&Question, &Facts, &mut Response),
}

/// The rule of responses that do not fit, which `fit.rs` has.
pub(crate) const TRUNCATED: &str = "truncated";

/// All of them but [`TRUNCATED`], in the order in which they are applied.
pub(crate) const RULES: [Rule; 9] = [
    rule("edns-size", edns_size),
    rule("soa-of-missing", soa_of_missing),
    rule("txt-above", txt_above),
    rule("empty-non-terminal", empty_non_terminal),
    rule("other-types", other_types),
    rule("srv-without-underscores", srv_without_underscores),
    rule("srv-of-pod", srv_of_pod),
    rule("pod-with-colons", pod_with_colons),
    rule("type-at-reverse", type_at_reverse),
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

fn soa_of_missing(question: &Question, facts: &Facts, response: &mut Response) {
    let denied = response.rcode == NOERROR && response.is_denial() && response.aa;
    if question.qtype == SOA && denied && facts.is_missing(&question.name) {
        let above = facts.has_below(&question.name);
        if !above {
            response.rcode = NXDOMAIN;
        }
    }
}

fn txt_above(question: &Question, facts: &Facts, response: &mut Response) {
    let name = question.name.to_lowercase();
    let denied = response.rcode == NXDOMAIN && response.is_denial() && response.aa;
    // The apex, `svc`, `pod`, and the namespaces below them.
    let at_the_top = name
        .strip_suffix(&facts.zone)
        .is_some_and(|labels| labels.split('.').count() <= 3);
    if question.qtype == TXT && denied && at_the_top && !facts.is_missing(&name) {
        response.rcode = NOERROR;
    }
}

fn empty_non_terminal(question: &Question, facts: &Facts, response: &mut Response) {
    let denied = response.rcode == NXDOMAIN && response.is_denial() && response.aa;
    let name = question.name.to_lowercase();
    // `ns.dns` is below `dns`, also where it has no addresses.
    let dns = name.strip_prefix("dns.") == Some(&facts.zone);
    if denied && (dns || facts.has_below(&name)) {
        response.rcode = NOERROR;
    }
}

fn other_types(question: &Question, facts: &Facts, response: &mut Response) {
    let name = question.name.to_lowercase();
    let special = ["dns-version.", "ns.dns."];
    let special = special
        .iter()
        .any(|label| name.strip_prefix(label) == Some(&facts.zone));
    if special && response.rcode == NXDOMAIN && response.is_denial() {
        response.rcode = NOERROR;
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
        deny(question, facts, NXDOMAIN, response);
    }
}

fn srv_of_pod(question: &Question, facts: &Facts, response: &mut Response) {
    let port_0 = response
        .answer
        .iter()
        .all(|record| record.data.starts_with("0 100 0 "));
    let is_pod = question
        .name
        .to_lowercase()
        .ends_with(&format!(".pod.{}", facts.zone));
    if question.qtype == SRV && is_pod && response.answer.len() == 1 && port_0 {
        deny(question, facts, NOERROR, response);
    }
}

fn pod_with_colons(question: &Question, facts: &Facts, response: &mut Response) {
    let pod = question.name.split('.').next().unwrap_or_default();
    if pod.contains(':') && response.rcode == NOERROR && response.aa {
        deny(question, facts, NXDOMAIN, response);
    }
}

fn type_at_reverse(question: &Question, facts: &Facts, response: &mut Response) {
    let name = &question.name;
    let pointers = facts.response(name, PTR);
    let ours = pointers.is_some_and(|response| response.aa && !response.answer.is_empty());
    if question.qtype != PTR && ours && !response.aa {
        deny(question, facts, NOERROR, response);
    }
}

/// Makes it a denial of the name by the zone that it is in.
fn deny(question: &Question, facts: &Facts, rcode: u16, response: &mut Response) {
    response.rcode = rcode;
    response.answer.clear();
    response.additional.clear();
    response.authority = facts.soa(&question.name).into_iter().collect();
    response.aa = true;
    response.ra = false;
}
