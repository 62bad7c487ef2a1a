//! Tokens -> [`ServerBlock`]s, as coredns/caddy groups them (`caddyfile/parse.go`): keys up to a
//! `{`, then one [`Directive`] a line, each with arguments and perhaps a block of its own. A file
//! without braces is one server block. Snippets and imports are resolved here.
//!
//! Stricter than Caddy where Caddy goes wrong in silence: nothing may follow the `}` of a plugin's
//! block on its line, and a block opens on the line of what it belongs to.

use std::path::Path;

use super::error::{Problem, Report};
use super::import::Source;
use super::lexer::{Environment, Kind, Position, Token};

/// Blocks within blocks. CoreDNS's own plugins need two levels; the limit keeps the stack small.
const MAX_DEPTH: usize = 16;

/// Keys and what is in their block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServerBlock {
    /// At least one.
    pub(super) keys: Vec<Token>,
    /// The plugins' lines.
    pub(super) directives: Vec<Directive>,
}

/// A plugin's line or an option's, with the block that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    /// The plugin's or option's name.
    pub name: Token,
    /// The rest of the line.
    pub args: Vec<Token>,
    /// The lines between braces; empty without braces, too.
    pub block: Vec<Directive>,
}

/// Groups the tokens of `text`, which is the content of `file`. What is wrong goes to `report`;
/// what could be read nevertheless is returned.
pub(super) fn parse(
    text: &str,
    file: &Path,
    environment: Environment<'_>,
    report: &mut Report,
) -> Vec<ServerBlock> {
    let mut parser = Parser {
        source: Source::new(text, file, environment, report),
        blocks: Vec::new(),
    };
    while parser.source.peek().is_some() {
        parser.server_block();
    }
    if parser.source.stopped() {
        // Half of a file that is out of all bounds: what its lines say is of no interest.
        parser.blocks.clear();
    }
    parser.blocks
}

struct Parser<'a> {
    source: Source<'a>,
    blocks: Vec<ServerBlock>,
}

impl Parser<'_> {
    fn server_block(&mut self) {
        let keys = self.keys();
        if let [key] = keys.as_slice()
            && let Some(snippet) = snippet_name(&key.text)
        {
            return self.source.define_snippet(snippet, &key.at);
        }
        let open = self.source.next_if(|token| token.kind == Kind::Open);
        if keys.is_empty() {
            if let Some(open) = open {
                let expected = "a zone";
                self.source
                    .refuse(&open.at, Problem::UnexpectedOpen { expected });
                self.directives(Some(&open.at), 1);
            }
            return;
        }
        let directives = self.directives(open.as_ref().map(|open| &open.at), 1);
        self.blocks.push(ServerBlock { keys, directives });
    }

    /// Takes the keys of a server block: all words of the line, and of the next line where a comma
    /// comes last.
    fn keys(&mut self) -> Vec<Token> {
        let mut keys: Vec<Token> = Vec::new();
        let mut comma: Option<Position> = None;
        while let Some(token) = self.source.peek().cloned() {
            if token.starts_line && !keys.is_empty() && comma.is_none() {
                break;
            }
            match token.kind {
                Kind::Open => break,
                Kind::Close => {
                    self.source.next();
                    self.source.refuse(&token.at, Problem::UnexpectedClose);
                    continue;
                }
                Kind::Word if token.starts_line && token.text == "import" => {
                    self.source.import();
                    continue;
                }
                Kind::Word => {}
            }
            self.source.next();
            comma = token.text.ends_with(',').then(|| token.at.clone());
            let texts = token.text.split(',').filter(|text| !text.is_empty());
            keys.extend(texts.map(|text| Token {
                text: text.to_owned(),
                ..token.clone()
            }));
        }
        if let Some(at) = comma {
            self.source.refuse(&at, Problem::NoZoneBehindComma);
        }
        keys
    }

    /// Takes lines up to the `}` of the block that was opened at `opened`, or to the end of a file
    /// without braces.
    fn directives(&mut self, opened: Option<&Position>, depth: usize) -> Vec<Directive> {
        let mut directives = Vec::new();
        while let Some(token) = self.source.peek().cloned() {
            match token.kind {
                Kind::Close => {
                    self.source.next();
                    if opened.is_none() {
                        self.source.refuse(&token.at, Problem::UnexpectedClose);
                        continue;
                    }
                    if !token.starts_line && !directives.is_empty() {
                        self.source.refuse(&token.at, Problem::CloseBehindWords);
                    }
                    return directives;
                }
                Kind::Open => {
                    let expected = "the plugin or option it belongs to";
                    self.source.next();
                    self.source
                        .refuse(&token.at, Problem::UnexpectedOpen { expected });
                    // What is in it belongs to nothing, but is read, to find its end.
                    self.nested(&token.at, depth);
                }
                Kind::Word if token.text == "import" => self.source.import(),
                Kind::Word => {
                    self.source.next();
                    directives.push(self.directive(token, depth));
                }
            }
        }
        if let Some(opened) = opened {
            self.source.refuse(opened, Problem::UnclosedBlock);
        }
        directives
    }

    /// Takes the rest of a line that begins with `name`, and the block that opens on it.
    fn directive(&mut self, name: Token, depth: usize) -> Directive {
        let mut args = Vec::new();
        let mut block = Vec::new();
        while let Some(token) = self
            .source
            .next_if(|token| !token.starts_line && token.kind != Kind::Close)
        {
            if token.kind == Kind::Word {
                args.push(token);
                continue;
            }
            block = self.nested(&token.at, depth);
            let mut refused = false;
            while let Some(word) = self
                .source
                .next_if(|token| !token.starts_line && token.kind == Kind::Word)
            {
                if !refused {
                    self.source
                        .refuse(&word.at, Problem::WordBehindClose(word.text));
                }
                refused = true;
            }
            break;
        }
        Directive { name, args, block }
    }

    fn nested(&mut self, opened: &Position, depth: usize) -> Vec<Directive> {
        if depth >= MAX_DEPTH {
            self.source.stop(opened, Problem::TooDeep(MAX_DEPTH));
            return Vec::new();
        }
        self.directives(Some(opened), depth + 1)
    }
}

fn snippet_name(key: &str) -> Option<&str> {
    key.strip_prefix('(')?.strip_suffix(')')
}
