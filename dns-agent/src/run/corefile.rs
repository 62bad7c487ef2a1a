//! Which Corefile is in force: ours, or that of the cluster's CoreDNS, and what stands in for either
//! where there is none.

use std::io;
use std::path::PathBuf;

use crate::cli::{Listen, RunArgs};
use crate::corefile::{Beside, Config, CorefileError};
use crate::record::Name;

/// Where the Corefile comes from, and how it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Corefile {
    /// This agent's own; `None` is the built-in one.
    Own(Option<PathBuf>),
    /// CoreDNS's, beside which an agent without DNS sockets answers.
    CoreDns {
        /// The file; it may be missing, and come and go.
        path: Option<PathBuf>,
        /// How it is read.
        beside: Beside,
        /// The cluster domain, for as long as there is no file.
        domain: Name,
    },
}

impl Corefile {
    /// What the arguments say; `domain` is the cluster domain that was found.
    pub(super) fn new(args: &RunArgs, domain: Name) -> Self {
        let path = args.corefile.clone();
        if args.listen != Listen::None {
            return Self::Own(path);
        }
        let despite = args.despite.clone();
        Self::CoreDns {
            path,
            beside: Beside { despite },
            domain,
        }
    }

    /// The Corefile to start with.
    pub(super) fn load(&self) -> Result<Config, CorefileError> {
        match (self.read()?, self) {
            (Some(config), _) => Ok(config),
            (None, Self::CoreDns { domain, .. }) => Config::embedded_beside(domain),
            (None, Self::Own(_)) => Config::embedded(),
        }
    }

    /// The file as it is now; `None`: there is none.
    pub(super) fn read(&self) -> Result<Option<Config>, CorefileError> {
        match self {
            Self::Own(None) | Self::CoreDns { path: None, .. } => Ok(None),
            Self::Own(Some(path)) => Config::load(path).map(Some),
            Self::CoreDns {
                path: Some(path),
                beside,
                ..
            } => match Config::load_beside(path, beside) {
                Err(CorefileError::Unreadable { source, .. })
                    if source.kind() == io::ErrorKind::NotFound =>
                {
                    Ok(None)
                }
                read => read.map(Some),
            },
        }
    }

    /// What is said of it at the start.
    pub(super) fn said(&self) -> String {
        let built_in =
            |domain: &Name| format!("kubeadm's, which is built in, with the zone {domain}");
        match self {
            Self::Own(None) => "the built-in one".to_owned(),
            Self::Own(Some(path)) => path.display().to_string(),
            Self::CoreDns {
                path: None, domain, ..
            } => built_in(domain),
            Self::CoreDns {
                path: Some(path),
                domain,
                ..
            } if !path.exists() => format!(
                "{}, for {} is not there (is there a ConfigMap kube-system/coredns?)",
                built_in(domain),
                path.display()
            ),
            Self::CoreDns {
                path: Some(path), ..
            } => format!("CoreDNS's, {}", path.display()),
        }
    }
}
