//! What is wrong with a Corefile, in sentences for the person who edits it: each names file, line
//! and what was expected. Parsing goes on behind a fault where it can, so that one look at the
//! report mends the whole file.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::beside::Beside;
use super::lexer::Position;
use super::parser::Directive;
use super::zone::ZoneError;

/// Why there is no [`Config`](super::Config).
#[derive(Debug, Error)]
pub enum CorefileError {
    /// The file cannot be read at all.
    #[error("{}: the Corefile cannot be read: {source}", path.display())]
    Unreadable {
        /// The file, as it was named.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is read and wrong. Displayed as one line for each fault.
    #[error("{}", lines(faults))]
    Faults {
        /// In the order of lines, at least one.
        faults: Vec<Fault>,
        /// What would have been warned of.
        warnings: Vec<String>,
    },
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub at: Position,
    /// What.
    pub problem: Problem,
}

impl fmt::Display for Fault {
    /// `Corefile:7: unknown plugin "chachet"; ...`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.problem)
    }
}

/// What can be wrong at one place.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Problem {
    /// A `"` without its partner.
    #[error("this quote is never closed; expected another '\"'")]
    UnclosedQuote,
    /// A `{` without its partner.
    #[error("this \"{{\" is never closed; expected \"}}\" before the end of the file")]
    UnclosedBlock,
    /// A `}` without its partner.
    #[error("unexpected \"}}\": no block is open here")]
    UnexpectedClose,
    /// `a b }`
    #[error("unexpected \"}}\": expected it on a line of its own")]
    CloseBehindWords,
    /// `} a`
    #[error("unexpected {0:?} behind \"}}\": expected the end of the line")]
    WordBehindClose(String),
    /// A `{` that belongs to nothing.
    #[error("unexpected \"{{\": expected {expected} before it, on the same line")]
    UnexpectedOpen {
        /// What a block belongs to at this place.
        expected: &'static str,
    },
    /// Nesting without end.
    #[error("blocks are nested more than {0} deep")]
    TooDeep(usize),
    /// Imports without end.
    #[error("more than {0} words, imports included")]
    TooLong(usize),
    /// No server block at all.
    #[error("there is no server block; expected one such as \".:53 {{\"")]
    NoServer,
    /// `a.example,` and then nothing.
    #[error("expected another zone behind the comma")]
    NoZoneBehindComma,
    /// Two snippets of a name.
    #[error("snippet {name:?} is already defined at {first}")]
    SnippetTwice {
        /// Without parentheses.
        name: String,
        /// The other one.
        first: Position,
    },
    /// `(name)` and no block.
    #[error("expected \"{{\" behind the snippet's name ({0})")]
    SnippetWithoutBlock(String),
    /// `import` with none or several arguments.
    #[error("\"import\" takes one argument: a snippet, a file or a pattern of files")]
    ImportArguments,
    /// Nothing to import.
    #[error(
        "cannot import {name:?}: no snippet of that name is defined above, and file {file:?} cannot be read: {reason}"
    )]
    ImportNotFound {
        /// As it was named.
        name: String,
        /// The file that this means here.
        file: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// A pattern that is not one.
    #[error("cannot import {name:?}: a pattern has at most one \"*\" or \"?\", and no \"[\"")]
    ImportPattern {
        /// As it was named.
        name: String,
    },
    /// A snippet or file that imports itself.
    #[error("import cycle: {0}")]
    ImportCycle(String),

    /// A server block's key, or a zone in a plugin's arguments.
    #[error(transparent)]
    Zone(#[from] ZoneError),
    /// A zone that two server blocks serve on the same address and port.
    #[error(
        "zone {zone:?} on port {port} is already served by the server block at {first}; \
             expected another zone or port, or \"bind\" to other addresses in both blocks"
    )]
    ZoneTwice {
        /// The zone.
        zone: String,
        /// The port.
        port: u16,
        /// The other block.
        first: Position,
    },

    /// No plugin of anybody's.
    #[error("unknown plugin {name:?}; KernDNS knows: {known}")]
    UnknownPlugin {
        /// As it was written.
        name: String,
        /// What there is.
        known: String,
    },
    /// A plugin of CoreDNS that is not here.
    #[error("plugin {name:?} of CoreDNS is not built yet; KernDNS knows: {known}")]
    PluginNotBuilt {
        /// The plugin.
        name: String,
        /// What there is.
        known: String,
    },
    /// A plugin twice in a server block.
    #[error("plugin {plugin:?} is already in this server block, at line {line}; expected it once")]
    PluginTwice {
        /// The plugin.
        plugin: String,
        /// Where the other one is.
        line: usize,
    },
    /// No option of anybody's.
    #[error("unknown option {option:?} of {plugin:?}; KernDNS knows: {known}")]
    UnknownOption {
        /// The plugin.
        plugin: String,
        /// As it was written.
        option: String,
        /// What there is.
        known: String,
    },
    /// An option twice in a plugin's block.
    #[error("option {option:?} of {plugin:?} is already in this block; expected it once")]
    OptionTwice {
        /// The plugin.
        plugin: String,
        /// The option.
        option: String,
    },
    /// An option of CoreDNS that is not here.
    #[error("option {option:?} of {plugin:?} is not built yet; KernDNS knows: {known}")]
    OptionNotBuilt {
        /// The plugin.
        plugin: String,
        /// The option.
        option: String,
        /// What there is.
        known: String,
    },
    /// Options where there are none.
    #[error("{name:?} takes no block")]
    NoBlockExpected {
        /// The plugin or option.
        name: String,
    },
    /// Too many or too few arguments.
    #[error("{name:?} has {}; expected {expected}", arguments(*given))]
    Arguments {
        /// The plugin or option.
        name: String,
        /// How many there are.
        given: usize,
        /// What there should be.
        expected: &'static str,
    },
    /// None or several arguments where there should be one.
    #[error("{name:?} has {}; expected one: {expected}", arguments(*given))]
    OneArgument {
        /// The plugin or option.
        name: String,
        /// How many there are.
        given: usize,
        /// What it should be.
        expected: &'static str,
    },
    /// One argument that cannot be.
    #[error("{name:?} has the argument {given:?}; expected {expected}")]
    Argument {
        /// The plugin or option.
        name: String,
        /// The argument.
        given: String,
        /// What it should be.
        expected: &'static str,
    },
    /// A value of CoreDNS that is not here.
    #[error("{name:?} {given:?} is not built yet; expected {expected}")]
    ArgumentNotBuilt {
        /// The plugin or option.
        name: String,
        /// The argument.
        given: String,
        /// What KernDNS has instead.
        expected: &'static str,
    },

    /// `k8s_external` without the plugin whose Services it shows.
    #[error("\"k8s_external\" needs \"kubernetes\" in the same server block")]
    NoKubernetes,
    /// Two options of a block that contradict each other.
    #[error("{option:?} and {other:?} cannot both be set; expected one of them")]
    OptionsExclude {
        /// The option.
        option: &'static str,
        /// The other one.
        other: &'static str,
    },
    /// A zone without room for the names of its own SOA record (RFC 1035 2.3.4).
    #[error(
        "zone {zone:?} of {plugin:?} is so long that {label:?} below it, the mailbox of its SOA record, would have more \
         than 255 octets; expected a shorter zone"
    )]
    NoRoomForSoa {
        /// The plugin.
        plugin: String,
        /// The zone.
        zone: String,
        /// The labels below it.
        label: String,
    },
    /// A zone of `multicluster` that is none of the plugin's.
    #[error("zone {zone:?} of \"multicluster\" is none of \"kubernetes\"; expected one of {zones}")]
    NotAuthoritative {
        /// The zone.
        zone: String,
        /// The plugin's.
        zones: String,
    },
    /// Two `kubernetes` blocks that name different API servers, or different limits.
    #[error(
        "\"kubernetes\" names another API server, or other limits for it, than the server block at \
         {first}; expected the same in all blocks, or in one only: the objects of one cluster are followed"
    )]
    OtherApiServer {
        /// The other block.
        first: Position,
    },
    /// More selectors than an object's labels are judged by.
    #[error("there are more than {0} different label selectors")]
    ManySelectors(usize),

    /// `kubernetes` with reverse zones only.
    #[error(
        "\"kubernetes\" has reverse zones only; expected the cluster domain too, such as cluster.local"
    )]
    NoClusterDomain,
    /// `transfer` to nobody.
    #[error("\"transfer\" says to nobody; expected \"to\" with one or more addresses, or \"*\"")]
    NoSecondary,
    /// `forward` from a prefix that is several zones.
    #[error(
        "\"forward\" {given:?} is {zones} zones; expected one, so a prefix of whole octets (IPv4) or digits (IPv6)"
    )]
    ManyZones {
        /// As it was written.
        given: String,
        /// How many it is.
        zones: usize,
    },
    /// An upstream that is neither address nor file.
    #[error("upstream {given:?} is not an IP address, and as a file it cannot be read: {reason}")]
    Upstream {
        /// As it was written.
        given: String,
        /// What the system says.
        reason: String,
    },
    /// `tls://1.1.1.1`
    #[error(
        "upstream {given:?}: transport {transport:?} is not built yet; expected an address without it, or dns://"
    )]
    UpstreamTransport {
        /// As it was written.
        given: String,
        /// The scheme.
        transport: String,
    },
    /// Files without `nameserver` lines, and nothing else.
    #[error("\"forward\" has no upstream: no \"nameserver\" line with an IP address in {files}")]
    NoUpstream {
        /// The files.
        files: String,
    },
    /// More than CoreDNS takes.
    #[error("\"forward\" has {given} upstreams; expected at most {most}")]
    ManyUpstreams {
        /// How many there are.
        given: usize,
        /// How many there can be.
        most: usize,
    },
}

