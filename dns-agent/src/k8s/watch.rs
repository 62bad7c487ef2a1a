//! From the API server's watches of Services, EndpointSlices, Namespaces and, where they are needed, Pods to events.
//!
//! One follower per kind: an initial list, then a watch from the list's resource version on, as the
//! [API concepts] have it. The list is a streaming one (`sendInitialEvents`, on by default since
//! Kubernetes 1.34) where the server takes it, else one with `resourceVersion=0`. The followers
//! use the client's `watch` and `list` themselves: kube's own `watcher` neither falls back nor says
//! when a broken watch has been resumed.
//!
//! [API concepts]: https://kubernetes.io/docs/reference/using-api/api-concepts/

mod told;

use std::collections::HashSet;
use std::fmt::Debug;
use std::pin::pin;
use std::time::{Duration, Instant};

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use futures::StreamExt;
use futures::future::OptionFuture;
use k8s_openapi::api::core::v1::{Namespace, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{ListParams, VersionMatch, WatchEvent, WatchParams};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tracing::{debug, warn};

use super::connect::{Connection, SILENCE};
use super::import::ServiceImport;
use super::needs::Needs;
use super::object::{Kind, Object, ObjectKey};
use super::strip::Strip;
use super::strip::pod::{AnyPod, LocalPod};
use super::{Event, Verb, trigger};
use told::Told;
pub use told::Trouble;

/// The server ends a watch after so many seconds, some jitter added, and it is resumed. Short,
/// because it is the only sign of life of a resource that never changes: the server sends bookmarks
/// of those that do, and promises none (measured on 1.36: none in two minutes).
const WATCH_SECONDS: std::ops::Range<u32> = 60..75;
/// A silence that long on a watch is not the server's.
const _: () = assert!(SILENCE.as_secs() > WATCH_SECONDS.end as u64 + 10);
/// The annotation of the bookmark that ends a streaming list.
const END_OF_LIST: &str = "k8s.io/initial-events-end";
/// A watch that ends sooner and has brought nothing is not resumed at once.
const SHORT: Duration = Duration::from_secs(1);
/// Pauses between attempts, each with as much again at random: 0.8 s at first, 5 to 10 s in the end. kube's and
/// client-go's go up to a minute, by which names could be behind once the API server can be reached again; 500 nodes with three
/// watches each are 200 attempts a second at most.
const BACKOFF: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(800))
    .with_max_delay(Duration::from_secs(5))
    .with_factor(2.0)
    .with_jitter()
    .without_max_times();

/// Follows every kind of `needs` until nobody listens to `events` any more.
///
/// Errors are logged for a person, once each, and told as [`Event::Broken`]; the watch goes on with
/// backoff and jitter.
pub async fn run(connection: Connection, needs: Needs, events: mpsc::UnboundedSender<Event>) {
    let told = Told::new(connection.identity.clone(), connection.trouble());
    let shared = Shared {
        client: &connection.client,
        needs: &needs,
        told: &told,
        events: &events,
    };
    let imports = needs
        .imports
        .then(|| Follower::<ServiceImport>::new(Kind::ServiceImport, shared).run());
    let pods = needs
        .pods
        .then(|| Follower::<AnyPod>::new(Kind::Pod, shared).run());
    let local_pods = needs
        .local_pods
        .then(|| Follower::<LocalPod>::new(Kind::LocalPod, shared).run());
    let followers = futures::future::join(
        futures::future::join3(
            Follower::<Namespace>::new(Kind::Namespace, shared).run(),
            Follower::<Service>::new(Kind::Service, shared).run(),
            Follower::<EndpointSlice>::new(Kind::EndpointSlice, shared).run(),
        ),
        futures::future::join3(
            OptionFuture::from(imports),
            OptionFuture::from(pods),
            OptionFuture::from(local_pods),
        ),
    );
    tokio::select! {
        _ = followers => {}
        () = told.tell() => {}
        () = events.closed() => {}
    }
}

/// What the watches of all kinds have in common.
#[derive(Clone, Copy)]
struct Shared<'a> {
    client: &'a Client,
    needs: &'a Needs,
    told: &'a Told,
    events: &'a mpsc::UnboundedSender<Event>,
}

