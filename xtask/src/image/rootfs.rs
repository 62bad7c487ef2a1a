//! What is in the image: the agent, the roots that TLS trusts, the licences of all that is linked in.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use pem::{EncodeConfig, LineEnding, Pem};

use super::{Arch, licences};

/// The entry point.
pub(super) const AGENT: &str = "kerndns";
/// Where rustls looks, as OpenSSL on Debian does. Only an API server with a certificate of a public
/// authority needs it: in a pod the cluster's own is mounted.
const ROOTS: &str = "etc/ssl/certs/ca-certificates.crt";

/// A regular file of the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File {
    /// Its octets.
    pub(super) content: Vec<u8>,
    /// Its permissions.
    pub(super) mode: u32,
}

/// Files by their path without the leading `/`; sorted, as they are written.
pub(super) type Files = BTreeMap<String, File>;

/// All files of the image for `arch`; `agent` is the program.
pub(super) fn files(root: &Path, arch: Arch, agent: &Path) -> Result<Files> {
    let mut files = Files::new();
    let mut add = |path: String, content: Vec<u8>, mode| {
        files.insert(path, File { content, mode });
    };
    add(AGENT.to_owned(), read(agent)?, 0o755);
    add(ROOTS.to_owned(), roots().into_bytes(), 0o644);
    for name in ["LICENSE-APACHE", "LICENSE-MIT"] {
        add(format!("licenses/{name}"), read(&root.join(name))?, 0o644);
    }
    for (path, content) in licences::collect(root, arch)? {
        add(format!("licenses/{path}"), content, 0o644);
    }
    Ok(files)
}

/// One program and nothing else.
pub(super) fn program(name: &str, program: &Path) -> Result<Files> {
    let file = File {
        content: read(program)?,
        mode: 0o755,
    };
    Ok(Files::from([(name.to_owned(), file)]))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Mozilla's root certificates, of the version that Cargo.lock names and not of this machine.
fn roots() -> String {
    let config = EncodeConfig::new().set_line_ending(LineEnding::LF);
    let certificates = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
    certificates
        .map(|der| pem::encode_config(&Pem::new("CERTIFICATE", der.as_ref()), config))
        .collect()
}
