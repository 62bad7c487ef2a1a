//! Whether the Rust files define what a path such as `net::parse` or `Held::put` names.

use std::path::{Path, PathBuf};

use super::{files, text};

/// What an item may begin with.
pub(super) const ITEMS: [&str; 6] = ["fn", "const", "static", "struct", "enum", "trait"];

/// A Rust file.
pub(super) struct Source {
    path: PathBuf,
    pub(super) text: String,
}

/// Every Rust file of the workspace.
pub(super) fn all() -> Vec<Source> {
    let read = |path: PathBuf| Source {
        text: text(&path),
        path,
    };
    files(".rs").into_iter().map(read).collect()
}

/// Whether a file defines the path's last segment by one of `items`, and is the module before it or
/// implements the type before it.
pub(super) fn has(sources: &[Source], path: &str, items: &[&str]) -> bool {
    let mut segments = path.rsplit("::");
    let (Some(item), Some(owner)) = (segments.next(), segments.next()) else {
        return false;
    };
    sources.iter().any(|source| {
        let defines = items
            .iter()
            .any(|kind| defines(&source.text, &format!("{kind} {item}")));
        defines && (is_module(&source.path, owner) || implements(&source.text, owner))
    })
}

/// Whether the definition stands there, and not that of a longer name.
fn defines(text: &str, definition: &str) -> bool {
    text.match_indices(definition).any(|(at, _)| {
        let ends = |c: char| !c.is_alphanumeric() && c != '_';
        let before = text[..at].chars().next_back().is_none_or(ends);
        before && text[at + definition.len()..].starts_with(ends)
    })
}

fn is_module(path: &Path, name: &str) -> bool {
    let stem = path.file_stem().unwrap_or_default();
    let folder = path.parent().and_then(Path::file_name).unwrap_or_default();
    stem == name || stem == "mod" && folder == name
}

/// Whether an `impl` or a `trait` is of this type.
fn implements(text: &str, name: &str) -> bool {
    text.lines()
        .map(str::trim_start)
        .filter(|line| line.starts_with("impl") || line.contains("trait "))
        .any(|line| {
            line.split(|c: char| !c.is_alphanumeric() && c != '_')
                .any(|word| word == name)
        })
}

#[test]
fn a_path_names_what_its_module_or_type_defines() {
    let source = |path: &str, text: &str| Source {
        path: path.into(),
        text: text.into(),
    };
    let sources = [
        source(
            "a/src/net.rs",
            "pub fn parse<T>(x: T) {}\nconst MAX: u8 = 1;",
        ),
        source("a/src/kernel/mod.rs", "fn look() {}"),
        source(
            "a/src/held.rs",
            "impl Store for Held {\n    fn find(&self) {}\n}",
        ),
    ];
    for path in [
        "net::parse",
        "net::MAX",
        "kernel::look",
        "Held::find",
        "Store::find",
    ] {
        assert!(has(&sources, path, &ITEMS), "{path}");
    }
    for path in ["net::pars", "net::look", "Other::find", "parse"] {
        assert!(!has(&sources, path, &ITEMS), "{path}");
    }
    assert!(!has(&sources, "net::MAX", &["fn"]));
}