/// The watch of one kind.
struct Follower<'a, K> {
    kind: Kind,
    api: Api<K>,
    needs: &'a Needs,
    told: &'a Told,
    events: &'a mpsc::UnboundedSender<Event>,
    /// Where to resume; `None`: with a list.
    version: Option<String>,
    /// A list must be at least this new, so that a lagging API server of several does not take us
    /// back in time.
    newest: String,
    streaming: bool,
    broken: bool,
    backoff: ExponentialBackoff,
}

/// Why a session ended.
enum End {
    /// The server closed a watch, as it does every few minutes, or the list must be another one.
    Again,
    /// Something failed.
    Failed(kube::Error),
    /// Nobody listens.
    Closed,
}

impl From<kube::Error> for End {
    fn from(error: kube::Error) -> Self {
        End::Failed(error)
    }
}

impl From<mpsc::error::SendError<Event>> for End {
    fn from(_: mpsc::error::SendError<Event>) -> Self {
        End::Closed
    }
}

impl<'a, K> Follower<'a, K>
where
    K: Resource<DynamicType = ()> + Strip + Clone + DeserializeOwned + Debug + Send + 'static,
{
    fn new(kind: Kind, shared: Shared<'a>) -> Self {
        Self {
            kind,
            api: Api::all(shared.client.clone()),
            needs: shared.needs,
            told: shared.told,
            events: shared.events,
            version: None,
            newest: "0".into(),
            streaming: true,
            broken: false,
            backoff: BACKOFF.build(),
        }
    }

    async fn run(mut self) {
        loop {
            let started = Instant::now();
            let before = self.version.clone();
            let Err(end) = self.session().await;
            match end {
                End::Closed => return,
                End::Again if started.elapsed() > SHORT || self.version != before => continue,
                End::Again => {}
                End::Failed(error) => {
                    if self.failed(&error).is_err() {
                        return;
                    }
                }
            }
            let pause = self.backoff.next().unwrap_or(SHORT);
            tokio::time::sleep(pause).await;
        }
    }

    /// A list where there is nothing to resume, then a watch for as long as it lasts.
    async fn session(&mut self) -> Result<std::convert::Infallible, End> {
        if self.version.is_none() && !self.streaming {
            self.list().await?;
        }
        let seconds = rand::random_range(WATCH_SECONDS);
        let mut params = WatchParams::default().timeout(seconds);
        params.label_selector = self.filter();
        params.field_selector = self.needs.fields(self.kind);
        let (params, version) = match &self.version {
            Some(version) => (params, version.clone()),
            None => (params.initial_events(), self.newest.clone()),
        };
        let mut listed = self.version.is_none().then(HashSet::new);
        let stream = match self.api.watch(&params, &version).await {
            Ok(stream) => stream,
            Err(kube::Error::Api(status))
                if listed.is_some() && matches!(status.code, 400 | 422) =>
            {
                debug!(kind = ?self.kind, status.message, "no streaming list here");
                self.streaming = false;
                self.list().await?;
                return Err(End::Again);
            }
            Err(error) => return Err(error.into()),
        };
        if listed.is_none() {
            self.in_touch()?;
        }
        let mut stream = pin!(stream);
        while let Some(event) = stream.next().await {
            let version = match event? {
                WatchEvent::Added(whole) | WatchEvent::Modified(whole) => {
                    let version = whole.meta().resource_version.clone();
                    self.apply(&whole, listed.as_mut())?;
                    version
                }
                WatchEvent::Deleted(whole) => {
                    self.change(Verb::Delete(self.kind, key(&whole)))?;
                    whole.meta().resource_version.clone()
                }
                WatchEvent::Bookmark(bookmark) => {
                    let ends_list = bookmark.metadata.annotations.contains_key(END_OF_LIST);
                    if let Some(keys) = listed.take_if(|_| ends_list) {
                        self.change(Verb::Reset(self.kind, keys))?;
                        self.in_touch()?;
                    }
                    Some(bookmark.metadata.resource_version)
                }
                WatchEvent::Error(status) => return Err(kube::Error::Api(status).into()),
            };
            // Half a list is nothing to resume from.
            if listed.is_none() && version.is_some() {
                self.newest = version.clone().unwrap_or_default();
                self.version = version;
            }
        }
        Err(End::Again)
    }

    /// Lists in one piece: only a list without a limit is served from the API server's watch cache,
    /// and pages would each be a read from etcd by every node of the cluster.
    async fn list(&mut self) -> Result<(), End> {
        let params = ListParams::default().at(&self.newest);
        let mut params = params.matching(VersionMatch::NotOlderThan);
        params.label_selector = self.filter();
        params.field_selector = self.needs.fields(self.kind);
        let list = self.api.list(&params).await?;
        let mut keys = HashSet::new();
        for whole in &list.items {
            self.apply(whole, Some(&mut keys))?;
        }
        let version = list.metadata.resource_version.unwrap_or_default();
        self.newest.clone_from(&version);
        self.version = Some(version);
        self.change(Verb::Reset(self.kind, keys))?;
        Ok(self.in_touch()?)
    }

    fn filter(&self) -> Option<String> {
        self.needs.filter(self.kind).map(ToString::to_string)
    }

    fn apply(&self, whole: &K, listed: Option<&mut HashSet<ObjectKey>>) -> Result<(), End> {
        let key = key(whole);
        let object: Option<Object> = match whole.wanted(self.needs) {
            Ok(object) => object,
            Err(error) => {
                // What was good of it before stays in force, also through a list.
                warn!(
                    "{:?} {key}: {error}; this version of it is not used",
                    self.kind
                );
                listed.map(|keys| keys.insert(key));
                return Ok(());
            }
        };
        match (object, listed) {
            (Some(object), Some(keys)) => {
                keys.insert(key);
                self.change(Verb::Apply(object))
            }
            (Some(object), None) => {
                self.change(Verb::Apply(object))?;
                if let Some((service, at)) = trigger::of(whole.meta()) {
                    self.events.send(Event::Triggered(service, at))?;
                }
                Ok(())
            }
            (None, Some(_)) => Ok(()),
            (None, None) => self.change(Verb::Delete(self.kind, key)),
        }
    }

    fn change(&self, verb: Verb) -> Result<(), End> {
        Ok(self.events.send(Event::Change(verb, Instant::now()))?)
    }

    fn in_touch(&mut self) -> Result<(), mpsc::error::SendError<Event>> {
        self.backoff = BACKOFF.build();
        self.told.restored(self.kind);
        if std::mem::take(&mut self.broken) {
            self.events.send(Event::Restored(self.kind))?;
        }
        Ok(())
    }

    fn failed(&mut self, error: &kube::Error) -> Result<(), mpsc::error::SendError<Event>> {
        if let kube::Error::Api(status) = error {
            match status.code {
                // Gone: the server remembers no changes since our version. Nothing is wrong.
                410 => {
                    debug!(kind = ?self.kind, status.message, "listing anew");
                    self.version = None;
                    return Ok(());
                }
                // Too large resource version: etcd is not what it was, restored from a backup.
                504 if self.version.is_none() => self.newest = "0".into(),
                // The kind is not installed, so there is none of it: a list, and an empty one.
                404 if self.kind == Kind::ServiceImport => {
                    self.told.broken(self.kind, error);
                    self.version = None;
                    let none = Verb::Reset(self.kind, HashSet::new());
                    return self.events.send(Event::Change(none, Instant::now()));
                }
                _ => {}
            }
        }
        self.told.broken(self.kind, error);
        if !std::mem::replace(&mut self.broken, true) {
            self.events.send(Event::Broken(self.kind))?;
        }
        Ok(())
    }
}

/// The key of an object that may not be strippable.
fn key<K: Resource>(whole: &K) -> ObjectKey {
    let text = |text: &Option<String>| text.as_deref().unwrap_or_default().to_ascii_lowercase();
    let meta = whole.meta();
    ObjectKey::new(&text(&meta.namespace), &text(&meta.name))
}

#[cfg(test)]
mod tests;
