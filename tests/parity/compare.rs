//! Two responses to one question: equal, different by rules, or different.

use anyhow::{Context as _, Result, ensure};

use crate::facts::Facts;
use crate::message::{Record, Response};
use crate::questions::Question;
use crate::rules::{self, TARGET_CASE, TRUNCATED};

/// Whether a response by UDP is less than what there is, in this or the other server: then both are asked by TCP.
pub(crate) fn needs_whole(question: &Question, responses: [&[u8]; 2]) -> bool {
    let truncated = |octets: &&[u8]| octets.get(2).is_some_and(|flags| flags & 2 != 0);
    let long = |octets: &&[u8]| octets.len() > question.limit();
    !question.tcp
        && responses
            .iter()
            .any(|octets| truncated(octets) || long(octets))
}

/// Compares; the rules that explain what is different, or an error that says what is not explained.
pub(crate) fn compare(
    question: &Question,
    facts: &Facts,
    coredns: &[u8],
    kerndns: &[u8],
) -> Result<Vec<&'static str>> {
    let mut expected = Response::parse(&question.octets, coredns).context("CoreDNS")?;
    let mut used = rules::expected(question, facts, &mut expected);
    let got = Response::parse(&question.octets, kerndns).context("KernDNS")?;
    if equal(&expected, &got).is_err() {
        let folded = [&expected, &got].map(|response| response.with_folded_targets(&question.name));
        let [expected, got] = &folded;
        equal(expected, got)?;
        used.push(TARGET_CASE);
    }
    Ok(used)
}

/// The same where a response by UDP does not hold everything: `whole` are the responses by TCP, which have been
/// compared.
pub(crate) fn compare_fitted(
    question: &Question,
    kerndns: &[u8],
    whole: &[u8],
) -> Result<Vec<&'static str>> {
    let whole = Response::parse(&question.octets, whole).context("KernDNS by TCP")?;
    fits(question, &whole, kerndns)?;
    Ok(vec![TRUNCATED])
}

/// Whether `octets` are what is left of `whole` where not everything fits: whole records, TC exactly if one of the
/// answer section is missing, and no RRset in parts in the additional section (RFC 2181 9).
pub(crate) fn fits(question: &Question, whole: &Response, octets: &[u8]) -> Result<()> {
    let got = Response::parse(&question.octets, octets).context("KernDNS")?;
    ensure!(
        octets.len() <= question.limit(),
        "{} octets, more than the client takes",
        octets.len()
    );
    ensure!(
        is_part(&got.answer, &whole.answer)
            && is_part(&got.authority, &whole.authority)
            && is_part(&got.additional, &whole.additional),
        "records that the whole response does not have"
    );
    let all = got.answer.len() == whole.answer.len();
    ensure!(
        got.tc != all || whole.tc,
        "TC is {} with {} of {} answers",
        got.tc,
        got.answer.len(),
        whole.answer.len()
    );
    for record in &got.additional {
        let same = |other: &&Record| other.owner == record.owner && other.rtype == record.rtype;
        ensure!(
            got.additional.iter().filter(same).count()
                == whole.additional.iter().filter(same).count(),
            "part of an additional RRset, that of {}",
            record.owner
        );
    }
    let header = |response: &Response| Response {
        tc: false,
        answer: Vec::new(),
        authority: Vec::new(),
        additional: Vec::new(),
        ..response.clone()
    };
    equal(&header(whole), &header(&got))
}

/// Whether each record of `part` is in `all`, as often; both are sorted.
fn is_part(part: &[Record], all: &[Record]) -> bool {
    let mut all = all.iter();
    part.iter().all(|record| all.any(|other| other == record))
}

/// An error that names the parts that differ.
pub(crate) fn equal(expected: &Response, got: &Response) -> Result<()> {
    let mut parts = Vec::new();
    for (differs, part) in [
        (expected.rcode != got.rcode, "RCODE"),
        (expected.aa != got.aa, "AA"),
        (expected.tc != got.tc, "TC"),
        (expected.ra != got.ra, "RA"),
        (expected.others != got.others, "RD, AD or CD"),
        (expected.edns != got.edns, "OPT"),
        (expected.answer != got.answer, "answer"),
        (expected.authority != got.authority, "authority"),
        (expected.additional != got.additional, "additional"),
    ] {
        if differs {
            parts.push(part);
        }
    }
    ensure!(
        parts.is_empty(),
        "{}\nexpected {expected}",
        parts.join(", ")
    );
    Ok(())
}

/// Kernel and agent: the same octets, or the same sets where the order of addresses is drawn.
pub(crate) fn agree(
    question: &Question,
    shuffles: bool,
    agent: &[u8],
    kernel: &[u8],
    whole: Option<&[u8]>,
) -> Result<()> {
    if agent == kernel {
        return Ok(());
    }
    ensure!(shuffles, "other octets from the kernel");
    if let Some(whole) = whole {
        // Which records fit may differ; they are checked one response at a time.
        let whole = Response::parse(&question.octets, whole)?;
        return fits(question, &whole, kernel);
    }
    let agent = Response::parse(&question.octets, agent)?;
    let kernel = Response::parse(&question.octets, kernel)?;
    equal(&agent, &kernel).context("kernel and agent differ")
}
