//! How long it takes from a write to the API until a pod has the answer that follows from it.
//!
//! Writes go through `kubectl proxy`, for a process of kubectl's own takes longer than what is measured.

use std::io::BufReader;
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::cluster::{Cluster, NAMESPACE, array, eventually};
use super::fixture::{self, Containers, Pod};
use super::tally::{full, hex, one, while_asking};
use crate::demo::Type;
use crate::http::Request;

/// Longer than any change takes; a Namespace goes when its controller has seen to it.
const LIMIT: Duration = Duration::from_secs(30);

/// A child that goes with its owner.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // Either has ended already otherwise.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The API, for whom the kubeconfig names.
struct Api {
    address: SocketAddr,
    _proxy: Ended,
}

impl Api {
    fn open(cluster: &Cluster) -> Result<Self> {
        let mut kubectl = Command::new(&cluster.kubectl);
        kubectl.args(["proxy", "--port=0"]).stdout(Stdio::piped());
        let (proxy, mut lines) = piped(&mut kubectl)?;
        let line = next(&mut lines)?;
        // Starting to serve on 127.0.0.1:41423
        let address = line.rsplit(' ').next().unwrap_or_default();
        Ok(Self {
            address: address
                .parse()
                .with_context(|| format!("kubectl proxy said {line:?}"))?,
            _proxy: proxy,
        })
    }

    /// When the server had it, and how long that took.
    fn write(&self, method: &str, path: &str, body: &str) -> Result<(Instant, Duration)> {
        let content_type = match method {
            "PATCH" => "application/merge-patch+json",
            _ => "application/yaml",
        };
        let request = Request {
            method,
            path,
            content_type,
            body,
        };
        let start = Instant::now();
        request.send(TcpStream::connect(self.address)?, LIMIT)?;
        Ok((Instant::now(), start.elapsed()))
    }
}

fn piped(command: &mut Command) -> Result<(Ended, BufReader<ChildStdout>)> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let stdout = child.stdout.take().context("a child without stdout")?;
    Ok((Ended(child), BufReader::new(stdout)))
}

fn next(lines: &mut impl std::io::BufRead) -> Result<String> {
    let mut line = String::new();
    lines.read_line(&mut line)?;
    Ok(line.trim().to_owned())
}

/// A write, and the time from then until the pod `changes` sees `want` for the question.
fn until(
    cluster: &Cluster,
    question: (&str, Type),
    want: &str,
    write: impl FnOnce() -> Result<(Instant, Duration)>,
) -> Result<String> {
    let query = hex(question.0, question.1)?;
    let (server, limit) = (format!("{}:53", cluster.dns), LIMIT.as_secs().to_string());
    let mut kubectl = Command::new(&cluster.kubectl);
    kubectl.args(["-n", NAMESPACE, "exec", "changes", "--", "/kerndns-e2e"]);
    kubectl.args(["until", &server, &limit, &query, want]);
    let (_asking, mut lines) = piped(&mut kubectl)?;
    ensure!(
        next(&mut lines)? == "asking",
        "the pod does not ask for {}",
        question.0
    );
    let (written, took) = write()?;
    let line = next(&mut lines)?;
    ensure!(
        line == "seen",
        "{} was not {want} within {limit} s",
        question.0
    );
    // Seen before the server's response was: the watch is as fast.
    let after = Instant::now().saturating_duration_since(written);
    Ok(format!(
        "{} ms (write {} ms)",
        after.as_millis(),
        took.as_millis()
    ))
}

