//! From a path to the objects that its files hold now, the last good ones of a broken file included.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::path::{Path, PathBuf};

use tracing::{info, warn};

use super::Objects;
use crate::k8s::document;
use crate::k8s::needs::Needs;
use crate::k8s::object::Object;

/// So many mistakes of one file are logged, the rest is counted.
const MISTAKES_TOLD: usize = 5;

/// A file or a directory, and what was read of it.
pub(super) struct Files {
    path: PathBuf,
    needs: Needs,
    /// Sorted by name: of two files with the same object, the last one has it.
    known: BTreeMap<PathBuf, File>,
    /// A secret of this process, so that no two texts can be made to look the same.
    hasher: RandomState,
    /// What was last said about the path as a whole.
    complaint: Option<String>,
    /// Whether it was never read.
    is_unread: bool,
}

/// One file: what it said last, and its objects.
#[derive(Default)]
struct File {
    /// A hash of its text: the texts of a large zone would take more memory than its objects.
    text: Option<u64>,
    /// Whether that is something new.
    is_new: bool,
    objects: Vec<Object>,
    /// What was last said about a file that cannot be read.
    complaint: Option<String>,
}

impl Files {
    /// Nothing is read yet; the error is that of a path which is not there or not readable.
    pub(super) fn open(path: &Path, needs: Needs) -> io::Result<Self> {
        let files = Self {
            path: path.to_owned(),
            needs,
            known: BTreeMap::new(),
            hasher: RandomState::new(),
            complaint: None,
            is_unread: true,
        };
        for file in files.list()? {
            // The first reading has no last good objects to fall back to: a single file that cannot
            // be opened is an error, one of many a warning.
            if file == path {
                std::fs::File::open(file)?;
            }
        }
        Ok(files)
    }

    /// The objects in force, if they may be others than the last time: what changed on disk is read and complained about.
    pub(super) fn read(&mut self) -> Option<Objects> {
        let mut is_new = std::mem::take(&mut self.is_unread);
        match self.list() {
            Ok(paths) => {
                self.complaint = None;
                self.known.retain(|path, file| {
                    let stays = paths.binary_search(path).is_ok();
                    if !stays {
                        is_new = true;
                        let objects = file.objects.len();
                        info!(
                            "{} is gone, and its {objects} objects with it",
                            path.display()
                        );
                    }
                    stays
                });
                for path in paths {
                    let file = self.known.entry(path.clone()).or_default();
                    file.read(&path, &self.needs, &self.hasher);
                    is_new |= std::mem::take(&mut file.is_new);
                }
                if self.known.is_empty() {
                    self.complain("no *.yaml, *.yml or *.json in this directory".into());
                }
            }
            Err(error) => self.complain(format!("{error}; its last good objects stay in force")),
        }
        let objects = self.known.values().flat_map(|file| &file.objects);
        let keyed = |object: &Object| ((object.kind(), object.key().clone()), object.clone());
        is_new.then(|| objects.map(keyed).collect())
    }

    /// The manifest files, sorted. Names with a leading dot are none: a ConfigMap volume keeps its
    /// `..data` there, editors their swap files.
    fn list(&self) -> io::Result<Vec<PathBuf>> {
        if !std::fs::metadata(&self.path)?.is_dir() {
            return Ok(vec![self.path.clone()]);
        }
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(&self.path)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().as_encoded_bytes();
            let extension = path.extension().and_then(|extension| extension.to_str());
            if !name.starts_with(b".")
                && matches!(extension, Some("yaml" | "yml" | "json"))
                && !path.is_dir()
            {
                paths.push(path);
            }
        }
        paths.sort();
        Ok(paths)
    }

    fn complain(&mut self, complaint: String) {
        say_once(&mut self.complaint, &self.path, complaint);
    }
}

impl File {
    fn read(&mut self, path: &Path, needs: &Needs, hasher: &RandomState) {
        let text = match std::fs::read(path).map(String::from_utf8) {
            Ok(Ok(text)) => text,
            Ok(Err(_)) => return self.complain(path, "not UTF-8"),
            Err(error) => return self.complain(path, &error.to_string()),
        };
        if text.is_empty() && !self.objects.is_empty() {
            // More likely a write that was cut off than a wish.
            return self.complain(path, "empty; remove the file if its objects shall go");
        }
        self.complaint = None;
        let hash = Some(hasher.hash_one(&text));
        if hash == self.text {
            return;
        }
        let reading = document::read(&text, needs);
        let before = std::mem::replace(&mut self.objects, reading.objects);
        self.text = hash;
        self.is_new = true;
        for mistake in reading.mistakes.iter().take(MISTAKES_TOLD) {
            warn!("{}: {mistake}", path.display());
        }
        if reading.mistakes.is_empty() {
            return;
        }
        let untold = reading.mistakes.len().saturating_sub(MISTAKES_TOLD);
        if untold > 0 {
            warn!("{}: and {untold} more documents like this", path.display());
        }
        let of = |object: &Object| (object.kind(), object.key().clone());
        let good: std::collections::HashSet<_> = self.objects.iter().map(of).collect();
        let kept = before
            .into_iter()
            .filter(|object| !good.contains(&of(object)));
        self.objects.extend(kept);
    }

    fn complain(&mut self, path: &Path, complaint: &str) {
        say_once(
            &mut self.complaint,
            path,
            format!("{complaint}; its last good objects stay in force"),
        );
    }
}

fn say_once(last: &mut Option<String>, path: &Path, complaint: String) {
    if last.as_ref() != Some(&complaint) {
        warn!("{}: {complaint}", path.display());
        *last = Some(complaint);
    }
}
