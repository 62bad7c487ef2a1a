//! From manifest files to events: `--source PATH`, a file or a directory of YAML and JSON.
//!
//! The files are read again when they change. What was good stays in force while a file is broken:
//! as long as one document of a file cannot be used, the good documents of the file are applied and
//! nothing that the file said before is deleted, because what is missing may be what is broken.

mod files;

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use notify::{EventKind, RecursiveMode, Watcher};
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::time;
use tracing::warn;

use super::needs::Needs;
use super::object::{Kind, Object, ObjectKey};
use super::{Event, Verb};
use files::Files;

/// Changes are read once nothing has happened for this long: an editor writes in several steps.
const QUIET: Duration = Duration::from_millis(50);
/// Under a stream of changes, a reading happens at least this often.
const IMPATIENCE: Duration = Duration::from_secs(1);
/// Without a word from inotify, the files are compared with what was read this often: network file
/// systems tell nothing, and a directory above a watched one may be exchanged.
const INTERVAL: Duration = Duration::from_secs(5);

/// Why there can be no source at a path.
#[derive(Debug, Error)]
pub enum ManifestError {
    /// Nothing is there, or it cannot be read.
    #[error(
        "--source {}: {source}; give a file or a directory of Kubernetes YAML or JSON, \
         or `kubernetes` to watch the API server",
        path.display()
    )]
    Unreadable {
        /// The path given.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// inotify refuses.
    #[error(
        "--source {}: no inotify watcher ({source}); raise fs.inotify.max_user_instances",
        path.display()
    )]
    NoWatcher {
        /// The path given.
        path: PathBuf,
        /// What the system says.
        source: notify::Error,
    },
    /// A reading stopped half-way, which only the end of the runtime can do.
    #[error("--source {}: the reading was cut off: {source}", path.display())]
    CutOff {
        /// The path given.
        path: PathBuf,
        /// What the runtime says.
        source: tokio::task::JoinError,
    },
}

/// Follows every kind of `needs` in `path` until nobody listens to `events` any more.
///
/// The first reading ends in a [`Verb::Reset`] of every kind; later ones send the differences alone.
/// Mistakes in the files are logged, once each; an error is returned only for a path that cannot be
/// read at the start.
pub async fn run(
    path: PathBuf,
    needs: Needs,
    events: mpsc::UnboundedSender<Event>,
) -> Result<(), ManifestError> {
    let unreadable = |source| ManifestError::Unreadable {
        path: path.clone(),
        source,
    };
    // Before the first reading, so that no change falls between the two.
    let (changed, mut changes) = mpsc::channel(1);
    let mut watcher = watcher(&path, changed)?;
    let mut told = Told {
        kinds: needs.kinds().collect(),
        ..Told::default()
    };
    let mut files = Files::open(&path, needs).map_err(unreadable)?;
    loop {
        watch_directories(&mut watcher, &path);
        let read = tokio::task::spawn_blocking(move || {
            let objects = files.read();
            (files, objects)
        });
        let objects;
        (files, objects) = read.await.map_err(|source| ManifestError::CutOff {
            path: path.clone(),
            source,
        })?;
        if objects.is_some_and(|objects| told.tell(objects, &events).is_err()) {
            return Ok(());
        }
        tokio::select! {
            () = settled(&mut changes) => {}
            () = time::sleep(INTERVAL) => {}
            () = events.closed() => return Ok(()),
        }
    }
}

/// Objects by kind and name, in the order in which they are told.
type Objects = BTreeMap<(Kind, ObjectKey), Object>;

/// What the listener knows.
#[derive(Default)]
struct Told {
    objects: Objects,
    /// The kinds that are read.
    kinds: Vec<Kind>,
    lists: bool,
    /// Namespaces that a Service is in and that no file has.
    without_namespace: HashSet<Arc<str>>,
}

