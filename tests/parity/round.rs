//! One round: questions drawn for a cluster as it is now, asked of both servers, each pair of responses judged.

use std::collections::HashMap;
use std::thread;

use anyhow::{Context as _, Result, anyhow};
use rand::rngs::StdRng;

use crate::compare;
use crate::corefiles::Corefile;
use crate::facts::Facts;
use crate::lab::{Lab, Servers, Way};
use crate::names;
use crate::questions::{self, Question};
use crate::report::Report;

/// Responses by question.
type Responses = Vec<Option<Vec<u8>>>;

/// Asks `count` questions and adds what comes of them to the report.
pub(crate) async fn round(
    lab: &Lab<'_>,
    servers: &Servers<'_>,
    corefile: &Corefile,
    (rng, count): (&mut StdRng, usize),
    (report, place): (&mut Report, &str),
) -> Result<()> {
    let (services, slices, namespaces) = lab.objects().await?;
    let objects = names::of_objects(&services, &slices, &namespaces, corefile.zone);
    let questions: Vec<Question> = (0..=u16::MAX)
        .cycle()
        .take(count)
        .map(|id| {
            let name = names::drawn(rng, &objects, corefile.zone);
            questions::drawn(rng, name, id)
        })
        .collect();
    let facts = Facts::survey(lab, corefile, &objects, &questions)?;
    let before = servers.answered_by_the_kernel();
    let asked = Asked::ask(lab, &questions)?;
    report.by_kernel += servers.answered_by_the_kernel() - before;
    report.questions += questions.len();
    report.tcp += questions.iter().filter(|question| question.tcp).count();
    let with_edns = questions
        .iter()
        .filter(|question| question.payload.is_some());
    report.edns += with_edns.count();
    for (i, question) in questions.iter().enumerate() {
        let (coredns, agent) = (asked.coredns[i].as_deref(), asked.agent[i].as_deref());
        let pair = [("CoreDNS", coredns), ("KernDNS", agent)];
        match asked.judge(i, question, &facts) {
            Ok(rules) => report.explained(&rules),
            Err(why) => report.differs(place, question, &why, pair),
        }
        if question.tcp {
            continue;
        }
        report.through_kernel += 1;
        let kernel = asked.kernel[i].as_deref();
        let whole = asked.whole.get(&i).map(|(_, whole)| whole.as_slice());
        let agree = match (agent, kernel) {
            (Some(agent), Some(kernel)) => {
                compare::agree(question, corefile.shuffles, agent, kernel, whole)
            }
            (None, None) => Ok(()),
            _ => Err(anyhow!("no response by one way")),
        };
        if let Err(why) = agree {
            let pair = [("agent", agent), ("kernel", kernel)];
            report.differs(place, question, &why, pair);
        }
    }
    Ok(())
}

/// All responses of a round.
struct Asked {
    coredns: Responses,
    agent: Responses,
    kernel: Responses,
    /// By TCP, CoreDNS's and the agent's, where a response by UDP is not all.
    whole: HashMap<usize, (Vec<u8>, Vec<u8>)>,
}

impl Asked {
    fn ask(lab: &Lab<'_>, questions: &[Question]) -> Result<Self> {
        // A scope's threads are in this thread's network namespace.
        let (coredns, agent, kernel) = thread::scope(|scope| {
            let coredns = scope.spawn(|| ask(lab, Way::CoreDns, questions));
            let agent = scope.spawn(|| ask(lab, Way::Agent, questions));
            let kernel = ask(lab, Way::Kernel, questions);
            let died = |_| anyhow!("a thread that asks has panicked");
            let coredns = coredns.join().map_err(died).flatten();
            let agent = agent.join().map_err(died).flatten();
            anyhow::Ok((coredns?, agent?, kernel?))
        })?;
        let cut: Vec<usize> = (0..questions.len())
            .filter(|i| {
                let responses = [&coredns[*i], &agent[*i]];
                let responses = responses.map(|octets| octets.as_deref().unwrap_or_default());
                compare::needs_whole(&questions[*i], responses)
            })
            .collect();
        let messages: Vec<Vec<u8>> = cut.iter().map(|i| questions[*i].octets.clone()).collect();
        let theirs = Lab::ask_tcp(Way::CoreDns, &messages);
        let ours = Lab::ask_tcp(Way::Agent, &messages);
        let pairs = theirs.into_iter().zip(ours);
        let pairs = pairs.map(|(a, b)| (a.unwrap_or_default(), b.unwrap_or_default()));
        Ok(Self {
            coredns,
            agent,
            kernel,
            whole: cut.into_iter().zip(pairs).collect(),
        })
    }

    /// The rules that explain how the responses to a question differ.
    fn judge(&self, i: usize, question: &Question, facts: &Facts) -> Result<Vec<&'static str>> {
        let coredns = self.coredns[i].as_deref().context("CoreDNS is silent")?;
        let agent = self.agent[i].as_deref().context("KernDNS is silent")?;
        let Some((theirs, ours)) = self.whole.get(&i) else {
            return compare::compare(question, facts, coredns, agent);
        };
        let by_tcp = questions::whole(question);
        let mut rules = compare::compare(&by_tcp, facts, theirs, ours).context("by TCP")?;
        rules.extend(compare::compare_fitted(question, agent, ours)?);
        Ok(rules)
    }
}

/// Asks each question by its transport; by the kernel's way all of them by UDP.
fn ask(lab: &Lab<'_>, way: Way, questions: &[Question]) -> Result<Responses> {
    let mut responses = vec![None; questions.len()];
    for tcp in [false, true] {
        if tcp && way == Way::Kernel {
            continue;
        }
        let chosen = questions.iter().enumerate();
        let chosen: Vec<_> = chosen.filter(|(_, question)| question.tcp == tcp).collect();
        let messages: Vec<Vec<u8>> = chosen
            .iter()
            .map(|(_, question)| question.octets.clone())
            .collect();
        let found = if tcp {
            Lab::ask_tcp(way, &messages)
        } else {
            lab.ask_udp(way, &messages)?
        };
        for ((i, _), response) in chosen.into_iter().zip(found) {
            responses[i] = response;
        }
    }
    Ok(responses)
}
