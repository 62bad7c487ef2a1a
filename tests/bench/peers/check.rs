//! A sample of a workload's questions to a server, each answer compared with what the objects mean.

use std::net::IpAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use kerndns_tests::dns::Resolver;

use crate::interrupt;
use crate::peers::question::{Answer, Question, Truth};
use crate::peers::servers::Server;

/// How many questions are a sample.
const SAMPLE: usize = 25;
/// How long a server may take to know everything: CoreDNS lists thousands of objects.
const PATIENCE: Duration = Duration::from_mins(2);

/// Asks a sample, spread over the questions; not the floor, which knows nothing.
pub(crate) fn check(server: &Server<'_>, questions: &[Question], truth: &Truth) -> Result<()> {
    if server.is_floor() {
        return Ok(());
    }
    for question in questions.iter().step_by(questions.len().div_ceil(SAMPLE)) {
        ask(server, question, truth)?;
    }
    Ok(())
}

/// Waits until the server's answers are right.
pub(crate) fn settle(server: &mut Server<'_>, questions: &[Question], truth: &Truth) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    while let Err(error) = check(server, questions, truth) {
        interrupt::check()?;
        server.check()?;
        ensure!(
            Instant::now() < end,
            "not right after {PATIENCE:?}: {error:#}"
        );
        sleep(Duration::from_millis(100));
    }
    Ok(())
}

fn ask(server: &Server<'_>, question: &Question, truth: &Truth) -> Result<()> {
    let address: IpAddr = server.address.ip();
    let Question { name, qtype } = question;
    let message = Resolver::new(server.pod, address)
        .udp(name, *qtype)
        .with_context(|| format!("{}: {name} {qtype}", server.name))?;
    let (expected, got) = (truth.answer(question), Answer::of(&message));
    ensure!(
        got == expected,
        "{} is wrong about {name} {qtype}: {got:?} instead of {expected:?}",
        server.name
    );
    Ok(())
}
