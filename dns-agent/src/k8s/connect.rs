//! From the command line and the environment to a client of the API server, and to the words in
//! which its errors name who asks and with what.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::config::{AuthInfo, InClusterError, KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};
use thiserror::Error;

use super::target::{Limits, Target};
use super::watch::Trouble;

/// A connection attempt that takes longer has failed.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection that has been silent for longer is dead: no watch is asked for that long.
pub(super) const SILENCE: Duration = Duration::from_secs(90);
/// Where a pod finds the token of its ServiceAccount.
const TOKEN_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// Why there is no client.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// The file of `--kubeconfig`, `$KUBECONFIG` or the home directory.
    #[error("kubeconfig {kubeconfig}: {source}")]
    Kubeconfig {
        /// Which file, as a person would name it.
        kubeconfig: String,
        /// What is wrong with it.
        source: KubeconfigError,
    },
    /// A pod without what a pod has.
    #[error("in this pod: {0}; is automountServiceAccountToken off?")]
    InCluster(#[from] InClusterError),
    /// Neither in a pod nor with a kubeconfig.
    #[error(
        "no API server to watch: this is not a pod (KUBERNETES_SERVICE_HOST is unset) and there is \
         no kubeconfig ({0}); give --kubeconfig FILE, or --source PATH to read manifest files"
    )]
    Nowhere(KubeconfigError),
    /// The credentials or certificates do not load.
    #[error("{server}, with {credential}: {}", super::diagnose::chain(source))]
    Client {
        /// The API server's URL.
        server: String,
        /// What it is shown.
        credential: String,
        /// What is wrong.
        source: kube::Error,
    },
}

/// A client of the API server. Nothing is sent before the first request.
#[derive(Clone)]
pub struct Connection {
    pub(super) client: Client,
    pub(super) identity: Identity,
    trouble: Trouble,
}

/// The two ends of a connection, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The API server's URL.
    pub server: String,
    /// Where that URL comes from.
    pub origin: String,
    /// What the server is shown, and where that comes from.
    pub credential: String,
}

impl Connection {
    /// From `--kubeconfig`, else from what the Corefile says (`target`), else from the pod's
    /// environment, else by the usual kubeconfig rules (`$KUBECONFIG`, `~/.kube/config`).
    pub async fn open(flag: Option<&Path>, target: &Target) -> Result<Self, ConnectError> {
        let path = flag.or(target.kubeconfig.as_deref());
        let endpoint = target.as_kubeconfig().filter(|_| path.is_none());
        let is_pod = std::env::var_os("KUBERNETES_SERVICE_HOST").is_some();
        if path.is_none() && endpoint.is_none() && is_pod {
            let config = Config::incluster()?;
            return Self::new(
                config,
                target.limits,
                "the environment and the ServiceAccount volume of this pod",
                format!("the ServiceAccount token in {TOKEN_FILE}"),
            );
        }
        let (mut kubeconfig, file) = match endpoint {
            Some(endpoint) => (
                endpoint,
                "made of the Corefile's endpoint and tls".to_owned(),
            ),
            None => read(path)?,
        };
        // The flag's file has contexts of its own.
        if let (None, Some(context)) = (flag, &target.context) {
            kubeconfig.current_context = Some(context.clone());
        }
        let user = user(&kubeconfig);
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .map_err(|source| ConnectError::Kubeconfig {
                kubeconfig: file.clone(),
                source,
            })?;
        let what = credential(&config.auth_info);
        let credential = match user {
            Some(user) => format!("{what} of user {user:?} in kubeconfig {file}"),
            None => format!("{what}: the current context of kubeconfig {file} names no user"),
        };
        Self::new(
            config,
            target.limits,
            &format!("kubeconfig {file}"),
            credential,
        )
    }

