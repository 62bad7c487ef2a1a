//! A control plane of a test's own: a real etcd and a real kube-apiserver on loopback, with keys,
//! certificates and tokens made for the occasion; all of it gone when the value is dropped.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::core::v1::Namespace;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::json;

use crate::etcd::Etcd;
use crate::process::Process;

/// What `xtask` builds, and under which name it keeps it.
const CACHE: &str = "kube-1.36.3";
/// Two cores that build and test at the same time are slow.
const PATIENCE: Duration = Duration::from_mins(2);

/// The token of a member of `system:masters`, who may do everything.
pub const ADMIN: &str = "admin-token";
/// The token of a user without any role.
pub const NOBODY: &str = "nobody-token";

/// A running control plane.
pub struct ApiServer {
    directory: Directory,
    port: u16,
    etcd_port: u16,
    flags: Vec<String>,
    etcd: Process,
    server: Option<Process>,
}

impl ApiServer {
    /// Starts both programs and waits until the API server is ready; `flags` go to it as they are.
    pub async fn start(flags: &[&str]) -> Result<Self> {
        let assets = assets()?;
        let directory = Directory::new()?;
        write_keys(&directory.0)?;
        let [etcd_port, peer_port, port] = free_ports()?;
        let etcd = Process::start(
            Command::new(assets.join("etcd"))
                .arg(format!("--data-dir={}", directory.file("etcd")))
                .arg(format!("--listen-client-urls=http://127.0.0.1:{etcd_port}"))
                .arg(format!(
                    "--advertise-client-urls=http://127.0.0.1:{etcd_port}"
                ))
                .arg(format!("--listen-peer-urls=http://127.0.0.1:{peer_port}"))
                // A test's data need not outlive a power cut.
                .arg("--unsafe-no-fsync"),
            &directory.0.join("etcd.log"),
        )?;
        let mut this = Self {
            directory,
            port,
            etcd_port,
            flags: flags.iter().map(ToString::to_string).collect(),
            etcd,
            server: None,
        };
        this.resume().await?;
        Ok(this)
    }

    /// Starts the API server again after [`ApiServer::stop`], at the same address, and waits for it.
    pub async fn resume(&mut self) -> Result<()> {
        let file = |name| self.directory.file(name);
        let admin = self.kubeconfig("admin", ADMIN)?;
        let log = self.directory.0.join("kube-apiserver.log");
        let server = Process::start(
            Command::new(assets()?.join("kube-apiserver"))
                .arg(format!(
                    "--etcd-servers=http://127.0.0.1:{}",
                    self.etcd_port
                ))
                .arg("--bind-address=127.0.0.1")
                .arg(format!("--secure-port={}", self.port))
                .arg("--service-cluster-ip-range=10.96.0.0/16,fd00:96::/112")
                .arg(format!("--cert-dir={}", file("generated")))
                .arg(format!("--tls-cert-file={}", file("server.crt")))
                .arg(format!("--tls-private-key-file={}", file("server.key")))
                .arg(format!("--client-ca-file={}", file("ca.crt")))
                .arg(format!("--token-auth-file={}", file("tokens.csv")))
                .arg("--authorization-mode=RBAC")
                .arg("--service-account-issuer=https://kubernetes.default.svc")
                .arg(format!(
                    "--service-account-key-file={}",
                    file("accounts.pub")
                ))
                .arg(format!(
                    "--service-account-signing-key-file={}",
                    file("accounts.key")
                ))
                // Without a controller manager nobody makes the accounts it insists on.
                .arg("--disable-admission-plugins=ServiceAccount")
                // An EndpointSlice may not hold a loopback address, and ours is one.
                .arg("--endpoint-reconciler-type=none")
                .args(&self.flags),
            &log,
        )?;
        let server = self.server.insert(server);
        let kubeconfig = Kubeconfig::read_from(&admin)?;
        let client = client(kubeconfig).await?;
        let namespaces = Api::<Namespace>::all(client);
        let started = Instant::now();
        // The server makes this namespace itself, after everything else that a test needs.
        while let Err(error) = namespaces.get("default").await {
            self.etcd.check()?;
            server.check()?;
            ensure!(
                started.elapsed() < PATIENCE,
                "kube-apiserver is not ready after {PATIENCE:?}: {error}; {}",
                server.last_words()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    /// Kills the API server; etcd keeps what it knows.
    pub fn stop(&mut self) {
        self.server = None;
    }

    /// The port of the API server on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What the API server keeps its objects in.
    pub fn etcd(&self) -> Etcd {
        Etcd::new(self.etcd_port)
    }

    /// Lets API server and etcd do nothing from here on, not even what they do for themselves; what their clients know
    /// stays as it is.
    pub fn freeze(&self) -> Result<()> {
        for process in [Some(&self.etcd), self.server.as_ref()]
            .into_iter()
            .flatten()
        {
            let pid = Pid::from_raw(process.pid().try_into()?);
            kill(pid, Signal::SIGSTOP)?;
        }
        Ok(())
    }

    /// A client that shows `token`.
    pub async fn client(&self, token: &str) -> Result<Client> {
        let kubeconfig = Kubeconfig::read_from(self.kubeconfig("client", token)?)?;
        client(kubeconfig).await
    }

    /// A kubeconfig file whose user `user` shows `token`.
    pub fn kubeconfig(&self, user: &str, token: &str) -> Result<PathBuf> {
        let server = format!("https://127.0.0.1:{}", self.port);
        self.kubeconfig_for(user, token, &server, &self.authority())
    }

    /// The same for another URL and certificate authority.
    pub fn kubeconfig_for(
        &self,
        user: &str,
        token: &str,
        server: &str,
        authority: &str,
    ) -> Result<PathBuf> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = self.directory.0.join(format!("{user}-{number}.kubeconfig"));
        let cluster = json!({"server": server, "certificate-authority": authority});
        let kubeconfig = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": cluster}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": user}}],
            "users": [{"name": user, "user": {"token": token}}],
        });
        fs::write(&path, kubeconfig.to_string())?;
        Ok(path)
    }

    /// The file of the certificate authority of this server.
    pub fn authority(&self) -> String {
        self.directory.file("ca.crt")
    }

    /// The file of a certificate authority that has signed nothing here.
    pub fn other_authority(&self) -> String {
        self.directory.file("other.crt")
    }
}

