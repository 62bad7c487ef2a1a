//! The licences of the crates that are linked into the agent, from their own packages.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::Arch;
use crate::command;

/// What a file with a licence is called; upper or lower case, with or without an ending.
const NAMES: [&str; 5] = ["license", "licence", "copying", "notice", "copyright"];

/// Files by path: each crate's in a directory of its name and version, and `CRATES`, a line for each crate.
pub(super) fn collect(root: &Path, arch: Arch) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut cargo = Command::new("cargo");
    cargo
        .current_dir(root)
        .args(["metadata", "--format-version", "1", "--locked"])
        .args(["--filter-platform", arch.target()]);
    let metadata: Value = serde_json::from_str(&command::output(&mut cargo)?)?;
    let linked = linked(&metadata)?;
    let mut files = BTreeMap::new();
    let mut list = String::from(
        "Linked into the agent, beside the Rust standard library (MIT OR Apache-2.0) and musl (MIT):\n\n",
    );
    let mut rows = BTreeSet::new();
    for package in array(&metadata["packages"]) {
        // What has no source is our own.
        if !linked.contains(text(&package["id"])) || package["source"].is_null() {
            continue;
        }
        let crate_name = format!("{}-{}", text(&package["name"]), text(&package["version"]));
        rows.insert(format!("{crate_name}: {}\n", text(&package["license"])));
        let manifest = Path::new(text(&package["manifest_path"]));
        let directory = manifest
            .parent()
            .context("a manifest without a directory")?;
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let file = entry.file_name().to_string_lossy().into_owned();
            let lower = file.to_lowercase();
            if entry.file_type()?.is_file() && NAMES.iter().any(|name| lower.starts_with(name)) {
                files.insert(format!("{crate_name}/{file}"), fs::read(entry.path())?);
            }
        }
    }
    list.extend(rows);
    files.insert("CRATES".to_owned(), list.into_bytes());
    Ok(files)
}

/// The packages that `dns-agent` reaches without build and dev dependencies.
fn linked(metadata: &Value) -> Result<BTreeSet<&str>> {
    let nodes: BTreeMap<&str, &Value> = array(&metadata["resolve"]["nodes"])
        .map(|node| (text(&node["id"]), node))
        .collect();
    let mut packages = array(&metadata["packages"]);
    let agent = packages
        .find(|package| package["name"] == "dns-agent")
        .context("cargo metadata does not name dns-agent")?;
    let mut todo = vec![text(&agent["id"])];
    let mut linked = BTreeSet::new();
    while let Some(id) = todo.pop() {
        if !linked.insert(id) {
            continue;
        }
        let node = nodes
            .get(id)
            .context("cargo metadata has a package without a node")?;
        let is_normal = |dep: &&Value| array(&dep["dep_kinds"]).any(|kind| kind["kind"].is_null());
        todo.extend(
            array(&node["deps"])
                .filter(is_normal)
                .map(|dep| text(&dep["pkg"])),
        );
    }
    Ok(linked)
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
