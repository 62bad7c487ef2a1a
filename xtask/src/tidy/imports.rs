//! The direction of imports in the agent, so that no module knows more than its part of the way:
//! objects to records to maps on one side, messages to responses on the other. `run` and `main` join
//! the two sides and may see everything.

use std::path::Path;

use super::{expect_none, files, text};

/// What a module of the agent may import; the rule with the longest matching path holds.
struct Rule {
    /// A path below `dns-agent/src`.
    module: &'static str,
    imports: Imports,
}

/// Paths below `crate::`; a module's own are always allowed.
enum Imports {
    Only(&'static [&'static str]),
    AllBut(&'static [&'static str]),
}

const RULES: [Rule; 6] = [
    Rule {
        module: "k8s",
        imports: Imports::Only(&[]),
    },
    Rule {
        module: "record",
        // Objects and the index over them; neither the watch nor the connection.
        imports: Imports::Only(&[
            "k8s::object",
            "k8s::slice",
            "k8s::index",
            "k8s::needs",
            "k8s::selector",
            "k8s::Verb",
            "plugin",
        ]),
    },
    Rule {
        module: "corefile",
        // Of k8s only what a Corefile can say.
        imports: Imports::Only(&[
            "plugin",
            "record::name",
            "record::Name",
            "k8s::needs",
            "k8s::selector",
            "k8s::target",
        ]),
    },
    Rule {
        module: "map",
        imports: Imports::Only(&[]),
    },
    Rule {
        module: "serve",
        imports: Imports::AllBut(&["k8s", "map"]),
    },
    Rule {
        module: "plugin/forward",
        imports: Imports::AllBut(&["k8s", "map"]),
    },
];

/// Crates that stay behind one door each.
const DOORS: [(&str, &[&str]); 3] = [
    ("kube", &["k8s"]),
    ("k8s_openapi", &["k8s"]),
    ("aya", &["map", "kernel"]),
];

#[test]
fn modules_of_the_agent_import_in_one_direction() {
    let mut complaints = Vec::new();
    for (path, source) in agent_sources() {
        let rule = RULES
            .iter()
            .filter(|rule| module_is_in(&path, rule.module))
            .max_by_key(|rule| rule.module.len());
        let Some(rule) = rule else { continue };
        let own = rule.module.replace('/', "::");
        for import in imports(&source, "crate") {
            let below = |prefix: &&str| path_starts_with(&import, prefix);
            let allowed = match rule.imports {
                Imports::Only(prefixes) => prefixes.iter().any(below) || below(&own.as_str()),
                Imports::AllBut(prefixes) => !prefixes.iter().any(below),
            };
            if !allowed {
                complaints.push(format!(
                    "dns-agent/src/{path}: `{}` must not import crate::{import}",
                    rule.module
                ));
            }
        }
    }
    expect_none(&complaints);
}

#[test]
fn kube_and_aya_stay_behind_their_doors() {
    let mut complaints = Vec::new();
    for (path, source) in agent_sources() {
        for (name, doors) in DOORS {
            let inside = doors.iter().any(|door| module_is_in(&path, door));
            if !inside && !imports(&source, name).is_empty() {
                complaints.push(format!(
                    "dns-agent/src/{path}: {name} belongs under {doors:?}"
                ));
            }
        }
    }
    expect_none(&complaints);
}

/// The agent's files by their path below `src/`, without comments and without what only tests see.
fn agent_sources() -> Vec<(String, String)> {
    let source_directory = Path::new("dns-agent/src");
    let ours = files(".rs").into_iter().filter_map(|path| {
        let below = path
            .strip_prefix(source_directory)
            .ok()?
            .to_str()?
            .to_owned();
        let for_tests = below.ends_with("tests.rs") || below.contains("/tests/");
        (!for_tests).then(|| (below, code(&text(&path))))
    });
    ours.collect()
}

/// Drops lines of comment, and all from an inline `#[cfg(test)] mod` on: it stands last.
fn code(source: &str) -> String {
    let source = source
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or(source);
    let lines = source
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Whether a file (`record/schema.rs`, `map.rs`) belongs to a module (`record`, `map`).
fn module_is_in(path: &str, module: &str) -> bool {
    path.strip_prefix(module)
        .is_some_and(|rest| rest.starts_with('/') || rest == ".rs")
}

/// Whether a path is this prefix or lies below it.
fn path_starts_with(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Every path that follows `origin::` in the source, in `use` trees and in expressions.
fn imports(source: &str, origin: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, start) in source.match_indices(&format!("{origin}::")) {
        let before = source[..at].chars().next_back();
        // `other_crate::`, `a::crate_like::` and `$crate::` are something else.
        if before.is_none_or(|c| !c.is_alphanumeric() && !"_:$".contains(c)) {
            tree(&source[at + start.len()..], "", &mut found);
        }
    }
    found
}

/// Reads one `use` tree (`a::{b, c::d}`), adds its leaves, and returns what follows it.
fn tree<'a>(source: &'a str, prefix: &str, found: &mut Vec<String>) -> &'a str {
    let end = source.find(|c: char| !c.is_alphanumeric() && !"_:".contains(c));
    let (path, mut rest) = source.split_at(end.unwrap_or(source.len()));
    let path = format!("{prefix}{path}");
    if !path.is_empty() && !path.ends_with("::") || !rest.starts_with('{') {
        found.push(path.trim_end_matches("::").to_owned());
        return rest;
    }
    loop {
        rest = rest[1..].trim_start();
        if let Some(after) = rest.strip_prefix('}') {
            return after;
        }
        rest = tree(rest, &path, found).trim_start();
        // ` as other_name`
        rest = rest.trim_start_matches(|c| c != ',' && c != '}');
        if !rest.starts_with(',') {
            return rest.get(1..).unwrap_or("");
        }
    }
}

#[test]
fn use_trees_are_read_to_their_leaves() {
    let source = "use crate::{a::{b, c as d}, e};\nuse crate::f;\nlet g = crate::h::I::new();";
    assert_eq!(
        imports(source, "crate"),
        ["a::b", "a::c", "e", "f", "h::I::new"]
    );
    assert_eq!(
        imports("use my_crate::a; $crate::b!()", "crate"),
        Vec::<String>::new()
    );
    assert_eq!(
        imports("use aya::maps::{MapData, *};", "aya"),
        ["maps::MapData", "maps"]
    );
}

#[test]
fn a_module_is_its_file_and_its_folder() {
    assert!(module_is_in("map/answers.rs", "map"));
    assert!(module_is_in("map.rs", "map"));
    assert!(!module_is_in("mapping.rs", "map"));
    assert!(path_starts_with("k8s::object::Kind", "k8s::object"));
    assert!(!path_starts_with("k8s::objects", "k8s::object"));
}
