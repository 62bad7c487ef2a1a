//! Any text as a Corefile: every fault has a line of the file, and what is accepted is accepted again and can be put in
//! force.
#![no_main]

use std::path::Path;

use dns_agent::corefile::{Config, CorefileError};
use dns_agent::record::Name;
use kerndns_fuzz::site::{Site, query};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let file = Path::new("Corefile");
    match Config::parse(text, file) {
        Ok(config) => {
            let again = Config::parse(&format!("{text}\n# the end"), file);
            assert_eq!(again.ok().as_ref(), Some(&config), "a comment changes it");
            in_force(&config);
        }
        Err(error) => {
            let CorefileError::Faults { faults, .. } = &error else {
                panic!("{error}");
            };
            assert!(!faults.is_empty());
            let lines = text.matches('\n').count() + 1;
            for fault in faults {
                let is_ours = &*fault.at.file == file;
                assert!(
                    fault.at.line >= 1 && (!is_ours || fault.at.line <= lines),
                    "{fault}"
                );
            }
            let told = error.to_string();
            assert_eq!(told.lines().count(), faults.len(), "{told}");
        }
    }
});

fn in_force(config: &Config) {
    assert!(config.servers.iter().all(|server| !server.zones.is_empty()));
    let mut site = Site::of(config);
    for name in site.names().iter().take(50) {
        site.ask(&query(name, 1));
    }
    let outside = Name::root().child(b"nowhere").unwrap_or_else(Name::root);
    site.ask(&query(&outside, 1));
    config.select(53, &outside);
}