/// What has been found while a Corefile is read.
#[derive(Debug, Default)]
pub struct Report {
    /// Set where the file is CoreDNS's.
    pub(super) beside: Option<Beside>,
    pub(super) faults: Vec<Fault>,
    warnings: Vec<(Position, String)>,
    /// What the kernel passes, and why.
    passed: Vec<(Position, String)>,
    /// What KernDNS lacks of the server block at hand and bears on its answers.
    pub(super) lacking: Vec<(Position, String)>,
}

impl Report {
    /// Of a file that is CoreDNS's.
    pub(super) fn beside(beside: Beside) -> Self {
        Self {
            beside: Some(beside),
            ..Self::default()
        }
    }

    /// Adds a fault: what makes the Corefile unusable.
    pub fn refuse(&mut self, at: &Position, problem: impl Into<Problem>) {
        self.faults.push(Fault {
            at: at.clone(),
            problem: problem.into(),
        });
    }

    /// Adds a warning: what is accepted and worth a word.
    pub fn warn(&mut self, at: &Position, sentence: impl fmt::Display) {
        self.warnings.push((at.clone(), sentence.to_string()));
    }

    /// Adds a reason why the kernel passes the names of a server block.
    pub(super) fn pass(&mut self, at: &Position, sentence: impl fmt::Display) {
        self.passed.push((at.clone(), sentence.to_string()));
    }