impl Told {
    fn tell(
        &mut self,
        objects: Objects,
        events: &mpsc::UnboundedSender<Event>,
    ) -> Result<(), mpsc::error::SendError<Event>> {
        let now = Instant::now();
        let send = |verb| events.send(Event::Change(verb, now));
        for (key, object) in &objects {
            if self.objects.get(key) != Some(object) {
                send(Verb::Apply(object.clone()))?;
            }
        }
        for (kind, key) in self.objects.keys() {
            if !objects.contains_key(&(*kind, key.clone())) {
                send(Verb::Delete(*kind, key.clone()))?;
            }
        }
        if !self.lists {
            for &kind in &self.kinds {
                let keys = objects.keys().filter(|(of, _)| *of == kind);
                let keys = keys.map(|(_, key)| key.clone()).collect();
                send(Verb::Reset(kind, keys))?;
            }
            self.lists = true;
        }
        self.objects = objects;
        self.warn_of_missing_namespaces();
        Ok(())
    }

    /// The API server would refuse a Service in a namespace that does not exist; here its names
    /// quietly would not exist either.
    fn warn_of_missing_namespaces(&mut self) {
        let services = self
            .objects
            .keys()
            .filter(|(kind, _)| *kind == Kind::Service);
        let missing: HashSet<Arc<str>> = services
            .map(|(_, key)| &key.namespace)
            .filter(|name| {
                let key = ObjectKey::new("", name);
                !self.objects.contains_key(&(Kind::Namespace, key))
            })
            .cloned()
            .collect();
        for name in missing.difference(&self.without_namespace) {
            warn!(
                "Services are in namespace {name}, but no file has `kind: Namespace` with this \
                 name: none of their names exists until one does"
            );
        }
        self.without_namespace = missing;
    }
}

/// A watcher that puts one token in `changed` when something at `path` may be different.
fn watcher(
    path: &Path,
    changed: mpsc::Sender<()>,
) -> Result<notify::RecommendedWatcher, ManifestError> {
    let source = path.to_owned();
    notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let matters = event.is_ok_and(|event| {
            // Our own reading opens files too.
            !matches!(event.kind, EventKind::Access(_)) && concerns(&event.paths, &source)
        });
        if matters {
            // A full channel already has the token.
            let _ = changed.try_send(());
        }
    })
    .map_err(|source| ManifestError::NoWatcher {
        path: path.to_owned(),
        source,
    })
}

/// Whether an event may change what is read; the neighbours of a watched directory do not.
fn concerns(paths: &[PathBuf], source: &Path) -> bool {
    let neighbour = |path: &PathBuf| {
        source.is_dir()
            && path != source
            && Some(path.as_path()) != source.parent()
            && path.parent() == source.parent()
    };
    !paths.iter().all(neighbour)
}

/// Watches the directories whose entries decide what `path` holds: itself, the one it is in (which
/// sees a rename onto it, the way of editors and of ConfigMap volumes), and the one its symbolic
/// link leads to. Repeated at every reading, because a directory may be another one by now.
fn watch_directories(watcher: &mut notify::RecommendedWatcher, path: &Path) {
    let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mut directories = HashSet::new();
    for path in [path, &target] {
        if path.is_dir() {
            directories.insert(path.to_owned());
        }
        let above = path.parent().filter(|above| *above != Path::new(""));
        directories.insert(above.unwrap_or(Path::new(".")).to_owned());
    }
    for directory in directories {
        // A failure is no loss of data, only of time: the interval sees the change.
        if let Err(error) = watcher.watch(&directory, RecursiveMode::NonRecursive) {
            tracing::debug!(directory = %directory.display(), %error, "not watched");
        }
    }
}

/// Returns once a change has come and the files have been quiet after it.
async fn settled(changes: &mut mpsc::Receiver<()>) {
    if changes.recv().await.is_none() {
        // The watcher is gone; the interval remains.
        return std::future::pending().await;
    }
    let deadline = time::Instant::now() + IMPATIENCE;
    while time::Instant::now() < deadline {
        if time::timeout(QUIET, changes.recv()).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
