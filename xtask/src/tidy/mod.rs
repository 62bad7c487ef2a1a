//! What rustc and clippy do not hold, held by tests: which module may import which, how long a file
//! may be, that each says what it is, and that the papers name only what is there.

mod files;
mod imports;
mod papers;
mod source;

use std::fs;
use std::path::{Path, PathBuf};

/// The repository's root directory.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask/ lies in the root")
}

/// Every file of ours with this ending, relative to the root, sorted.
fn files(ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    collect(root(), ending, &mut found);
    found.sort();
    found
}

fn collect(directory: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory of the repository") {
        let path = entry
            .expect("an entry of a directory of the repository")
            .path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.is_dir() && !name.starts_with('.') && name != "target" {
            collect(&path, ending, found);
        } else if path.is_file() && name.ends_with(ending) {
            found.push(
                path.strip_prefix(root())
                    .expect("below the root")
                    .to_owned(),
            );
        }
    }
}

/// The text of a file named relative to the root.
fn text(path: &Path) -> String {
    fs::read_to_string(root().join(path)).expect("a text file")
}

/// Fails with every complaint, not only the first.
fn expect_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}
