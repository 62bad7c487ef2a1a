//! Where the parser's tokens come from: the Corefile, and the snippets and files it imports, strung
//! together. An `import` is replaced by the tokens of the snippet of that name, else of the file,
//! else of the files a pattern matches; a relative path starts at the importing file's directory.
//!
//! Nothing here recurses: open sources lie on a stack, and a source that is on it already is a cycle.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::error::{Problem, Report};
use super::lexer::{self, Environment, Kind, Position, Token};

/// Words of a Corefile with all its imports. A snippet that imports another twice, which does the
/// same, and so on, doubles at each step without any cycle.
const MAX_WORDS: usize = 100_000;

/// Octets of one file: what fits a `ConfigMap`.
const MAX_FILE: u64 = 1 << 20;

/// The tokens still to come.
pub(super) struct Source<'a> {
    /// The innermost import last. What is read to its end stays until the next token is taken, so
    /// that a cycle by last lines is seen.
    open: Vec<Open>,
    snippets: HashMap<String, Snippet>,
    words: usize,
    stopped: bool,
    environment: Environment<'a>,
    report: &'a mut Report,
}

struct Open {
    what: Origin,
    tokens: Rc<[Token]>,
    next: usize,
}

#[derive(Clone, PartialEq, Eq)]
enum Origin {
    File(PathBuf),
    Snippet(String),
}

struct Snippet {
    tokens: Rc<[Token]>,
    at: Position,
}

impl<'a> Source<'a> {
    pub(super) fn new(
        text: &str,
        file: &Path,
        environment: Environment<'a>,
        report: &'a mut Report,
    ) -> Self {
        let tokens = lexer::tokens(text, file, environment, report).into();
        let root = Open {
            what: Origin::File(identity(file)),
            tokens,
            next: 0,
        };
        Self {
            open: vec![root],
            snippets: HashMap::new(),
            words: 0,
            stopped: false,
            environment,
            report,
        }
    }

    /// The next token, left where it is.
    pub(super) fn peek(&self) -> Option<&Token> {
        let mut open = self.open.iter().rev();
        open.find_map(|open| open.tokens.get(open.next))
    }

    /// Takes the next token.
    pub(super) fn next(&mut self) -> Option<Token> {
        while let Some(open) = self.open.last_mut() {
            let Some(token) = open.tokens.get(open.next).cloned() else {
                self.open.pop();
                continue;
            };
            open.next += 1;
            self.words += 1;
            if self.words > MAX_WORDS {
                self.stop(&token.at, Problem::TooLong(MAX_WORDS));
                return None;
            }
            return Some(token);
        }
        None
    }

    /// Takes the next token if it is such a one.
    pub(super) fn next_if(&mut self, wanted: impl Fn(&Token) -> bool) -> Option<Token> {
        self.peek().is_some_and(wanted).then(|| self.next())?
    }

    /// Reports a fault, unless reading was given up and the fault is but its consequence.
    pub(super) fn refuse(&mut self, at: &Position, problem: Problem) {
        if !self.stopped {
            self.report.refuse(at, problem);
        }
    }

    /// Reports a fault behind which no more tokens come.
    pub(super) fn stop(&mut self, at: &Position, problem: Problem) {
        self.refuse(at, problem);
        self.stopped = true;
        self.open.clear();
    }

    /// Whether reading was given up.
    pub(super) fn stopped(&self) -> bool {
        self.stopped
    }

    /// Takes the block that follows a snippet's name, which stands at `at`.
    pub(super) fn define_snippet(&mut self, name: &str, at: &Position) {
        let Some(open) = self.next_if(|token| token.kind == Kind::Open) else {
            return self.refuse(at, Problem::SnippetWithoutBlock(name.to_owned()));
        };
        let mut tokens: Vec<Token> = Vec::new();
        let mut depth = 1_usize;
        while let Some(mut token) = self.next() {
            match token.kind {
                Kind::Open => depth += 1,
                Kind::Close => depth -= 1,
                Kind::Word => {}
            }
            if depth == 0 {
                return self.keep_snippet(name, at, tokens);
            }
            token.starts_line |= tokens.is_empty();
            tokens.push(token);
        }
        self.refuse(&open.at, Problem::UnclosedBlock);
    }

