//! Network namespaces, veth pairs and BPF file systems that a test owns.
//!
//! Each is made with the system's own tools (`ip`, `mount`), has a name no other test has
//! (`kdt-<pid>-<n>`), and is gone when its value is dropped, after a panic too.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs, panic, thread};

use anyhow::{Context as _, Result, ensure};
use nix::sched::{CloneFlags, setns};

/// A network namespace of this test; its loopback interface is up.
#[derive(Debug)]
pub struct Netns {
    name: String,
}

impl Netns {
    /// Makes an empty namespace.
    pub fn new() -> Result<Self> {
        let netns = Self {
            name: unique_name(),
        };
        run("ip", &["netns", "add", &netns.name])?;
        // Duplicate address detection would hold every IPv6 address back for a second.
        netns.sysctl("net/ipv6/conf/default/accept_dad", "0")?;
        netns.ip("link set lo up")?;
        Ok(netns)
    }

    /// What `ip netns list` calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs `work` on a thread of its own inside the namespace and returns what it returns;
    /// a panic of `work` goes on here. Threads and processes started by `work` are inside too.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let inside = || {
            let file = fs::File::open(Path::new("/run/netns").join(&self.name))
                .expect("a namespace lives as long as its value");
            setns(file, CloneFlags::CLONE_NEWNET).expect("these tests run as root");
            work()
        };
        thread::scope(|scope| match scope.spawn(inside).join() {
            Ok(value) => value,
            Err(payload) => panic::resume_unwind(payload),
        })
    }

    /// A command that will run inside. Only the network is another one (`ip netns exec` would
    /// also hide `/sys/fs/bpf` under a new `/sys`), and the child has the program's own pid.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net=/run/netns/{}", self.name))
            .arg("--")
            .arg(program);
        command
    }

    /// Runs `ip <args>` inside, the arguments given as one line: `netns.ip("link set eth0 up")`.
    /// Returns what it printed.
    pub fn ip(&self, args: &str) -> Result<String> {
        let mut all = vec!["-n", &self.name];
        all.extend(args.split_whitespace());
        run("ip", &all)
    }

    /// Runs any other command line inside, split at white space, and returns what it printed.
    pub fn run(&self, line: &str) -> Result<String> {
        let mut words = line.split_whitespace();
        let program = words.next().context("an empty command line")?;
        let output = self.command(program).args(words).output()?;
        printed(line, &output)
    }

    /// Writes a sysctl of this namespace: `netns.sysctl("net/ipv4/ip_forward", "1")`.
    pub fn sysctl(&self, key: &str, value: &str) -> Result<()> {
        let path = Path::new("/proc/sys").join(key);
        self.enter(|| fs::write(&path, value))
            .with_context(|| format!("writing {key}"))
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        let _gone_already = Command::new("ip")
            .args(["netns", "del", &self.name])
            .output();
    }
}

/// A veth pair whose ends lie in two namespaces (or in one), both up.
/// Ends are `(namespace, interface name)`.
pub fn veth(one: (&Netns, &str), other: (&Netns, &str)) -> Result<()> {
    one.0.ip(&format!(
        "link add {} type veth peer name {} netns {}",
        one.1,
        other.1,
        other.0.name()
    ))?;
    one.0.ip(&format!("link set {} up", one.1))?;
    other.0.ip(&format!("link set {} up", other.1))?;
    Ok(())
}

/// A BPF file system of this test, mounted on a new directory.
#[derive(Debug)]
pub struct BpfFs {
    dir: PathBuf,
}

impl BpfFs {
    /// Mounts it below the temporary directory.
    pub fn new() -> Result<Self> {
        let bpffs = Self {
            dir: env::temp_dir().join(unique_name()),
        };
        fs::create_dir(&bpffs.dir)?;
        let dir = bpffs
            .dir
            .to_str()
            .context("the temporary directory's name is not UTF-8")?;
        run("mount", &["-t", "bpf", "bpf", dir])?;
        Ok(bpffs)
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.dir
    }
}

impl Drop for BpfFs {
    fn drop(&mut self) {
        // Lazily: a child that is still dying may have a file open.
        let _not_mounted = Command::new("umount").arg("--lazy").arg(&self.dir).output();
        let _gone_already = fs::remove_dir(&self.dir);
    }
}

/// A file with a text, removed when this is dropped.
#[derive(Debug)]
pub struct TempFile {
    path: PathBuf,
}

impl TempFile {
    /// Writes it below the temporary directory.
    pub fn new(text: &str) -> Result<Self> {
        let file = Self {
            path: env::temp_dir().join(unique_name()),
        };
        fs::write(&file.path, text)?;
        Ok(file)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _gone_already = fs::remove_file(&self.path);
    }
}

/// A new directory, removed with all that is in it when this is dropped.
#[derive(Debug)]
pub struct TempDirectory {
    path: PathBuf,
}

impl TempDirectory {
    /// Makes it below the temporary directory.
    pub fn new() -> Result<Self> {
        let directory = Self {
            path: env::temp_dir().join(unique_name()),
        };
        fs::create_dir(&directory.path)?;
        Ok(directory)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for TempDirectory {
    fn drop(&mut self) {
        let _gone_already = fs::remove_dir_all(&self.path);
    }
}

/// Runs a program; what it printed, or an error with all of its output.
pub fn run(program: &str, args: &[&str]) -> Result<String> {
    let output = Command::new(program)
        .args(args)
        .output()
        .with_context(|| format!("`{program}` could not be started; is it installed?"))?;
    printed(&format!("{program} {}", args.join(" ")), &output)
}

fn printed(line: &str, output: &Output) -> Result<String> {
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        write!(text, "{}", String::from_utf8_lossy(&output.stderr))?;
    }
    ensure!(
        output.status.success(),
        "`{line}`: {}: {}",
        output.status,
        text.trim()
    );
    Ok(text)
}

fn unique_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!(
        "kdt-{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_gone_after_a_panic() {
        let mut name = String::new();
        let outcome = panic::catch_unwind(panic::AssertUnwindSafe(|| {
            let netns = Netns::new().unwrap();
            netns.name().clone_into(&mut name);
            assert!(Path::new("/run/netns").join(&name).exists());
            netns.enter(|| panic!("on purpose"));
        }));
        assert!(outcome.is_err());
        assert!(!Path::new("/run/netns").join(&name).exists());
    }

    #[test]
    fn a_closure_and_a_command_see_the_namespaces_interfaces() {
        let (node, pod) = (Netns::new().unwrap(), Netns::new().unwrap());
        veth((&node, "veth1"), (&pod, "eth0")).unwrap();
        let index = pod.enter(|| nix::net::if_::if_nametoindex("eth0"));
        assert!(index.is_ok());
        assert!(node.run("ip -br link").unwrap().contains("veth1"));
        assert!(node.run("ip link show dev eth0").is_err());
    }
}