    /// How many faults and warnings there are so far, for [`Self::read`].
    pub(super) fn mark(&self) -> (usize, usize) {
        (self.faults.len(), self.warnings.len())
    }

    /// A plugin's line was read since `mark`: where the file is CoreDNS's, forgives what is no fault of it.
    pub(super) fn read(&mut self, line: &Directive, mark: (usize, usize)) {
        if self.beside.is_some() {
            let faults = self.faults.split_off(mark.0);
            // That something has no effect here is no news: it has its effect in CoreDNS.
            self.warnings.truncate(mark.1);
            Beside::forgive(line, faults, self);
        }
    }

    /// How many faults there are so far.
    pub fn faults(&self) -> usize {
        self.faults.len()
    }

    /// Faults, warnings and what is passed, each in the order of lines: those of the Corefile itself,
    /// `root`, first, then those of each imported file.
    pub(super) fn sorted(self, root: &Path) -> (Vec<Fault>, Vec<String>, Vec<String>) {
        let place = |at: &Position| (*at.file != *root, at.file.clone(), at.line);
        let sentences = |mut list: Vec<(Position, String)>| -> Vec<String> {
            list.sort_by_key(|(at, _)| place(at));
            let sentence = |(at, sentence)| format!("{at}: {sentence}");
            list.into_iter().map(sentence).collect()
        };
        let mut faults = self.faults;
        faults.sort_by_key(|fault| place(&fault.at));
        (faults, sentences(self.warnings), sentences(self.passed))
    }
}

fn arguments(count: usize) -> String {
    match count {
        0 => "no argument".to_owned(),
        1 => "1 argument".to_owned(),
        count => format!("{count} arguments"),
    }
}

fn lines(faults: &[Fault]) -> String {
    let lines: Vec<String> = faults.iter().map(Fault::to_string).collect();
    lines.join("\n")
}