    fn keep_snippet(&mut self, name: &str, at: &Position, tokens: Vec<Token>) {
        if let Some(Snippet { at: first, .. }) = self.snippets.get(name) {
            let (name, first) = (name.to_owned(), first.clone());
            return self.refuse(at, Problem::SnippetTwice { name, first });
        }
        let snippet = Snippet {
            tokens: tokens.into(),
            at: at.clone(),
        };
        self.snippets.insert(name.to_owned(), snippet);
    }

    /// Takes an `import` line, after which the imported tokens come next.
    pub(super) fn import(&mut self) {
        let Some(keyword) = self.next() else { return };
        let mut args = Vec::new();
        while let Some(arg) = self.next_if(|token| !token.starts_line) {
            args.push(arg);
        }
        let [arg] = args.as_slice() else {
            return self.refuse(&keyword.at, Problem::ImportArguments);
        };
        if arg.kind != Kind::Word || arg.text.is_empty() {
            return self.refuse(&keyword.at, Problem::ImportArguments);
        }
        if let Some(snippet) = self.snippets.get(&arg.text) {
            let tokens = Rc::clone(&snippet.tokens);
            return self.enter(Origin::Snippet(arg.text.clone()), tokens, &arg.at);
        }
        // The last file is entered first, so that the first one's tokens come first.
        for file in self.files(arg).into_iter().rev() {
            self.import_file(&file, arg);
        }
    }

    fn import_file(&mut self, file: &Path, arg: &Token) {
        match read(file) {
            Ok(text) => {
                let tokens = lexer::tokens(&text, file, self.environment, self.report).into();
                self.enter(Origin::File(identity(file)), tokens, &arg.at);
            }
            Err(error) => self.refuse(
                &arg.at,
                Problem::ImportNotFound {
                    name: arg.text.clone(),
                    file: file.to_owned(),
                    reason: error.to_string(),
                },
            ),
        }
    }

    /// The files an argument means: itself, or what the pattern matches, sorted.
    fn files(&mut self, arg: &Token) -> Vec<PathBuf> {
        let directory = arg.at.file.parent().unwrap_or(Path::new(""));
        if !arg.text.contains(['*', '?', '[', ']']) {
            return vec![directory.join(&arg.text)];
        }
        // The limits are Caddy's; a pattern of many wildcards can walk a whole disk.
        let most = |wildcard| arg.text.matches(wildcard).count() <= 1;
        let pattern =
            Path::new(&glob::Pattern::escape(&directory.to_string_lossy())).join(&arg.text);
        let paths = if most('*') && most('?') && !arg.text.contains(['[', ']']) {
            glob::glob(&pattern.to_string_lossy()).ok()
        } else {
            None
        };
        let Some(paths) = paths else {
            let name = arg.text.clone();
            self.refuse(&arg.at, Problem::ImportPattern { name });
            return Vec::new();
        };
        let files: Vec<PathBuf> = paths.filter_map(Result::ok).collect();
        if files.is_empty() {
            let sentence = format_args!("no file matches the import pattern {:?}", arg.text);
            self.report.warn(&arg.at, sentence);
        }
        files
    }

    fn enter(&mut self, what: Origin, tokens: Rc<[Token]>, at: &Position) {
        // One of which nothing was taken yet is no importer of this: it is the next file of a pattern.
        let importer = |open: &Open| open.what == what && open.next > 0;
        if let Some(first) = self.open.iter().position(importer) {
            let chain = self.open[first..].iter().map(|open| &open.what);
            let names: Vec<String> = chain.chain([&what]).map(Origin::name).collect();
            return self.refuse(at, Problem::ImportCycle(names.join(" -> ")));
        }
        self.open.push(Open {
            what,
            tokens,
            next: 0,
        });
    }
}

impl Origin {
    fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Snippet(name) => format!("({name})"),
        }
    }
}

/// Reads a file as text, up to a size no Corefile has.
pub(crate) fn read(file: &Path) -> io::Result<String> {
    let mut octets = Vec::new();
    File::open(file)?
        .take(MAX_FILE + 1)
        .read_to_end(&mut octets)?;
    if octets.len() as u64 > MAX_FILE {
        return Err(io::Error::other(format!(
            "it is larger than {MAX_FILE} octets"
        )));
    }
    String::from_utf8(octets).map_err(|error| {
        let good =
            error.as_bytes()[..error.utf8_error().valid_up_to()].split(|&octet| octet == b'\n');
        io::Error::other(format!("line {} is not UTF-8 text", good.count()))
    })
}

/// What is the same for two names of one file.
fn identity(file: &Path) -> PathBuf {
    fs::canonicalize(file).unwrap_or_else(|_| file.to_owned())
}