/// Service created, changed, deleted; the Namespace of another deleted.
pub(super) fn objects(cluster: &Cluster) -> Result<String> {
    let pods = [Pod::new("changes", Containers::Client)];
    fixture::start(cluster, &pods)?;
    let api = Api::open(cluster)?;
    let services = format!("/api/v1/namespaces/{NAMESPACE}/services");
    let (name, one_of_them) = (full("later"), format!("{services}/later"));
    let service = "{apiVersion: v1, kind: Service, metadata: {name: later}, spec: {ports: [{name: http, port: 80}]}}";
    let created = until(cluster, (&name, Type::A), "any", || {
        api.write("POST", &services, service)
    })?;
    let port = (
        format!("_grpc._tcp.{name}"),
        r#"{"spec":{"ports":[{"name":"grpc","port":81}]}}"#,
    );
    let changed = until(cluster, (&port.0, Type::Srv), "any", || {
        api.write("PATCH", &one_of_them, port.1)
    })?;
    let deleted = until(cluster, (&name, Type::A), "nxdomain", || {
        api.write("DELETE", &one_of_them, "")
    })?;
    let other = format!("{NAMESPACE}-other");
    cluster.apply(&format!(
        "apiVersion: v1\nkind: Namespace\nmetadata: {{name: {other}}}\n---\napiVersion: v1\nkind: Service\n\
         metadata: {{name: web, namespace: {other}}}\nspec: {{ports: [{{port: 80}}]}}\n"
    ))?;
    let name = format!("web.{other}.svc.cluster.local.");
    until(cluster, (&name, Type::A), "any", || {
        Ok((Instant::now(), Duration::ZERO))
    })?;
    let namespace = until(cluster, (&name, Type::A), "nxdomain", || {
        api.write("DELETE", &format!("/api/v1/namespaces/{other}"), "")
    })?;
    fixture::stop(cluster, &pods)?;
    Ok(format!(
        "Service created {created}, port renamed {changed}, deleted {deleted}; Namespace deleted {namespace}"
    ))
}

/// A Deployment behind a headless Service is rolled while a pod asks for it: never without an answer, and at the end the
/// new pods' addresses and no others.
pub(super) fn rolled(cluster: &Cluster) -> Result<String> {
    let client = fixture::client(&["wait"]);
    cluster.apply(&format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: roll, namespace: {NAMESPACE}}}\nspec: {{clusterIP: None, \
         selector: {{app: roll}}, ports: [{{port: 80}}]}}\n---\napiVersion: apps/v1\nkind: Deployment\n\
         metadata: {{name: roll, namespace: {NAMESPACE}}}\nspec: {{replicas: 3, selector: {{matchLabels: {{app: roll}}}}, \
         template: {{metadata: {{labels: {{app: roll}}}}, spec: {{terminationGracePeriodSeconds: 1, containers: \
         [{client}]}}}}}}\n"
    ))?;
    let status = ["rollout", "status", "deployment/roll", "--timeout=90s"];
    cluster.here(&status)?;
    let mut after = Duration::ZERO;
    let asked = while_asking(cluster, "roll-asker", &[&full("roll")], || {
        cluster.here(&["rollout", "restart", "deployment/roll"])?;
        cluster.here(&status)?;
        let start = Instant::now();
        eventually(LIMIT, || {
            let pods = cluster.get(&["-n", NAMESPACE, "pods", "-l", "app=roll"])?;
            let current =
                array(&pods["items"]).filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
            let mut addresses: Vec<&str> = current
                .filter_map(|pod| pod["status"]["podIP"].as_str())
                .collect();
            let found = cluster.sh("before", &format!("dig +short {}", full("roll")))?;
            let mut found: Vec<&str> = found.lines().collect();
            addresses.sort_unstable();
            found.sort_unstable();
            ensure!(
                found == addresses,
                "roll is {found:?}, its pods have {addresses:?}"
            );
            Ok(())
        })?;
        after = start.elapsed();
        Ok(())
    })?;
    cluster.here(&["delete", "service/roll", "deployment/roll"])?;
    let asked = one(&asked)?;
    asked.all_answered("the rolled Service")?;
    Ok(format!(
        "{} queries, none without records; the new addresses alone {} ms after the roll-out",
        asked.sent,
        after.as_millis()
    ))
}
