//! From a Corefile's text to the servers it asks for.
//!
//! `lexer` (text to tokens) -> `import` (snippets and files strung together) -> `parser` (tokens to
//! server blocks) -> `config` (blocks to [`Config`], each plugin's lines read by its folder in
//! `plugin` with the readers in `args`). `beside` is what differs where the file is CoreDNS's, `check`
//! puts the outcome into words.

mod address;
mod args;
mod beside;
mod check;
mod config;
pub mod duration;
mod error;
mod import;
mod lexer;
mod parser;
#[cfg(test)]
mod tests;
mod zone;

use std::time::Duration;

pub use address::server_address;
pub use args::{Known, LISTEN_ADDRESS, check_room_for_soa, is_listen_address, zones};
pub use beside::Beside;
pub use check::check;
pub use error::{CorefileError, Fault, Problem, Report};
pub(crate) use import::read as read_text;
pub use lexer::{Position, Token};
pub use parser::Directive;
pub use zone::{ZoneError, is_reverse, parse as parse_zone};

use crate::plugin::{autopath, chaos, forward, k8s_external, kubernetes, transfer};
use crate::record::Name;

/// Everything a Corefile says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The server blocks, in the file's order; one entry per block, or one per port where a block's
    /// keys name several.
    pub servers: Vec<Server>,
    /// What was accepted and has no effect, one sentence each, naming file and line.
    pub warnings: Vec<String>,
    /// Why the kernel passes the names of server blocks, one sentence each, naming file and line:
    /// only where the file is CoreDNS's ([`Beside`]).
    pub passed: Vec<String>,
}

/// One server block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its zones, at least one.
    pub zones: Vec<Name>,
    /// The port it listens at, 53 unless said.
    pub port: u16,
    /// `bind`: addresses or interface names; empty: all addresses.
    pub bind: Vec<String>,
    /// `autopath`
    pub autopath: Option<autopath::Options>,
    /// `k8s_external`, only beside `kubernetes`.
    pub k8s_external: Option<k8s_external::Options>,
    /// `kubernetes`
    pub kubernetes: Option<kubernetes::Options>,
    /// `transfer`, in the file's order.
    pub transfer: Vec<transfer::Options>,
    /// `forward`, in the file's order.
    pub forward: Vec<forward::Options>,
    /// `nsid`: what clients that ask are told of who answers.
    pub nsid: Option<String>,
    /// `any`: queries for everything get one record that says nothing.
    pub any: bool,
    /// `chaos`
    pub chaos: Option<chaos::Options>,
    /// `loadbalance`: the order of addresses is shuffled per answer.
    pub loadbalance: bool,
    /// `errors`: failures of queries are logged.
    pub errors: bool,
    /// `health`: where, and `lameduck`.
    pub health: Option<Health>,
    /// `ready`: where, `:8181` unless said.
    pub ready: Option<String>,
    /// `prometheus`: where, `localhost:9153` unless said.
    pub prometheus: Option<String>,
    /// `reload`: how often the Corefile is looked at; `None`: never.
    pub reload: Option<Duration>,
}

impl Server {
    /// CoreDNS's `server` label of metrics: `dns://:53`, or `dns://192.0.2.1:53` with one address in `bind`.
    pub fn label(&self) -> String {
        match self.bind.as_slice() {
            [host] if host.contains(':') => format!("dns://[{host}]:{}", self.port),
            [host] => format!("dns://{host}:{}", self.port),
            _ => format!("dns://:{}", self.port),
        }
    }
}

/// `health`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Where `/health` is served, `:8080` unless said.
    pub address: String,
    /// How long queries are still answered after SIGTERM.
    pub lameduck: Duration,
}
