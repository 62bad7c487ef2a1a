//! What was measured to a JSON file.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::machine::Machine;

/// What one module has measured.
#[derive(Debug)]
pub(crate) struct Part {
    /// Its name in the JSON file.
    pub(crate) name: &'static str,
    /// Tables in Markdown, for the terminal and for `docs/benchmarks.md`.
    pub(crate) text: String,
    /// Every single figure.
    pub(crate) raw: Value,
    /// Its plots: a file's name without `.svg`, and what goes into it.
    pub(crate) plots: Vec<(String, String)>,
}

/// Writes all parts, and how the machine was before and after them.
pub(crate) fn write(path: &Path, before: &Machine, after: &Machine, parts: &[Part]) -> Result<()> {
    let named = parts
        .iter()
        .map(|part| (part.name.to_owned(), part.raw.clone()));
    let whole = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "before": before,
        "after": after,
        "parts": Value::Object(named.collect()),
    });
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).context("cannot make the directory for the figures")?;
    }
    fs::write(path, format!("{whole:#}\n"))
        .with_context(|| format!("cannot write {}", path.display()))
}
