//! `kerndns run`: everything wired up, and the order in which it starts and stops.
//!
//! Start: Corefile, programs and maps, sockets, source, attachment. Stop: programs off the interfaces, pins
//! gone, `lameduck`, sockets closed, queries under way ended.

mod corefile;
mod datapath;
mod descriptors;
mod endpoints;
mod follow;
mod memory;
mod metering;
mod reload;
mod serving;
mod surroundings;
mod updates;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use parking_lot::RwLock;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use crate::cli::RunArgs;
use crate::cluster::Cluster;
use crate::cluster::control::Progress;
use crate::cluster::objects::Objects;
use crate::corefile::Config;
use crate::k8s::Event;
use crate::k8s::watch::Trouble;
use crate::kernel::attached::Attached;
use crate::plugin::transfer::notify::Notifier;
use crate::serve::admin::{Admin, Status, Wanted};
use corefile::Corefile;
use datapath::Datapath;
use endpoints::wanted;
use follow::{Audience, Demand, Following, Listed, Successor};
use metering::Meters;
use serving::Serving;
use surroundings::Surroundings;
use updates::Updates;

/// The reason for not being ready that the first full list takes away.
const LISTED: &str = "kubernetes";
/// The reason for not being ready that the right DNS Service takes away.
const ASKED: &str = "DNS Service";
/// The reason for not being ready that what stands between the pods and our programs is.
const HOOK: &str = "tc";
/// How often the node is looked at for what has come or gone.
const LOOK_AROUND: Duration = Duration::from_secs(5);
/// How long queries under way may take once we stop.
const DRAIN: Duration = Duration::from_secs(5);