async fn client(kubeconfig: Kubeconfig) -> Result<Client> {
    let options = KubeConfigOptions::default();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options).await?;
    config.connect_timeout = Some(Duration::from_secs(2));
    Ok(Client::try_from(config)?)
}

/// The directory of `etcd` and `kube-apiserver`: `KUBEBUILDER_ASSETS`, else what `xtask` has built.
fn assets() -> Result<PathBuf> {
    let named = std::env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from);
    let Some(directory) = named.or_else(|| built(CACHE)) else {
        bail!("set KUBEBUILDER_ASSETS to a directory with etcd and kube-apiserver");
    };
    for program in ["etcd", "kube-apiserver"] {
        ensure!(
            directory.join(program).is_file(),
            "there is no {program} in {}: `cargo xtask test` builds it there (with Go 1.26 or \
             later), or set KUBEBUILDER_ASSETS to a directory that has etcd and kube-apiserver",
            directory.display()
        );
    }
    Ok(directory)
}

/// Where `xtask` keeps what it builds once per user, under this name.
pub(crate) fn built(name: &str) -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").filter(|path| !path.is_empty());
    let cache = cache.map(PathBuf::from);
    let cache = cache.or_else(|| Some(std::env::home_dir()?.join(".cache")))?;
    Some(cache.join("kerndns").join(name))
}

/// Ports that were free a moment ago.
fn free_ports<const N: usize>() -> Result<[u16; N]> {
    let mut listeners = Vec::new();
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        *port = listener.local_addr()?.port();
        // Held until all are chosen, so that no two are the same.
        listeners.push(listener);
    }
    Ok(ports)
}

fn write_keys(directory: &Path) -> Result<()> {
    let write = |name: &str, text: String| fs::write(directory.join(name), text);
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    write("ca.crt", params.self_signed(&key)?.pem())?;
    write(
        "other.crt",
        params.self_signed(&KeyPair::generate()?)?.pem(),
    )?;
    let authority = Issuer::new(params, key);
    let names = ["127.0.0.1".into(), "kubernetes".into()];
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(names)?.signed_by(&key, &authority)?;
    write("server.crt", certificate.pem())?;
    write("server.key", key.serialize_pem())?;
    let accounts = KeyPair::generate()?;
    write("accounts.key", accounts.serialize_pem())?;
    write("accounts.pub", accounts.public_key_pem())?;
    let tokens = format!("{ADMIN},admin,1,\"system:masters\"\n{NOBODY},nobody,2\n");
    write("tokens.csv", tokens)?;
    Ok(())
}

/// A temporary directory, removed when dropped.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("kerndns-api-server-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
