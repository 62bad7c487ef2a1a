//! A run to the measured part of `docs/benchmarks.md` and to its plots, so that text and figures are of one run.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::machine::Machine;
use crate::report::{Part, goals, write_plots};

/// What the command writes is between these two lines of the file; the rest is a person's.
const BEGIN: &str = "<!-- measured: written by `cargo xtask bench` -->\n";
const END: &str = "<!-- end of what was measured -->\n";

/// Rewrites the measured part of `benchmarks.md` in `directory`, and all of the directory `benchmarks` beside it.
pub(crate) fn write(directory: &Path, machine: [&Machine; 2], parts: &[Part]) -> Result<()> {
    let file = directory.join("benchmarks.md");
    let old =
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let new = replaced(&old, &measured(machine, parts))
        .with_context(|| format!("{} lacks the line {BEGIN:?} or {END:?}", file.display()))?;
    write_plots(&directory.join("benchmarks"), parts)?;
    fs::write(&file, new).with_context(|| format!("cannot write {}", file.display()))
}

fn measured([before, after]: [&Machine; 2], parts: &[Part]) -> String {
    let mut text = format!(
        "\n- Machine, before the run: {}.\n- After it: {}.\n- KernDNS {}, built with optimisation; command, as root: \
         `cargo xtask bench`.\n\n## Goals\n\n{}",
        before.text(),
        after.text(),
        env!("CARGO_PKG_VERSION"),
        goals(parts),
    );
    for part in parts {
        text.push_str(&format!("\n## {}\n\n{}", part.title, part.text));
        for (stem, _) in &part.plots {
            text.push_str(&format!("\n![{stem}](benchmarks/{stem}.svg)\n"));
        }
    }
    text.push('\n');
    text
}

/// `old` with another measured part; none where there is no place for it.
fn replaced(old: &str, measured: &str) -> Option<String> {
    let (head, rest) = old.split_once(BEGIN)?;
    let (_, tail) = rest.split_once(END)?;
    Some(format!("{head}{BEGIN}{measured}{END}{tail}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_measured_part_is_replaced() {
        let old = format!("# Head\n{BEGIN}old\n{END}Tail\n");
        let new = replaced(&old, "new\n").unwrap();
        assert_eq!(new, format!("# Head\n{BEGIN}new\n{END}Tail\n"));
        assert_eq!(replaced(&new, "old\n").unwrap(), old);
    }

    #[test]
    fn a_file_without_the_two_lines_is_left_alone() {
        assert_eq!(replaced("# Head\n", "new\n"), None);
        assert_eq!(replaced(&format!("{END}{BEGIN}"), "new\n"), None);
    }
}
