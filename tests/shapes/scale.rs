//! `dns_scale_records.go`: 10,000 Services, of which a twentieth are looked up; here once more after half of them are
//! gone. They come from a manifest, since a real API server takes minutes to take them, and nobody but the kernel
//! answers.

use std::time::Instant;

use anyhow::Result;
use hickory_proto::rr::RecordType::A;
use kerndns_tests::agent::Agent;
use kerndns_tests::asker::{Asker, NXDOMAIN};
use kerndns_tests::site::{SERVICE_V4, Site, service};
use rand::rngs::StdRng;
use rand::seq::index::sample;
use rand::{RngExt as _, SeedableRng as _};

use crate::node::{Fate, counted};

const SERVICES: u16 = 10_000;
const SAMPLED: usize = 500;
/// The agent reads a manifest's objects in the order of their names: when this one is there or gone, all others are.
const LAST: (&str, &str) = ("z-last", "10.96.8.8");

#[test]
fn ten_thousand_services_are_answered_by_the_kernel_and_half_of_them_denied_when_gone() -> Result<()>
{
    let site = Site::routed(1)?;
    let agent = site.start(&["--listen", "none", "--pods", "veth*"])?;
    agent.expect_attached("tc", 1);
    let mut asker = Asker::new(&site.testbed.pods[0], (SERVICE_V4, 53).into())?;
    let seed = rand::rng().random();
    println!("seed {seed:#x}");
    let mut random = StdRng::seed_from_u64(seed);
    let last = format!("{}.prod.svc.cluster.local.", LAST.0);

    let written = Instant::now();
    let all = (0..SERVICES).map(|number| service(&name(number), &address(number)));
    let all: Vec<String> = all.chain([service(LAST.0, LAST.1)]).collect();
    site.write("scale.yaml", &all.join("---\n"))?;
    asker.until(&last, A, LAST.1);
    println!(
        "{SERVICES} Services are there after {:?}",
        written.elapsed()
    );
    look_up(&agent, &mut asker, &mut random, |_| true)?;

    let written = Instant::now();
    let half = (0..SERVICES).filter(|number| stays(*number));
    let half: Vec<&str> = half.map(|number| &*all[usize::from(number)]).collect();
    site.write("scale.yaml", &half.join("---\n"))?;
    asker.until(&last, A, NXDOMAIN);
    println!("half of them are gone after {:?}", written.elapsed());
    look_up(&agent, &mut asker, &mut random, stays)
}

/// Asks for each of a sample once: a Service that `exists` has its address, another one no name.
fn look_up(
    agent: &Agent<'_>,
    asker: &mut Asker,
    random: &mut StdRng,
    exists: fn(u16) -> bool,
) -> Result<()> {
    let numbers = sample(random, SERVICES.into(), SAMPLED).into_iter();
    let numbers = numbers.map(u16::try_from).collect::<Result<Vec<_>, _>>()?;
    let mut expected = Fate::default();
    let ask = || {
        for number in numbers {
            let name = format!("{}.prod.svc.cluster.local.", name(number));
            let wanted = if exists(number) {
                expected.answer += 1;
                address(number)
            } else {
                expected.nxdomain += 1;
                NXDOMAIN.to_owned()
            };
            assert_eq!(asker.ask(&name, A)?, wanted, "{name}");
        }
        Ok(())
    };
    let ((), fate) = counted(agent, ask)?;
    println!("{fate:?}");
    assert_eq!(fate, expected);
    Ok(())
}

fn stays(number: u16) -> bool {
    number.is_multiple_of(2)
}

fn name(number: u16) -> String {
    format!("svc-{number}")
}

/// From 10.96.16.1 on, 250 of them in each /24.
fn address(number: u16) -> String {
    format!("10.96.{}.{}", 16 + number / 250, 1 + number % 250)
}
