//! An [`Attacher`] with stand-in programs, at work in a network namespace.

use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use dns_agent::kernel::attach::{AttachError, Attacher, Plan, Programs};
use dns_agent::kernel::attached::Attached;
use dns_agent::kernel::globs::Globs;
use dns_agent::kernel::hook::Hook;
use dns_agent::kernel::tc::TcMode;
use dns_agent::kernel::xdp::XdpMode;
use tokio::sync::oneshot;

use crate::netns::Netns;
use crate::programs::programs;

/// An attacher that runs until this is dropped or stopped.
#[derive(Debug)]
pub struct RunningAttacher {
    /// What it has attached.
    pub attached: Attached,
    shutdown: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), AttachError>>>,
}

impl RunningAttacher {
    /// Starts one in `netns`.
    pub fn start(netns: &Netns, plan: Plan) -> Result<Self> {
        Self::start_with(netns, plan, programs()?)
    }

    /// The same, of other programs.
    pub fn start_with(netns: &Netns, plan: Plan, programs: Programs) -> Result<Self> {
        let (shutdown, stopped) = oneshot::channel();
        let (attached, thread) = netns.enter(move || -> Result<_> {
            let attacher = Attacher::new(programs, plan)?;
            let attached = attacher.attached();
            let thread = thread::spawn(move || {
                block_on(attacher.run(async {
                    let _stopped_or_dropped = stopped.await;
                }))
            });
            Ok((attached, thread))
        })?;
        Ok(Self {
            attached,
            shutdown: Some(shutdown),
            thread: Some(thread),
        })
    }

    /// Ends it as SIGTERM does, and waits until everything is detached.
    pub fn stop(&mut self) -> Result<()> {
        drop(self.shutdown.take());
        let Some(thread) = self.thread.take() else {
            return Ok(());
        };
        Ok(thread
            .join()
            .map_err(|_| anyhow!("the attacher panicked"))??)
    }

    /// What is attached, as `interface hook mode`, in order.
    pub fn list(&self) -> Vec<String> {
        let list = self.attached.list().into_iter();
        list.map(|to| format!("{} {} {}", to.interface, to.hook, to.mode))
            .collect()
    }

    /// Waits until just this is attached.
    #[track_caller]
    pub fn expect(&self, wanted: &[&str]) {
        eventually(&format!("{wanted:?} attached"), || {
            let list = self.list();
            if list == wanted {
                Ok(())
            } else {
                Err(format!("{list:?}"))
            }
        });
    }
}

impl Drop for RunningAttacher {
    fn drop(&mut self) {
        let _told_by_the_test = self.stop();
    }
}

/// Waits until an attempt at this hook has failed.
#[track_caller]
pub fn failed(attached: &Attached, hook: Hook) {
    eventually("a failure counted", || match attached.failures(hook) {
        0 => Err("none".to_owned()),
        _ => Ok(()),
    });
}

/// A plan from what the command line would say.
pub fn plan(pods: &[&str], nics: &[&str], tc: TcMode, xdp: XdpMode) -> Result<Plan> {
    Ok(Plan {
        pods: Globs::new(pods)?,
        nics: Globs::new(nics)?,
        tc,
        xdp,
    })
}

/// Waits up to twenty seconds for something, and panics with what was there instead.
#[track_caller]
pub fn eventually(what: &str, mut check: impl FnMut() -> Result<(), String>) {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        match check() {
            Ok(()) => return,
            Err(instead) => assert!(Instant::now() < end, "not {what}, but {instead}"),
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// Runs a future on this thread, which may be one inside a namespace.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime needs a few descriptors")
        .block_on(future)
}
