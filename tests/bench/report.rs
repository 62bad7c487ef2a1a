//! What was measured to a JSON file and to plots, and goals to rows of a table.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Serialize;
use serde_json::{Value, json};

use crate::machine::Machine;

/// What one module has measured.
#[derive(Debug, Default)]
pub(crate) struct Part {
    /// Its name in the JSON file.
    pub(crate) name: &'static str,
    /// What it is about, the heading of its section.
    pub(crate) title: &'static str,
    /// Tables in Markdown, for the terminal and for `docs/benchmarks.md`.
    pub(crate) text: String,
    /// Every single figure.
    pub(crate) raw: Value,
    /// Its plots: a file's name without `.svg`, and what goes into it.
    pub(crate) plots: Vec<(String, String)>,
    /// What these figures are to reach.
    pub(crate) goals: Vec<Goal>,
}

/// A promise, and what came of it in this run.
#[derive(Debug, Serialize)]
pub(crate) struct Goal {
    /// What is wanted, with its unit and bound.
    pub(crate) text: String,
    /// What was measured, with its unit.
    pub(crate) measured: String,
    /// Whether it is as wanted.
    pub(crate) reached: bool,
}

/// Every goal of every part as a table in Markdown; nothing where there are none.
pub(crate) fn goals(parts: &[Part]) -> String {
    let goals: Vec<&Goal> = parts.iter().flat_map(|part| &part.goals).collect();
    if goals.is_empty() {
        return String::new();
    }
    let mut text = "| goal | measured | reached |\n|---|---|---|\n".to_owned();
    for goal in goals {
        let reached = if goal.reached { "yes" } else { "**no**" };
        text.push_str(&format!(
            "| {} | {} | {reached} |\n",
            goal.text, goal.measured
        ));
    }
    text
}

/// Writes all parts, and how the machine was before and after them; the plots into a directory beside the file.
pub(crate) fn write(path: &Path, before: &Machine, after: &Machine, parts: &[Part]) -> Result<()> {
    let named = parts
        .iter()
        .map(|part| (part.name.to_owned(), part.raw.clone()));
    let goals: Vec<&Goal> = parts.iter().flat_map(|part| &part.goals).collect();
    let whole = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "before": before,
        "after": after,
        "parts": Value::Object(named.collect()),
        "goals": goals,
    });
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).context("cannot make the directory for the figures")?;
    }
    fs::write(path, format!("{whole:#}\n"))
        .with_context(|| format!("cannot write {}", path.display()))?;
    write_plots(&path.with_extension("plots"), parts)
}

/// Writes every plot into a directory, in which no plot of another run stays.
pub(crate) fn write_plots(directory: &Path, parts: &[Part]) -> Result<()> {
    fs::create_dir_all(directory)
        .with_context(|| format!("cannot make {}", directory.display()))?;
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "svg") {
            fs::remove_file(path)?;
        }
    }
    for (stem, svg) in parts.iter().flat_map(|part| &part.plots) {
        let path = directory.join(format!("{stem}.svg"));
        fs::write(&path, svg).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
