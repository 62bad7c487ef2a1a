//! The cost of an answer is guarded: not in nanoseconds, which are the machine's, but against a fixed piece of work of
//! the same kind that is measured in turn with it.
//!
//! A busy machine slows both; the fastest of many rounds of a millisecond is hardly touched by it. That the bound is
//! one is tested, too: the same programs behind an ordered slow-down must miss it.

use std::os::fd::{AsFd as _, BorrowedFd};

use anyhow::{Result, ensure};
use dns_ebpf::outcome::Hook;
use kerndns_tests::cost::{Bench, CASES, Case, Times};
use kerndns_tests::wrapper::{Wrapped, floor, labour};

/// Each round of XDP waits for two RCU grace periods, in which the kernel changes its dispatcher.
const ROUNDS: u32 = 40;
const RUNS: u32 = 4_000;

/// The steps of the work that an answer is measured against.
const STEPS: usize = 40;
/// The steps of the slow-down that must be noticed.
const SLOWER: usize = 30;

/// The hundredths of that work that the answers together may take: 1.4 times what they took on Linux 6.18, x86-64,
/// which was 43 and 71. A faster responder is a reason to lower them.
const BOUND: [(Hook, u64); 2] = [(Hook::Xdp, 60), (Hook::Tc, 100)];

/// What was measured at a hook.
struct Measured {
    /// Of the work, for one answer of the average case.
    hundredths: u64,
    /// The same behind the slow-down.
    slowed: u64,
}

#[test]
fn an_answer_costs_no_more_than_its_share_of_a_fixed_piece_of_work() -> Result<()> {
    let bench = Bench::new(false)?;
    let hot: Vec<Case> = CASES.into_iter().filter(Case::is_hot).collect();
    for (hook, bound) in BOUND {
        // A minute's bad luck is not a regression, which is there the third time, too.
        let mut told = String::new();
        let passed = (0..3).any(|_| {
            let measured = measure(&bench, hook, &hot);
            let ok = measured.as_ref().is_ok_and(|measured| {
                measured.hundredths <= bound && measured.slowed > bound
            });
            told = match measured {
                Ok(Measured { hundredths, slowed }) => format!(
                    "{}: an answer is {hundredths} hundredths of the work, bound {bound}; slowed {slowed}",
                    hook.label()
                ),
                Err(error) => format!("{error:#}"),
            };
            println!("{told}");
            ok
        });
        ensure!(passed, "{told}");
    }
    Ok(())
}

fn measure(bench: &Bench, hook: Hook, cases: &[Case]) -> Result<Measured> {
    let (mut work, mut answers, mut slowed) = (0, 0, 0);
    let floor = floor(hook)?;
    let labourer = labour(hook, STEPS, None)?;
    for case in cases {
        let runner = bench.runner(case)?;
        let program = runner.program(hook)?;
        let slow = labour(hook, SLOWER, Some(program))?;
        let queries = bench.queries(case, hook)?;
        let wrap = |program: BorrowedFd<'_>| Wrapped::new(hook, &queries, program);
        let wrapped = [
            wrap(floor.as_fd())?,
            wrap(labourer.program.as_fd())?,
            wrap(program)?,
            wrap(slow.program.as_fd())?,
        ];
        let mut times = [const { Times::NONE }; 4];
        for _ in 0..ROUNDS {
            runner.settings().keep_alive();
            for (wrapped, times) in wrapped.iter().zip(&mut times) {
                times.push(wrapped.run(RUNS)?.each);
            }
        }
        let [floor, labour, program, slow] = times.map(|times| times.least());
        work += labour.saturating_sub(floor);
        answers += program.saturating_sub(floor);
        slowed += slow.saturating_sub(floor);
    }
    let share = |nanoseconds: u64| nanoseconds * 100 / work.max(1);
    Ok(Measured {
        hundredths: share(answers),
        slowed: share(slowed),
    })
}
