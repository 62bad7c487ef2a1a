//! Rules for the Markdown files: links lead to files, and what a paper says is in the source is there.

use std::path::Path;

use super::source::{self, Source};
use super::{expect_none, files, root, text};

/// Papers that name things of the source in code spans.
const ABOUT_THE_SOURCE: [&str; 3] = [
    "ARCHITECTURE.md",
    "SPECIFICATION.md",
    "docs/compatibility.md",
];

#[test]
fn every_relative_link_leads_to_a_file_that_is_there() {
    let mut complaints = Vec::new();
    for paper in files(".md") {
        let directory = root().join(paper.parent().unwrap_or(Path::new("")));
        for link in relative_links(&text(&paper)) {
            if !directory.join(&link).exists() {
                complaints.push(format!("{}: {link} is not there", paper.display()));
            }
        }
    }
    expect_none(&complaints);
}

#[test]
fn every_box_of_a_chart_is_a_function_and_every_cylinder_a_map() {
    let sources = source::all();
    let chart = charts(&text(Path::new("ARCHITECTURE.md")));
    let (boxes, maps) = (boxes(&chart), between(&chart, "[(\"", "\")]"));
    assert!(
        boxes.len() > 30 && maps.len() > 5,
        "the charts are not read"
    );
    let no_function = boxes
        .iter()
        .filter(|path| !source::has(&sources, path, &["fn"]))
        .map(|path| format!("ARCHITECTURE.md: no function {path} in the source"));
    let no_map = maps
        .iter()
        .filter(|name| !source::has(&sources, &format!("maps::{name}"), &["static"]))
        .map(|name| format!("ARCHITECTURE.md: no map {name} in the kernel programs"));
    expect_none(&no_function.chain(no_map).collect::<Vec<_>>());
}

#[test]
fn what_papers_name_as_code_is_in_the_source() {
    let sources = source::all();
    let mut complaints = Vec::new();
    for paper in ABOUT_THE_SOURCE {
        for span in between(&without_fences(&text(Path::new(paper))), "`", "`") {
            let is_right = if is_path(&span) {
                source::has(&sources, &span, &source::ITEMS)
            } else if is_test_name(&span) {
                has_test(&sources, &span)
            } else {
                true
            };
            if !is_right {
                complaints.push(format!("{paper}: there is no {span}"));
            }
        }
    }
    expect_none(&complaints);
}

#[test]
fn every_outcome_is_explained_for_who_looks_for_a_fault() {
    let labels: Vec<String> = text(Path::new("dns-ebpf/src/outcome.rs"))
        .lines()
        .filter_map(|line| {
            let (declaration, label) = line.trim().strip_suffix("\",")?.split_once(" \"")?;
            declaration.contains(" = ").then(|| label.to_owned())
        })
        .collect();
    assert!(labels.len() > 30, "the outcomes are not read");
    let paper = text(Path::new("docs/troubleshooting.md"));
    let missing = labels
        .iter()
        .filter(|label| !paper.contains(&format!("| `{label}` |")))
        .map(|label| format!("docs/troubleshooting.md: no row for the outcome {label}"));
    expect_none(&missing.collect::<Vec<_>>());
}

#[test]
fn the_readme_has_every_flag_of_run() {
    let cli = text(Path::new("dns-agent/src/cli.rs"));
    let arguments = between(&cli, "pub struct RunArgs {", "\n}");
    let flags: Vec<String> = arguments[0]
        .lines()
        .filter_map(|line| line.trim().strip_prefix("pub ")?.split_once(':'))
        .map(|(field, _)| format!("--{}", field.replace('_', "-")))
        .collect();
    assert!(flags.len() > 10, "the flags are not read");
    let readme = text(Path::new("README.md"));
    let missing = flags
        .iter()
        .filter(|flag| !readme.contains(&format!("`{flag}")))
        .map(|flag| format!("README.md: {flag} is not explained"));
    expect_none(&missing.collect::<Vec<_>>());
}

/// The targets of `[text](target)` that are neither URLs nor places in the same file.
fn relative_links(markdown: &str) -> Vec<String> {
    let targets = markdown
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    targets
        .filter(|target| !target.contains("://") && !target.starts_with('#'))
        .map(|target| target.split('#').next().unwrap_or(target).to_owned())
        .collect()
}

/// All mermaid charts of a paper, one behind the other.
fn charts(markdown: &str) -> String {
    between(markdown, "```mermaid\n", "\n```").join("\n")
}

/// The labels of a chart's rectangles; what has rounded ends (`(["..."])`) is a thing.
fn boxes(chart: &str) -> Vec<String> {
    between(&chart.replace("([\"", "(\""), "[\"", "\"]")
}

/// A paper without its fenced blocks.
fn without_fences(markdown: &str) -> String {
    markdown.split("\n```").step_by(2).collect()
}

/// What stands between an opening and the closing that follows it.
fn between(text: &str, open: &str, close: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(open) {
        let Some((inside, after)) = after.split_once(close) else {
            break;
        };
        found.push(inside.to_owned());
        rest = after;
    }
    found
}

/// `module::item` or `Type::item`, of this workspace: a name alone may be anybody's.
fn is_path(span: &str) -> bool {
    span.contains("::")
        && span
            .chars()
            .all(|c| c.is_alphanumeric() || c == '_' || c == ':')
}

/// Test names are sentences; as long are functions of the kernel, which are of bpf, and metrics.
fn is_test_name(span: &str) -> bool {
    let is_lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let is_metric = ["coredns_", "kerndns_"]
        .iter()
        .any(|prefix| span.starts_with(prefix));
    let is_sentence = span.matches('_').count() > 2 && span.chars().all(is_lower);
    is_sentence && !is_metric && !span.contains("bpf")
}

fn has_test(sources: &[Source], name: &str) -> bool {
    let definition = format!("fn {name}(");
    sources
        .iter()
        .any(|source| source.text.contains(&definition))
}

#[test]
fn links_are_read_without_urls_and_anchors() {
    let markdown = "[a](docs/a.md#part) [b](https://example.com/) [c](#here) [d](../d)";
    assert_eq!(relative_links(markdown), ["docs/a.md", "../d"]);
}

#[test]
fn boxes_and_cylinders_of_charts_are_told_apart() {
    let chart =
        charts("`x::y`\n```mermaid\na[\"m::f\"] --> B[(\"MAP\")] --> c([\"a thing\"])\n```\n");
    assert_eq!(between(&chart, "[(\"", "\")]"), ["MAP"]);
    // A thing with rounded ends is no function, though its brackets look like one's.
    assert_eq!(boxes(&chart), ["m::f"]);
    assert_eq!(without_fences("a\n```\n`b`\n```\nc"), "a\nc");
}
