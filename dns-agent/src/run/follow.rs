//! The source of objects that is followed, and the change to another one.
//!
//! Options such as `labels`, `zonal` or `kubeconfig` say what is listed, and of which API server. When
//! they change, a new source lists beside the old one, which goes on; the new Corefile comes into
//! force with the new list, all at once.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use parking_lot::RwLock;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::cli::{Listen, RunArgs, Source};
use crate::cluster::Cluster;
use crate::cluster::control::{self, Progress};
use crate::cluster::objects::{Objects, needs};
use crate::corefile::Config;
use crate::k8s::connect::Connection;
use crate::k8s::needs::Needs;
use crate::k8s::target::Target;
use crate::k8s::watch::Trouble;
use crate::k8s::{Event, manifest, watch as k8s_watch};

use super::metering::Meters;
use super::surroundings;

/// What a Corefile says about the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Demand {
    needs: Needs,
    target: Target,
}

/// A source, and the task that takes its events in once it is the one in force.
pub(super) struct Following {
    pub(super) demand: Demand,
    /// Where its tasks run.
    thread: Handle,
    /// `None` once it was stopped.
    source: Option<JoinHandle<Result<()>>>,
    control: Option<JoinHandle<()>>,
    trouble: Trouble,
}

/// A source that lists, and the Corefile that waits for it.
pub(super) struct Successor {
    pub(super) config: Config,
    following: Following,
    /// Of one task, which ends with the set.
    gathering: JoinSet<Option<(Objects, UnboundedReceiver<Event>)>>,
}

/// What is told of the objects, and to whom.
#[derive(Clone)]
pub(super) struct Audience {
    pub(super) cluster: Arc<RwLock<Cluster>>,
    pub(super) progress: watch::Sender<Progress>,
    pub(super) meters: Meters,
}

impl Demand {
    /// What `config` asks for. The first block that names an API server speaks for all. Fails where an API server is to
    /// be asked for the pods of this node, and its name is not known.
    pub(super) fn of(config: &Config, args: &RunArgs) -> Result<Self> {
        let blocks = config
            .servers
            .iter()
            .filter_map(|server| server.kubernetes.as_ref());
        let mut targets = blocks.map(|options| &options.target);
        let named = targets.find(|target| **target != Target::default());
        let is_asked = args.source == Source::Kubernetes;
        let mut needs = needs(config, &surroundings::dns_service(args));
        // Without DNS sockets nobody asks the agent, and of pods the kernel knows nothing.
        if args.listen == Listen::None {
            (needs.pods, needs.local_pods) = (false, false);
        }
        needs.node = args.node_name().filter(|_| needs.local_pods);
        if is_asked && needs.local_pods && needs.node.is_none() {
            bail!(
                "\"autopath @kubernetes\" finds a client among the pods of its own node, and the node's name is not known: \
                 set NODE_NAME in the environment to the pod's spec.nodeName, as deploy/kustomize/daemonset.yaml does, or give \
                 --node NAME"
            );
        }
        Ok(Self {
            needs,
            target: named.filter(|_| is_asked).cloned().unwrap_or_default(),
        })
    }

    /// No objects yet.
    pub(super) fn objects(&self) -> Objects {
        Objects::new(self.needs.clone())
    }

    /// Starts a source on `thread`; nobody takes its events in yet.
    pub(super) async fn start(
        self,
        args: &RunArgs,
        thread: &Handle,
    ) -> Result<(Following, UnboundedReceiver<Event>)> {
        let (events, inbox) = mpsc::unbounded_channel();
        let needs = self.needs.clone();
        let mut trouble = Trouble::default();
        let source = match &args.source {
            Source::Path(path) => {
                let path = path.clone();
                thread.spawn(async move { Ok(manifest::run(path, needs, events).await?) })
            }
            Source::Kubernetes => {
                let (kubeconfig, target) = (args.kubeconfig.clone(), self.target.clone());
                // What a client does later, it does where it was made.
                let open = async move { Connection::open(kubeconfig.as_deref(), &target).await };
                let connection = thread.spawn(open).await??;
                tracing::info!("following the API server {}", connection.identity().server);
                trouble = connection.trouble();
                thread.spawn(async move {
                    Box::pin(k8s_watch::run(connection, needs, events)).await;
                    Ok(())
                })
            }
        };
        let following = Following {
            demand: self,
            thread: thread.clone(),
            source: Some(source),
            control: None,
            trouble,
        };
        Ok((following, inbox))
    }
}

impl Following {
    /// Follows what `demand` says; its objects come into force as they come.
    pub(super) async fn start(
        demand: Demand,
        args: &RunArgs,
        thread: &Handle,
        audience: &Audience,
    ) -> Result<Self> {
        let (mut following, inbox) = demand.start(args, thread).await?;
        following.take_in(inbox, audience);
        Ok(following)
    }

    /// What is wrong with the source, as long as it is.
    pub(super) fn trouble(&self) -> Trouble {
        self.trouble.clone()
    }

    /// The source's own end, which is an error's.
    pub(super) async fn ended(&mut self) -> Result<()> {
        let Some(source) = &mut self.source else {
            return std::future::pending().await;
        };
        let ended = source.await;
        ended.context("the source of objects failed")?
    }

    /// Begins to take events in.
    pub(super) fn take_in(&mut self, inbox: UnboundedReceiver<Event>, audience: &Audience) {
        let Audience {
            cluster,
            progress,
            meters,
        } = audience.clone();
        let measured = move |measured| meters.take(measured);
        let control = control::run(cluster, inbox, progress, measured);
        self.control = Some(self.thread.spawn(control));
    }

    /// Takes no more events in, so that the objects may be others'.
    pub(super) async fn stop(&mut self) {
        if let Some(source) = self.source.take() {
            source.abort();
        }
        if let Some(control) = self.control.take() {
            control.abort();
            // It may be at work on a batch.
            let _: Result<(), _> = control.await;
        }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        if let Some(source) = &self.source {
            source.abort();
        }
        if let Some(control) = &self.control {
            control.abort();
        }
    }
}

impl Successor {
    /// Starts to list what `demand` says, for `config`.
    pub(super) async fn start(
        config: Config,
        demand: Demand,
        args: &RunArgs,
        thread: &Handle,
    ) -> Result<Self> {
        let objects = demand.objects();
        let (following, mut inbox) = demand.start(args, thread).await?;
        let mut gathering = JoinSet::new();
        gathering.spawn(async move {
            let objects = objects.gather(&mut inbox).await?;
            Some((objects, inbox))
        });
        Ok(Self {
            config,
            following,
            gathering,
        })
    }

    /// Waits until all is listed; for ever where there is nothing to wait for. `None`: the source ended
    /// before.
    pub(super) async fn listed(successor: &mut Option<Self>) -> Option<Listed> {
        let Some(waiting) = successor else {
            return std::future::pending().await;
        };
        let gathered = waiting.gathering.join_next().await;
        let Self {
            config, following, ..
        } = successor.take()?;
        let (objects, inbox) = gathered?.ok().flatten()?;
        Some(Listed {
            config,
            objects,
            following,
            inbox,
        })
    }
}

/// A Corefile and the objects that it needs.
pub(super) struct Listed {
    pub(super) config: Config,
    pub(super) objects: Objects,
    pub(super) following: Following,
    pub(super) inbox: UnboundedReceiver<Event>,
}
