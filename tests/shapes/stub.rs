//! A pod's stub resolvers (RFC 9499 section 6): the real ones of glibc, musl and `dig`, with a resolv.conf of the
//! pod's own.

use std::ffi::OsStr;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context as _, Result, ensure};
use kerndns_tests::netns::{Netns, TempFile, run};
use kerndns_tests::site::SERVICE_V4;

/// A C library that has a stub resolver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Library {
    /// GNU's, as in images of Debian and its like.
    Glibc,
    /// As in images of Alpine.
    Musl,
}

/// Both.
pub(crate) const LIBRARIES: [Library; 2] = [Library::Glibc, Library::Musl];

/// Runs programs in a network namespace with another `/etc/resolv.conf`.
#[derive(Debug)]
pub(crate) struct Stub<'a> {
    netns: &'a Netns,
    resolv_conf: TempFile,
    nsswitch_conf: TempFile,
}

/// `$0` is bound over the first file and `$1` over the second one, if it is there; the rest is the program. The
/// mounts are seen by this process alone and are gone when it ends.
const ENTER: &str = "mount --bind \"$0\" /etc/resolv.conf || exit
[ ! -e /etc/nsswitch.conf ] || mount --bind \"$1\" /etc/nsswitch.conf || exit
shift; exec \"$@\"";

impl<'a> Stub<'a> {
    /// As a kubelet writes it for the pods of `namespace` (`dnsPolicy: ClusterFirst`).
    pub(crate) fn of_namespace(netns: &'a Netns, namespace: &str) -> Result<Self> {
        let search = format!("{namespace}.svc.cluster.local svc.cluster.local cluster.local");
        Self::new(netns, SERVICE_V4, &search)
    }

    /// With another server or search list.
    pub(crate) fn new(netns: &'a Netns, server: IpAddr, search: &str) -> Result<Self> {
        let text = format!("search {search}\nnameserver {server}\noptions ndots:5\n");
        Ok(Self {
            netns,
            resolv_conf: TempFile::new(&text)?,
            // Where glibc would ask somebody else first.
            nsswitch_conf: TempFile::new("hosts: dns\n")?,
        })
    }

    /// The canonical name and the sorted addresses, with spaces between; empty if there is none.
    pub(crate) fn getaddrinfo(&self, library: Library, name: &str) -> Result<String> {
        let line = self.run(getaddrinfo(library)?, &[name])?;
        let mut words: Vec<&str> = line.split_whitespace().collect();
        if let Some((_, addresses)) = words.split_first_mut() {
            addresses.sort_unstable();
        }
        Ok(words.join(" "))
    }

    /// The record data of an answer section, sorted, by `dig +search` and what else is given.
    pub(crate) fn dig(&self, arguments: &[&str]) -> Result<Vec<String>> {
        let all = [&["+search", "+short", "+tries=1"], arguments].concat();
        let text = self.run("dig", &all)?;
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        Ok(lines)
    }

    fn run(&self, program: impl AsRef<OsStr>, arguments: &[&str]) -> Result<String> {
        let mut command = self.netns.command("unshare");
        command.args(["--mount", "sh", "-c", ENTER]);
        command.args([self.resolv_conf.path(), self.nsswitch_conf.path()]);
        command.arg(program).args(arguments);
        let output = command.output()?;
        let said = String::from_utf8(output.stdout)?;
        ensure!(
            output.status.success(),
            "{arguments:?}: {}: {said}{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(said)
    }
}

/// `getaddrinfo.c`, compiled once per run with this library, static where that can be.
fn getaddrinfo(library: Library) -> Result<&'static Path> {
    static BUILT: [OnceLock<Result<PathBuf, String>>; 2] = [OnceLock::new(), OnceLock::new()];
    let built = BUILT[library as usize]
        .get_or_init(|| compile(library).map_err(|error| format!("{error:#}")));
    built.as_deref().map_err(|error| anyhow::anyhow!("{error}"))
}

fn compile(library: Library) -> Result<PathBuf> {
    let (compiler, name) = match library {
        Library::Glibc => ("cc", "getaddrinfo-glibc"),
        Library::Musl => ("musl-gcc", "getaddrinfo-musl"),
    };
    let output = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/shapes/getaddrinfo.c");
    let path = output
        .to_str()
        .context("the target directory is not UTF-8")?;
    run(compiler, &["-Wall", "-Werror", "-o", path, source])
        .context("`cargo xtask setup` installs the compilers")?;
    Ok(output)
}
