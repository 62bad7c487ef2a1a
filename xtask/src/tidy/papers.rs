//! Rules for the Markdown files: a relative link leads to a file that is there.

use std::path::Path;

use super::{expect_none, files, root, text};

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

#[test]
fn links_are_read_without_urls_and_anchors() {
    let markdown = "[a](docs/a.md#part) [b](https://example.com/) [c](#here) [d](../d)";
    assert_eq!(relative_links(markdown), ["docs/a.md", "../d"]);
}
