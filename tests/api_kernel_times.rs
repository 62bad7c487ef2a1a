//! How long a change takes: from the write to the watch event, and from the event to the answer.
//!
//! `kerndns_event_to_answer_seconds` is what `kerndns` itself measures, up to the write of the map.

use std::time::Duration;

use anyhow::Result;
use kerndns_tests::api_node::{Node, assert_answered_by_the_kernel, on_a_node};
use kerndns_tests::api_server::ADMIN;
use kerndns_tests::figures::percentile;
use kerndns_tests::stopwatch::Stopwatch;
use kerndns_tests::watched::Watched;

/// Five changes each.
const ROUNDS: u8 = 25;
/// What no change may take, on a machine that may be busy with other things.
const LIMIT: Duration = Duration::from_secs(1);

fn print(what: &str, values: &mut [f64]) {
    let (median, most) = (percentile(values, 50), percentile(values, 99));
    println!("{what:<44} p50 {median:7.2} ms   p99 {most:7.2} ms");
}

#[test]
fn from_a_write_to_the_kernels_answer_it_is_milliseconds() -> Result<()> {
    on_a_node(async |node: Node<'_>| {
        let kerndns = node.kerndns()?;
        let mut watched = Watched::start(&node.server.kubeconfig("admin", ADMIN)?).await?;
        watched.listed().await;
        let mut watch = Stopwatch::new(node.asker, watched);
        watch.change_everything(&node.writer, ROUNDS).await?;

        let (mut times, asker) = watch.stop()?;
        println!("{} changes:", times.whole.len());
        print(
            "the write, until the API server confirms it",
            &mut times.write,
        );
        print(
            "from the write's start to the watch event",
            &mut times.event,
        );
        print(
            "from the watch event to the kernel's answer",
            &mut times.answer,
        );
        print("from the write's start to the answer", &mut times.whole);
        println!(
            "kerndns itself, from event to map, changes by seconds:\n{:?}",
            kerndns.event_to_answer()?
        );
        assert!(times.whole.len() >= 100);
        let most = percentile(&mut times.whole, 99);
        assert!(most < LIMIT.as_secs_f64() * 1000.0, "{most} ms");
        assert_answered_by_the_kernel(&kerndns, &asker)
    })
}
