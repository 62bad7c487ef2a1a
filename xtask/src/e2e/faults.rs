//! What pods see while something fails: the agent, the node's containerd, the API server, CoreDNS.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::cluster::{Cluster, eventually};
use super::node;
use super::tally::{Tally, full, while_asking};

/// Runs `act` while a pod asks for a name of the cluster and one outside, and waits for the agent afterwards.
fn asked(cluster: &Cluster, pod: &str, act: impl FnOnce() -> Result<()>) -> Result<(Tally, Tally)> {
    let external = format!("{}.", cluster.external.trim_end_matches('.'));
    let tallies = while_asking(cluster, pod, &[&full("web"), &external], act)?;
    let [inside, outside] = tallies.as_slice() else {
        anyhow::bail!("{} tallies, not two", tallies.len());
    };
    Ok((*inside, *outside))
}

fn said(inside: &Tally, outside: &Tally) -> String {
    format!(
        "cluster names: {} asked, {} failed, p99 {} µs; external: {} asked, {} failed",
        inside.sent,
        inside.failed(),
        inside.p99,
        outside.sent,
        outside.failed()
    )
}

/// Both kinds of names are answered throughout.
fn unnoticed(cluster: &Cluster, pod: &str, act: impl FnOnce() -> Result<()>) -> Result<String> {
    let (inside, outside) = asked(cluster, pod, act)?;
    inside.all_answered("cluster names")?;
    outside.all_answered("external names")?;
    Ok(said(&inside, &outside))
}

/// kubectl deletes the agent's pod, and the DaemonSet makes another.
pub(super) fn agent_deleted(cluster: &Cluster) -> Result<String> {
    node::note_held(cluster)?;
    unnoticed(cluster, "agent-deleted", || {
        let selector = ["-l", "app.kubernetes.io/name=kerndns"];
        cluster
            .kubectl(&[["-n", "kube-system", "delete", "pod"].as_slice(), &selector].concat())?;
        cluster.agent_is_ready()
    })
}

/// SIGKILL: nothing is tidied up, and kubelet starts it again.
pub(super) fn agent_killed(cluster: &Cluster) -> Result<String> {
    node::note_held(cluster)?;
    unnoticed(cluster, "agent-killed", || {
        let killed = cluster.node("pid=$(pidof kerndns) && kill -KILL $pid && echo $pid")?;
        eventually(Duration::from_mins(1), || {
            let now = cluster.node("pidof kerndns")?;
            ensure!(now != killed, "the agent is still process {now}");
            cluster.kernel_answers()
        })?;
        cluster.agent_is_ready()
    })
}

/// The node's containerd, which the agent and all pods outlive.
pub(super) fn containerd_restarted(cluster: &Cluster) -> Result<String> {
    unnoticed(cluster, "containerd", || {
        cluster.node(&restart("containerd", 1))?;
        eventually(Duration::from_mins(1), || {
            cluster.node("ctr -n k8s.io version")
        })?;
        eventually(Duration::from_mins(1), || cluster.metrics())?;
        Ok(())
    })
}

/// No API server for a minute: the watches are broken, and what is held goes on to be answered.
pub(super) fn api_server_stopped(cluster: &Cluster) -> Result<String> {
    let (mut answers, mut followed) = (0, Duration::ZERO);
    let (inside, outside) = asked(cluster, "apiserver", || {
        let before = cluster.kernel_answers()?;
        cluster.node(&restart("kube-apiserver", 60))?;
        eventually(Duration::from_secs(90), || {
            cluster.kubectl(&["get", "--raw", "/readyz"])
        })?;
        answers = cluster.kernel_answers()? - before;
        // And is followed again.
        cluster.here(&["create", "service", "clusterip", "returned", "--tcp=80"])?;
        let dig = format!("dig +short {}", full("returned"));
        let start = Instant::now();
        // The agent waits ten seconds at most between attempts. But an API server that stops takes itself out of its own
        // Service, and kube-proxy refuses 10.96.0.1 until its watch, with a backoff of up to a minute, is back.
        let found = eventually(Duration::from_mins(2), || {
            let found = cluster.sh("before", &dig)?;
            ensure!(
                !found.trim().is_empty(),
                "the agent does not follow the API server any more"
            );
            Ok(())
        });
        followed = start.elapsed();
        cluster.here(&["delete", "service", "returned"])?;
        found
    })?;
    // Not so the names outside: a node that could not report itself for so long is taken for lost, and CoreDNS's pods on
    // it out of their Service until it has. That is as without KernDNS.
    inside.all_answered("cluster names")?;
    // A hundred queries a second for the minute; some less on a busy machine.
    ensure!(
        answers > 5000,
        "the kernel answered only {answers} meanwhile"
    );
    Ok(format!(
        "{}; {answers} answered by the kernel meanwhile; followed again {} s after its return",
        said(&inside, &outside),
        followed.as_secs()
    ))
}

/// Names of the cluster need no CoreDNS; those outside do.
pub(super) fn coredns_scaled(cluster: &Cluster) -> Result<String> {
    let scale = |replicas: &str| {
        let replicas = format!("--replicas={replicas}");
        cluster.kubectl(&[
            "-n",
            "kube-system",
            "scale",
            "deployment/coredns",
            &replicas,
        ])
    };
    let before = cluster.get(&["-n", "kube-system", "deployment", "coredns"])?;
    let before = before["spec"]["replicas"].to_string();
    let (inside, outside) = asked(cluster, "coredns", || {
        scale("0")?;
        let gone = [
            "-n",
            "kube-system",
            "wait",
            "--for=delete",
            "pod",
            "-l",
            "k8s-app=kube-dns",
            "--timeout=60s",
        ];
        let gone = cluster.kubectl(&gone);
        thread::sleep(Duration::from_secs(5));
        scale(&before)?;
        let status = [
            "-n",
            "kube-system",
            "rollout",
            "status",
            "deployment/coredns",
            "--timeout=60s",
        ];
        cluster.kubectl(&status)?;
        gone.map(drop)
    })?;
    inside.all_answered("cluster names")?;
    ensure!(
        outside.failed() > 0,
        "external names were answered without CoreDNS"
    );
    // Back, for a pod that was there all along.
    cluster.sh("before", &format!("getent ahosts {}", cluster.external))?;
    Ok(said(&inside, &outside))
}

/// A script that stops a daemon of the node and starts it again as it was: a unit of systemd's, a static pod, or a
/// process, whose command line, environment and output are taken over.
fn restart(name: &str, pause: u32) -> String {
    format!(
        r"
manifest=/etc/kubernetes/manifests/{name}.yaml
if command -v systemctl >/dev/null && systemctl is-active -q {name}; then
    systemctl stop {name}; sleep {pause}; systemctl start {name}
elif [ -e $manifest ]; then
    mv $manifest /etc/kubernetes/{name}.yaml; sleep {pause}; mv /etc/kubernetes/{name}.yaml $manifest
else
    pid=$(pidof -s {name}) || exit 1
    log=$(readlink /proc/$pid/fd/2)
    words=$(mktemp)
    cat /proc/$pid/environ /proc/$pid/cmdline >$words
    kill $pid
    # kube-apiserver waits a minute for watches to end.
    for i in $(seq 30); do [ -d /proc/$pid ] && sleep 0.1; done
    [ ! -d /proc/$pid ] || kill -KILL $pid
    sleep {pause}
    # In the root of the node's cgroups, as it was.
    for group in /sys/fs/cgroup/*/cgroup.procs; do echo $$ >$group 2>/dev/null; done
    xargs -0 -a $words setsid -f env -i >>$log 2>&1
    rm $words
fi
"
    )
}
