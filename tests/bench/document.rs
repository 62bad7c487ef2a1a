//! A part to its places in `docs/benchmarks.md` and to its plots: as soon as it is measured, and no other part's.
//!
//! A part has two places, each between two marks that a person has set: its section, and its goals, which stand beside the
//! other parts' goals. Both say which run they are of. What is outside of the marks is the person's.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use crate::provenance::Provenance;
use crate::report::{Part, goals, write_plots};

/// `benchmarks.md`, and the directory `benchmarks` beside it for the plots.
pub(crate) struct Document<'a> {
    directory: &'a Path,
}

impl<'a> Document<'a> {
    /// That in `directory`.
    pub(crate) fn new(directory: &'a Path) -> Self {
        Self { directory }
    }

    /// An error if there is no place for a part: better before an hour of measuring than after it.
    pub(crate) fn has_place_for(&self, name: &str) -> Result<()> {
        with_part(&self.read()?, name, "", "").map(drop)
    }

    /// Replaces a part, and its plots.
    pub(crate) fn write(&self, part: &Part, provenance: &Provenance) -> Result<()> {
        let new = with_part(
            &self.read()?,
            part.name,
            &section(part, provenance),
            &goals_section(part, provenance),
        )?;
        write_plots(&self.directory.join("benchmarks"), part)?;
        let file = self.directory.join("benchmarks.md");
        fs::write(&file, new).with_context(|| format!("cannot write {}", file.display()))
    }

    fn read(&self) -> Result<String> {
        let file = self.directory.join("benchmarks.md");
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))
    }
}

fn section(part: &Part, provenance: &Provenance) -> String {
    let mut text = format!("## {}\n\n{}\n{}", part.title, provenance.text(), part.text);
    for (stem, _) in &part.plots {
        text.push_str(&format!(
            "\n![{stem}](benchmarks/{}/{stem}.svg)\n",
            part.name
        ));
    }
    text
}

fn goals_section(part: &Part, provenance: &Provenance) -> String {
    if part.goals.is_empty() {
        return String::new();
    }
    format!(
        "### {}\n\nOf the run of {}.\n\n{}",
        part.title,
        provenance.short(),
        goals(&part.goals)
    )
}

fn with_part(old: &str, name: &str, section: &str, goals: &str) -> Result<String> {
    let text = replaced(old, &format!("goals of {name}"), goals)?;
    replaced(&text, name, section)
}

/// `old` with something else between the marks `<!-- bench: WHAT -->` and `<!-- bench: end of WHAT -->`.
fn replaced(old: &str, what: &str, new: &str) -> Result<String> {
    let begin = format!("<!-- bench: {what} -->\n");
    let end = format!("<!-- bench: end of {what} -->\n");
    let marked = old.split_once(&begin).and_then(|(head, rest)| {
        let (_, tail) = rest.split_once(&end)?;
        Some((head, tail))
    });
    let (head, tail) =
        marked.with_context(|| format!("benchmarks.md lacks {begin:?}, or {end:?} after it"))?;
    ensure!(!tail.contains(&begin), "benchmarks.md has {begin:?} twice");
    let space = if new.is_empty() { "" } else { "\n" };
    Ok(format!("{head}{begin}{space}{new}{space}{end}{tail}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provenance::{Begun, Run};
    use crate::report::Goal;

    /// The file that is part of the source.
    const OWN: &str = include_str!("../../docs/benchmarks.md");

    fn marks(what: &str, text: &str) -> String {
        format!("<!-- bench: {what} -->\n{text}<!-- bench: end of {what} -->\n")
    }

    #[test]
    fn only_what_is_between_its_marks_is_replaced() {
        let old = format!(
            "# Head\n{}Middle\n{}Tail\n",
            marks("cost", "old\n"),
            marks("sizes", "old\n")
        );
        let new = replaced(&old, "sizes", "new\n").unwrap();
        let expected = format!(
            "# Head\n{}Middle\n{}Tail\n",
            marks("cost", "old\n"),
            marks("sizes", "\nnew\n\n")
        );
        assert_eq!(new, expected);
        assert_eq!(replaced(&new, "sizes", "new\n").unwrap(), new);
    }

    #[test]
    fn a_file_without_the_marks_is_left_alone() {
        assert!(replaced("# Head\n", "cost", "new\n").is_err());
        let swapped = "<!-- bench: end of cost -->\n<!-- bench: cost -->\n";
        assert!(replaced(swapped, "cost", "new\n").is_err());
        assert!(replaced(&marks("cost", "").repeat(2), "cost", "new\n").is_err());
    }

    #[test]
    fn a_part_goes_to_its_section_and_its_goals() {
        let run = Run::begin(&[]).unwrap();
        let provenance = Begun::now().unwrap().end(&run, false).unwrap();
        let part = Part {
            name: "cost",
            title: "Cost",
            text: "| table |\n".into(),
            goals: vec![Goal {
                text: "fast".into(),
                measured: "5 ns".into(),
                reached: true,
            }],
            plots: vec![("one".into(), String::new())],
            ..Part::default()
        };
        let old = format!("{}{}", marks("goals of cost", ""), marks("cost", ""));
        let new = with_part(
            &old,
            part.name,
            &section(&part, &provenance),
            &goals_section(&part, &provenance),
        )
        .unwrap();
        let (goals, section) = new.split_once("<!-- bench: cost -->").unwrap();
        assert!(goals.contains("| fast | 5 ns | yes |") && goals.contains(&provenance.short()));
        assert!(section.contains("| table |") && section.contains(&provenance.text()));
        assert!(section.contains("](benchmarks/cost/one.svg)"));
    }

    #[test]
    fn the_projects_own_file_has_a_place_for_every_part() {
        for (_, name, _) in crate::Which::ALL {
            with_part(OWN, name, "", "").unwrap();
        }
    }
}