    fn new(
        mut config: Config,
        limits: Limits,
        origin: &str,
        credential: String,
    ) -> Result<Self, ConnectError> {
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        config.read_timeout = Some(SILENCE);
        config.reset_reader_on_write = true;
        // The watch has its own backoff, and a retry in silence would keep its errors from a person.
        config.default_retry = false;
        let server = config.cluster_url.to_string();
        let identity = Identity {
            server: server.trim_end_matches('/').into(),
            origin: origin.into(),
            credential,
        };
        match limits.client(config) {
            Ok(client) => Ok(Self {
                client,
                identity,
                trouble: Trouble::default(),
            }),
            Err(source) => Err(ConnectError::Client {
                server: identity.server,
                credential: identity.credential,
                source,
            }),
        }
    }

    /// What is wrong with the watches of this connection, as long as it is.
    pub fn trouble(&self) -> Trouble {
        self.trouble.clone()
    }

    /// Who talks to whom.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }
}

/// The kubeconfig in force, and its file as a person would name it.
fn read(path: Option<&Path>) -> Result<(Kubeconfig, String), ConnectError> {
    if let Some(path) = path {
        let file = path.display().to_string();
        return match Kubeconfig::read_from(path) {
            Ok(kubeconfig) => Ok((kubeconfig, file)),
            Err(source) => Err(ConnectError::Kubeconfig {
                kubeconfig: file,
                source,
            }),
        };
    }
    let listed = std::env::var("KUBECONFIG").unwrap_or_default();
    match Kubeconfig::from_env() {
        Ok(Some(kubeconfig)) => return Ok((kubeconfig, listed)),
        Ok(None) => {}
        Err(source) => {
            return Err(ConnectError::Kubeconfig {
                kubeconfig: listed,
                source,
            });
        }
    }
    let home = std::env::home_dir().unwrap_or_default();
    let file: PathBuf = home.join(".kube").join("config");
    if !file.exists() {
        let source = Kubeconfig::read()
            .err()
            .unwrap_or(KubeconfigError::FindPath);
        return Err(ConnectError::Nowhere(source));
    }
    read(Some(&file))
}

/// The user of the current context.
fn user(kubeconfig: &Kubeconfig) -> Option<String> {
    let current = kubeconfig.current_context.as_ref()?;
    let mut contexts = kubeconfig.contexts.iter();
    let named = contexts.find(|named| named.name == *current)?;
    named.context.as_ref()?.user.clone()
}

fn credential(auth: &AuthInfo) -> String {
    if let Some(file) = &auth.token_file {
        return format!("the token in {file}");
    }
    if let Some(file) = &auth.client_certificate {
        return format!("the client certificate in {file}");
    }
    let what = if auth.token.is_some() {
        "the token"
    } else if auth.client_certificate_data.is_some() {
        "the client certificate"
    } else if auth.exec.is_some() {
        "the credential plugin's token"
    } else if auth.username.is_some() {
        "the password"
    } else {
        "no credential"
    };
    what.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_kubeconfig_that_is_not_there_is_named() {
        let path = Path::new("/nowhere/kubeconfig");
        let error = Connection::open(Some(path), &Target::default())
            .await
            .err()
            .unwrap();
        let message = error.to_string();
        assert!(
            message.starts_with("kubeconfig /nowhere/kubeconfig: "),
            "{message}"
        );
    }

    #[test]
    fn the_user_is_that_of_the_current_context() {
        let text = "current-context: b\ncontexts:\n\
                    - {name: a, context: {cluster: c, user: x}}\n\
                    - {name: b, context: {cluster: c, user: y}}\n";
        let kubeconfig = Kubeconfig::from_yaml(text).unwrap();
        assert_eq!(user(&kubeconfig).as_deref(), Some("y"));
    }

    #[test]
    fn a_credential_names_its_file() {
        let with = |text| credential(&serde_json::from_str::<AuthInfo>(text).unwrap());
        assert_eq!(with(r#"{"tokenFile": "/t"}"#), "the token in /t");
        assert_eq!(with(r#"{"token": "secret"}"#), "the token");
        let certificate = with(r#"{"client-certificate": "/c"}"#);
        assert_eq!(certificate, "the client certificate in /c");
        assert_eq!(with("{}"), "no credential");
    }
}
