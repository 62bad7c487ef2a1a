//! `--listen`: a repeatable flag to one of three cases. clap's derive has no form for that.

use std::net::SocketAddr;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches};

/// Where the agent listens, UDP and TCP.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Listen {
    /// Where the Corefile says (`bind` and the zones' ports).
    #[default]
    Corefile,
    /// Nowhere: what the kernel passes goes its way.
    None,
    /// At these addresses; at least one.
    At(Vec<SocketAddr>),
}

const LISTEN: &str = "listen";

/// One value of the flag; no address is `none`.
type Value = Option<SocketAddr>;

fn value(text: &str) -> Result<Value, &'static str> {
    if text == "none" {
        return Ok(None);
    }
    text.parse()
        .map(Some)
        .map_err(|_| "write IP:PORT, for example 10.0.0.1:53 or [::1]:53, or none")
}

impl Args for Listen {
    fn augment_args(command: Command) -> Command {
        let arg = Arg::new(LISTEN)
            .long(LISTEN)
            .value_name("IP:PORT|none")
            .action(ArgAction::Append)
            .value_parser(value)
            .help_heading(super::WHERE)
            .help(
                "Listen here, UDP and TCP; repeatable; without it, where the Corefile says (`bind`, port); \
                 none: no DNS sockets, what the kernel passes goes on to whom it was for",
            );
        command.arg(arg)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Listen {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let values: Vec<Value> = matches
            .get_many(LISTEN)
            .unwrap_or_default()
            .copied()
            .collect();
        if values.is_empty() {
            return Ok(Self::Corefile);
        }
        if values.iter().all(Option::is_none) {
            return Ok(Self::None);
        }
        values
            .into_iter()
            .collect::<Option<Vec<_>>>()
            .map(Self::At)
            .ok_or_else(|| {
                let message =
                    "--listen none and an address contradict each other; give one of them\n";
                Error::raw(ErrorKind::ArgumentConflict, message)
            })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
