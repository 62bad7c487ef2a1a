//! Corefiles as tables: good ones and what they come to, bad ones and the whole message.

mod authority;
mod bad;
mod beside;
mod good;
mod hostile;
mod import;

use std::path::{Path, PathBuf};

use super::config::parse_with;
use super::{Config, CorefileError};

/// A Corefile's text, with no environment variable but `PORT`.
fn parse(text: &str) -> Result<Config, CorefileError> {
    parse_at(text, Path::new("Corefile"))
}

fn parse_at(text: &str, file: &Path) -> Result<Config, CorefileError> {
    parse_with(text, file, &|name| (name == "PORT").then(|| "1053".into()))
}

/// The text in one server block for `.`, which starts at line 2.
fn in_block(lines: &str) -> Result<Config, CorefileError> {
    parse(&format!(". {{\n{lines}\n}}\n"))
}

/// A directory of its own for each test, removed at the end.
struct Directory(PathBuf);

impl Directory {
    fn new(test: &str) -> Self {
        let name = format!("kerndns-corefile-{test}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        // Without symbolic links in it, as messages about cycles name it.
        Self(path.canonicalize().unwrap())
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // A directory left behind in /tmp is no reason to fail.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