/// Runs until SIGTERM or SIGINT.
pub fn run(args: RunArgs) -> Result<()> {
    match descriptors::raise_limit() {
        Ok(limit) => tracing::debug!("up to {limit} descriptors"),
        Err(error) => tracing::warn!("the limit of descriptors stays as it is: {error}"),
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    runtime
        .context("cannot start the runtime")?
        .block_on(Agent::run(args))
}

struct Agent {
    args: RunArgs,
    updates: Updates,
    corefile: Corefile,
    surroundings: Surroundings,
    config: Config,
    /// What was last said against a changed Corefile.
    complaint: Option<String>,
    /// What is wrong with the file, as `reload` has it.
    unread: Option<String>,
    attached: Attached,
    cluster: Arc<RwLock<Cluster>>,
    datapath: Option<Datapath>,
    serving: Serving,
    notifier: Notifier,
    status: Status,
    admin: Admin,
    wanted: Vec<Wanted>,
    trouble: Trouble,
}

impl Agent {
    async fn run(args: RunArgs) -> Result<()> {
        // From the very start, so that a SIGTERM while we start is not lost.
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;

        let (mut agent, mut following, inbox) = Self::start(args).await?;
        let (progress, mut seen) = watch::channel(Progress::default());
        let audience = Audience {
            cluster: Arc::clone(&agent.cluster),
            progress,
            meters: Meters::register(&agent.status.metrics, &agent.cluster),
        };
        following.take_in(inbox, &audience);
        let mut successor: Option<Successor> = None;
        let (detach, attached) = agent.attach()?;
        let coredns = agent.status.metrics.coredns().clone();
        let mut reload = reload::Reload::new(agent.corefile.clone(), coredns);
        let mut look_around = tokio::time::interval(LOOK_AROUND);

        let result = loop {
            tokio::select! {
                _ = terminate.recv() => break Ok(()),
                _ = interrupt.recv() => break Ok(()),
                Ok(()) = seen.changed() => {
                    let listed = seen.borrow_and_update().is_listed;
                    agent.after_change(listed);
                }
                () = reload.due() => {
                    let newest = successor.as_ref().map(|successor| &successor.config);
                    if let Some(config) = reload.look(newest.unwrap_or(&agent.config)) {
                        successor = agent.reload(config, &following.demand).await;
                    }
                }
                _ = look_around.tick() => {
                    agent.unread = reload.complaint().cloned();
                    agent.look_around();
                }
                listed = Successor::listed(&mut successor) => {
                    agent.succeed(listed, &mut following, &audience).await;
                }
                ended = following.ended() => break ended,
            }
        };
        tracing::info!("stopping");
        agent.stop(detach, attached).await;
        result
    }

    /// Reads the Corefile, loads the programs, opens the sockets. The verifier takes some 0.4 s for the programs, in
    /// which the API server lists its objects already.
    async fn start(args: RunArgs) -> Result<(Self, Following, UnboundedReceiver<Event>)> {
        let surroundings = Surroundings::find(&args);
        let corefile = Corefile::new(&args, surroundings.domain());
        let config = corefile.load()?;
        tracing::info!("the Corefile is {}", corefile.said());
        for warning in config.warnings.iter().chain(&config.passed) {
            tracing::warn!("{warning}");
        }
        let updates = Updates::start().context("cannot start a thread")?;
        let demand = Demand::of(&config, &args)?;
        let mut objects = demand.objects();
        let (following, inbox) = demand.start(&args, updates.handle()).await?;
        let (datapath, held) = datapath::load(&args)?;
        let cluster = Cluster::new(held, surroundings::dns_service(&args));
        let cluster = Arc::new(RwLock::new(cluster));
        let status = Status::default();
        status.ready.set(LISTED, false);
        status.ready.note(config.passed.clone());
        let mut serving = Serving::new(status.metrics.responses());
        let own = own_addresses(&config, &args)?;
        let instances = cluster.write().adopt(&mut objects, &config, &own).to_vec();
        serving
            .set(&config, &args.listen, &instances, &cluster)
            .await?;
        let notifier = Notifier::start(&config, &cluster);
        let wanted = wanted(&config, &args);
        let admin = Admin::start(&wanted, &status).await?;
        let mut agent = Self {
            args,
            updates,
            corefile,
            surroundings,
            config,
            complaint: None,
            unread: None,
            attached: Attached::default(),
            cluster,
            datapath,
            serving,
            notifier,
            status,
            admin,
            wanted,
            trouble: following.trouble(),
        };
        agent.export_outcomes();
        agent.count_answers();
        agent.set_destinations();
        Ok((agent, following, inbox))
    }

    fn export_outcomes(&mut self) {
        let Some(outcomes) = self
            .datapath
            .as_mut()
            .and_then(|datapath| datapath.outcomes.take())
        else {
            return;
        };
        self.status
            .metrics
            .kernel_outcomes(move || match outcomes.read() {
                Ok(counts) => counts
                    .into_iter()
                    .map(|(hook, outcome, count)| (hook.label(), outcome.label(), count))
                    .collect(),
                Err(error) => {
                    tracing::warn!("{error}");
                    Vec::new()
                }
            });
    }

    fn count_answers(&mut self) {
        let answered = self
            .datapath
            .as_mut()
            .and_then(|datapath| datapath.answered.take());
        if let Some(answered) = answered {
            metering::answered(&self.status.metrics, answered, &self.cluster);
        }
    }

    /// Starts to attach the programs; sending on the first value, or dropping it, detaches them.
    fn attach(&mut self) -> Result<(oneshot::Sender<()>, Option<JoinHandle<()>>)> {
        let (detach, detached) = oneshot::channel();
        let Some(datapath) = &mut self.datapath else {
            return Ok((detach, None));
        };
        let (task, attached) = datapath.attach(&self.args, detached)?;
        self.attached = attached;
        metering::attached(&self.status.metrics, self.attached.clone());
        Ok((detach, Some(task)))
    }

    fn after_change(&mut self, is_listed: bool) {
        if is_listed && self.status.ready.missing().contains(&LISTED) {
            let cluster = self.cluster.read();
            tracing::info!(
                "all objects listed: {} names held, {} KiB of records",
                cluster.held().len(),
                cluster.held().octets_taken() / 1024
            );
            memory::release_soon();
        }
        if is_listed {
            self.find_dns_service();
        }
        self.set_destinations();
        if is_listed && self.datapath.is_some() {
            let cluster = self.cluster.read();
            self.surroundings.say(&self.args, &self.config, &cluster);
        }
        self.tell_readiness();
    }

    /// What `/ready` says: the words of the log, so that who looks at the pod need not look there.
    fn tell_readiness(&self) {
        let is_in_touch = {
            let cluster = self.cluster.read();
            cluster.is_listed() && !cluster.is_out_of_touch()
        };
        let unserved = self.surroundings.unserved();
        self.status.ready.set(LISTED, is_in_touch);
        self.status.ready.set(ASKED, unserved.is_none());
        let obstacle = self.attached.obstacle();
        self.status.ready.set(HOOK, obstacle.is_none());
        let mut notes: Vec<String> = self.trouble.reasons().into_iter().collect();
        notes.extend(unserved.cloned());
        notes.extend(obstacle);
        notes.extend(self.unread.clone());
        notes.extend(self.config.passed.iter().cloned());
        self.status.ready.note(notes);
    }

    /// Whether NodeLocal DNSCache has come or gone, and whether the API server can still be reached.
    fn look_around(&mut self) {
        if self.surroundings.look() {
            self.set_destinations();
        }
        self.tell_readiness();
    }

    /// Takes the Service that pods ask where the usual one is not there.
    fn find_dns_service(&mut self) {
        let found = self
            .surroundings
            .other_service(&self.args, &self.cluster.read());
        let Some(service) = found else { return };
        tracing::info!(
            "the DNS Service is {service}: {} names its ClusterIP",
            self.args.resolv_conf.display()
        );
        let Ok(own) = own_addresses(&self.config, &self.args) else {
            return;
        };
        let mut cluster = self.cluster.write();
        cluster.set_dns_service(service);
        cluster.configure(&self.config, &own);
    }

    fn set_destinations(&mut self) {
        let Some(datapath) = &mut self.datapath else {
            return;
        };
        let listen = &self.args.listen;
        let further = self.args.service_ip.iter();
        let ips: Vec<IpAddr> = further
            .chain(self.surroundings.node_local())
            .copied()
            .collect();
        let wanted = serving::destinations(&self.config, listen, &ips, &self.cluster.read());
        match datapath.destinations.set(&wanted) {
            Ok(false) => {}
            Ok(true) => {
                let held = datapath.destinations.held();
                let list: Vec<String> = held.iter().map(ToString::to_string).collect();
                tracing::info!("the kernel answers queries to {}", list.join(", "));
            }
            Err(error) => tracing::error!("{error}"),
        }
    }

    /// Puts another Corefile in force, or says why not and keeps the one there is. One that needs other objects than
    /// `followed` waits for them.
    async fn reload(&mut self, config: Config, followed: &Demand) -> Option<Successor> {
        let result = match Demand::of(&config, &self.args) {
            Ok(demand) if demand == *followed => {
                self.put_in_force(config, None).await.map(|()| None)
            }
            Ok(demand) => {
                let thread = self.updates.handle();
                let started = Successor::start(config, demand, &self.args, thread).await;
                started.map(Some)
            }
            Err(error) => Err(error),
        };
        match result {
            Ok(None) => tracing::info!("the changed Corefile is in force"),
            Ok(waiting) => {
                tracing::info!(
                    "the changed Corefile needs other objects: it will be in force once they are listed"
                );
                return waiting;
            }
            Err(error) => self.reload_failed(&error),
        }
        None
    }

    /// Says once why a changed Corefile is not in force; it is tried again every second.
    fn reload_failed(&mut self, error: &anyhow::Error) {
        let complaint = format!("{error:#}");
        if self.complaint.as_ref() != Some(&complaint) {
            self.status.metrics.coredns().reload_failed();
            tracing::error!("the changed Corefile is not in force: {complaint}");
            self.complaint = Some(complaint);
        }
    }

    /// Puts a Corefile in force with the objects that it waited for.
    async fn succeed(
        &mut self,
        listed: Option<Listed>,
        following: &mut Following,
        audience: &Audience,
    ) {
        let Some(mut listed) = listed else {
            return self.reload_failed(&anyhow!("the source of its objects ended"));
        };
        // From here on nobody writes but us.
        following.stop().await;
        match self.put_in_force(listed.config, Some(listed.objects)).await {
            Ok(()) => {
                listed.following.take_in(listed.inbox, audience);
                *following = listed.following;
                self.trouble = following.trouble();
                tracing::info!("the changed Corefile is in force");
            }
            Err(error) => {
                self.reload_failed(&error);
                let demand = following.demand.clone();
                let thread = self.updates.handle();
                match Following::start(demand, &self.args, thread, audience).await {
                    Ok(same) => {
                        *following = same;
                        self.trouble = following.trouble();
                    }
                    Err(error) => tracing::error!("{error:#}; the last objects stay in force"),
                }
            }
        }
    }

    /// Fails before anything is changed for good.
    async fn put_in_force(&mut self, config: Config, objects: Option<Objects>) -> Result<()> {
        let own = own_addresses(&config, &self.args)?;
        let wanted = wanted(&config, &self.args);
        if wanted != self.wanted {
            self.admin.set(&wanted).await?;
            self.wanted = wanted;
        }
        let said =
            |old: &Config, new: &String| old.warnings.contains(new) || old.passed.contains(new);
        let news = config.warnings.iter().chain(&config.passed);
        for warning in news.filter(|new| !said(&self.config, new)) {
            tracing::warn!("{warning}");
        }
        let mut objects = objects;
        let mut exchange = |config: &Config| {
            let mut cluster = self.cluster.write();
            match &mut objects {
                Some(objects) => cluster.adopt(objects, config, &own).to_vec(),
                None => cluster.configure(config, &own).to_vec(),
            }
        };
        let instances = exchange(&config);
        let set = self
            .serving
            .set(&config, &self.args.listen, &instances, &self.cluster)
            .await;
        if let Err(error) = set {
            exchange(&self.config);
            return Err(error);
        }
        self.notifier = Notifier::start(&config, &self.cluster);
        self.config = config;
        self.complaint = None;
        self.tell_readiness();
        self.set_destinations();
        Ok(())
    }

    async fn stop(mut self, detach: oneshot::Sender<()>, attached: Option<JoinHandle<()>>) {
        drop(detach);
        if let Some(attached) = attached
            && attached.await.is_err()
        {
            tracing::error!("detaching failed; see `bpftool link` for what is left");
        }
        if let Some(datapath) = &mut self.datapath {
            datapath.stand_down();
        }
        self.status.ready.set("shutdown", false);
        let health = self
            .config
            .servers
            .iter()
            .filter_map(|server| server.health.as_ref());
        let lameduck = health
            .map(|health| health.lameduck)
            .max()
            .unwrap_or_default();
        if !lameduck.is_zero() {
            tracing::info!("answering for {lameduck:?} more (lameduck)");
            tokio::time::sleep(lameduck).await;
        }
        self.serving.stop(DRAIN).await;
        self.admin.stop().await;
    }
}

/// Our own addresses as clients know them, for `ns.dns.<zone>` where there is no DNS Service.
fn own_addresses(config: &Config, args: &RunArgs) -> Result<Vec<IpAddr>> {
    let addresses = serving::addresses(config, &args.listen)?;
    let mut own: Vec<IpAddr> = addresses.iter().map(std::net::SocketAddr::ip).collect();
    own.extend(&args.service_ip);
    own.retain(|ip| !ip.is_unspecified());
    own.sort();
    own.dedup();
    Ok(own)
}
