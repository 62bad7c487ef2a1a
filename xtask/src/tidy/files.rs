//! Rules for each file by itself.

use super::{expect_none, files, text};

/// Lines per Rust file, tests included.
const MAX_LINES: usize = 500;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 7] = [
    "utils", "util", "helpers", "helper", "common", "manager", "misc",
];

/// Absolute paths that exist on somebody's machine only. Split, so that this file does not have them.
const MACHINE_PATHS: [&str; 4] = [
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/wo", "rk/"),
    concat!("/tmp", "/w/"),
];

#[test]
fn no_rust_file_is_longer_than_a_person_reads_at_once() {
    let complaints: Vec<String> = files(".rs")
        .iter()
        .map(|path| (path, text(path).lines().count()))
        .filter(|&(_, lines)| lines > MAX_LINES)
        .map(|(path, lines)| format!("{}: {lines} lines, at most {MAX_LINES}", path.display()))
        .collect();
    expect_none(&complaints);
}

#[test]
fn every_rust_file_opens_by_saying_what_it_is() {
    let complaints: Vec<String> = files(".rs")
        .iter()
        .filter(|path| !text(path).starts_with("//! "))
        .map(|path| format!("{}: does not open with `//! `", path.display()))
        .collect();
    expect_none(&complaints);
}

#[test]
fn no_module_has_a_name_that_says_nothing() {
    let complaints: Vec<String> = files(".rs")
        .iter()
        .filter(|path| {
            path.components().any(|part| {
                let part = part.as_os_str().to_string_lossy();
                EMPTY_NAMES.contains(&part.trim_end_matches(".rs"))
            })
        })
        .map(|path| format!("{}: name it after what it does", path.display()))
        .collect();
    expect_none(&complaints);
}

#[test]
fn no_file_names_a_path_of_somebodys_machine() {
    let mut complaints = Vec::new();
    for ending in [".rs", ".md", ".toml", ".yaml", ".go", ".sh"] {
        for path in files(ending) {
            for (number, line) in text(&path).lines().enumerate() {
                if MACHINE_PATHS
                    .iter()
                    .any(|machine_path| line.contains(machine_path))
                {
                    complaints.push(format!(
                        "{}:{}: {}",
                        path.display(),
                        number + 1,
                        line.trim()
                    ));
                }
            }
        }
    }
    expect_none(&complaints);
}
