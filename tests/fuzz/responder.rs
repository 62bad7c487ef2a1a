//! Any message to the responder over a small cluster: what it answers is a response to this query, and says what the
//! agent says from the objects.
//!
//! The octets are the message. A mutator of our own now and then writes a name that is held into the question, which
//! flipping bits would never find.
#![no_main]

use std::cell::RefCell;

use dns_agent::record::Name;
use kerndns_fuzz::oracle;
use kerndns_fuzz::site::{COREFILE, Site, objects};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

const MANIFESTS: [&str; 3] = [
    include_str!("../testdata/cluster.yaml"),
    include_str!("../../docs/examples/shop/10-shop.yaml"),
    include_str!("../../docs/examples/shop/20-search-workers.yaml"),
];

thread_local! {
    static SITE: RefCell<Site> = RefCell::new(site());
    static NAMES: Vec<Name> = site().names();
}

fn site() -> Site {
    let site = Site::new(COREFILE);
    site.apply(&objects(&MANIFESTS));
    site
}

fuzz_target!(|message: &[u8]| {
    SITE.with_borrow_mut(|site| {
        assert!(
            !site.ask(message) || !site.is_marked(message),
            "what was in the scratch shows: {message:02x?}"
        );
    });
});

fuzz_mutator!(
    |octets: &mut [u8], size: usize, max_size: usize, seed: u32| {
        let mut random = seed / 4;
        if !seed.is_multiple_of(4) || oracle::question(&octets[..size]).is_none() {
            return fuzzer_mutate(octets, size, max_size);
        }
        let renamed = NAMES.with(|names| {
            let count = u32::try_from(names.len()).unwrap_or(u32::MAX);
            let name = names[(random % count) as usize].wire();
            random /= count;
            renamed(&octets[..size], name, random)
        });
        if renamed.len() > max_size {
            return fuzzer_mutate(octets, size, max_size);
        }
        octets[..renamed.len()].copy_from_slice(&renamed);
        renamed.len()
    }
);

/// The message with another QNAME: `name`, a name below it, or one beside it.
fn renamed(message: &[u8], name: &[u8], random: u32) -> Vec<u8> {
    let question = oracle::question(message).unwrap_or_default();
    let (head, rest) = (&message[..12], &message[12 + question.len() - 4..]);
    let left: &[u8] = match random % 4 {
        0 => b"\x05below",
        1 => b"\x0910-0-0-1x",
        _ => b"",
    };
    let mut name = [left, name].concat();
    if random.is_multiple_of(3) {
        name.make_ascii_uppercase();
    }
    [head, &name, rest].concat()
}
