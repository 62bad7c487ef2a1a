//! What was measured to a JSON file and to plots, part by part, and goals to rows of a table.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::provenance::Provenance;

/// What one module has measured.
#[derive(Debug, Default)]
pub(crate) struct Part {
    /// Its name in the JSON file, and in the marks of `docs/benchmarks.md`.
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
    /// What was measured ran in processes that the benchmark did not start itself.
    pub(crate) is_elsewhere: bool,
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

/// A part's goals as a table in Markdown; nothing where there are none.
pub(crate) fn goals(goals: &[Goal]) -> String {
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

/// Puts a part into the JSON file, in place of an earlier run's; other parts in it stay, each with its own provenance. Its
/// plots go into a directory of the part's name, in one beside the file that ends in `.plots`.
pub(crate) fn write(path: &Path, part: &Part, provenance: &Provenance) -> Result<()> {
    let old = fs::read_to_string(path).unwrap_or_default();
    let new = with(&old, part, provenance);
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).context("cannot make the directory for the figures")?;
    }
    // Whoever ends this process meanwhile leaves the old figures or the new ones.
    let unfinished = path.with_extension("unfinished");
    fs::write(&unfinished, format!("{new:#}\n"))
        .and_then(|()| fs::rename(&unfinished, path))
        .with_context(|| format!("cannot write {}", path.display()))?;
    write_plots(&path.with_extension("plots"), part)?;
    Ok(())
}

/// What the file has with one part replaced; a file of another form is begun anew.
fn with(old: &str, part: &Part, provenance: &Provenance) -> Value {
    let mut parts = match serde_json::from_str(old) {
        Ok(Value::Object(mut whole)) => match whole.remove("parts") {
            Some(Value::Object(parts)) => parts,
            _ => Map::new(),
        },
        _ => Map::new(),
    };
    // What has no provenance of its own is from before it was noted.
    parts.retain(|_, part| part.get("provenance").is_some());
    let value = json!({
        "title": part.title,
        "provenance": provenance,
        "goals": part.goals,
        "figures": part.raw,
    });
    parts.insert(part.name.to_owned(), value);
    json!({ "parts": parts })
}

/// Writes a part's plots into a directory of its name in `directory`, in which no plot of another run stays. Where they are.
pub(crate) fn write_plots(directory: &Path, part: &Part) -> Result<Vec<PathBuf>> {
    let directory = directory.join(part.name);
    if directory.exists() {
        fs::remove_dir_all(&directory)
            .with_context(|| format!("cannot empty {}", directory.display()))?;
    }
    let mut paths = Vec::new();
    for (stem, svg) in &part.plots {
        let path = directory.join(format!("{stem}.svg"));
        fs::create_dir_all(&directory)
            .and_then(|()| fs::write(&path, svg))
            .with_context(|| format!("cannot write {}", path.display()))?;
        paths.push(path);
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provenance::{Begun, Run};

    fn provenance() -> Provenance {
        let run = Run::begin(&[]).unwrap();
        Begun::now().unwrap().end(&run, false).unwrap()
    }

    fn part(name: &'static str, raw: u32) -> Part {
        Part {
            name,
            raw: json!(raw),
            ..Part::default()
        }
    }

    #[test]
    fn a_part_replaces_its_own_earlier_figures_only() {
        let provenance = provenance();
        let one = with("", &part("cost", 1), &provenance).to_string();
        let two = with(&one, &part("sizes", 2), &provenance).to_string();
        let three = with(&two, &part("cost", 3), &provenance);
        assert_eq!(three["parts"]["cost"]["figures"], 3);
        assert_eq!(three["parts"]["sizes"]["figures"], 2);
        let of = &three["parts"]["sizes"]["provenance"];
        for field in [
            "cpu",
            "kernel",
            "commit",
            "command",
            "date",
            "percent_of_cpus",
        ] {
            assert!(!of[field].is_null(), "{field}: {of}");
        }
        for name in [
            "CoreDNS",
            "Knot DNS",
            "NSD",
            "Unbound",
            "dnsmasq",
            "dnsperf",
            "bpf-linker",
            "rustc",
        ] {
            assert!(of["versions"][name].is_string(), "{name}: {of}");
        }
    }

    #[test]
    fn figures_whose_run_is_not_known_are_not_kept() {
        for old in ["no JSON", "[1]", r#"{"parts": {"sizes": {"a": 1}}}"#] {
            let new = with(old, &part("cost", 1), &provenance());
            assert_eq!(new["parts"].as_object().unwrap().len(), 1, "{old}");
        }
    }

    #[test]
    fn plots_of_an_earlier_run_are_removed() {
        let directory = std::env::temp_dir().join(format!("kerndns-plots-{}", std::process::id()));
        let plot = |stem: &str| (stem.to_owned(), "<svg/>".to_owned());
        let mut part = part("cost", 1);
        part.plots = vec![plot("one"), plot("two")];
        write_plots(&directory, &part).unwrap();
        part.plots.pop();
        let paths = write_plots(&directory, &part).unwrap();
        let found = fs::read_dir(directory.join("cost")).unwrap().count();
        fs::remove_dir_all(&directory).unwrap();
        assert_eq!((paths.len(), found), (1, 1));
    }
}
