//! A Corefile's text -> [`Token`]s, each with its file and line. The rules are those of the lexer
//! in coredns/caddy (`caddyfile/lexer.go`): words end at white space; `#` starts a comment, also
//! inside a word; a word that opens with `"` runs to the next `"`, over line ends too, and `\"` in
//! it is a quote; there is no line continuation. `{$NAME}` and `{%NAME%}` become the value of an
//! environment variable.
//!
//! One difference: a quoted brace is text here and a brace there.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::error::{Problem, Report};

/// A place in a Corefile or in a file it imports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The file, as it was named.
    pub file: Arc<Path>,
    /// The line, from 1.
    pub line: usize,
}

impl fmt::Display for Position {
    /// `Corefile:7`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// A word or a brace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// The text: quotes taken off, environment variables filled in.
    pub text: String,
    /// Where it starts.
    pub at: Position,
    pub(super) kind: Kind,
    /// Whether it is the first on its line. Kept with the token, because tokens of several files
    /// and snippets are strung together and their line numbers then mean nothing to one another.
    pub(super) starts_line: bool,
}

/// What a token is to the parser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `{`, standing alone.
    Open,
    /// `}`, standing alone.
    Close,
    /// Anything else.
    Word,
}

/// The value of an environment variable, where it is set.
pub(super) type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Splits `text` into tokens. A quote that is never closed is reported, and ends the tokens.
pub(super) fn tokens(
    text: &str,
    file: &Path,
    environment: Environment<'_>,
    report: &mut Report,
) -> Vec<Token> {
    let mut lexer = Lexer {
        file: file.into(),
        line: 1,
        starts_line: true,
        tokens: Vec::new(),
        environment,
        report,
    };
    lexer.run(text.strip_prefix('\u{feff}').unwrap_or(text));
    lexer.tokens
}

struct Lexer<'a> {
    file: Arc<Path>,
    line: usize,
    starts_line: bool,
    tokens: Vec<Token>,
    environment: Environment<'a>,
    report: &'a mut Report,
}

impl Lexer<'_> {
    fn run(&mut self, text: &str) {
        let mut characters = text.chars();
        let mut word = String::new();
        let mut comment = false;
        while let Some(character) = characters.next() {
            match character {
                // A word goes on behind it; a line end follows in every file that is not broken.
                '\r' => {}
                '\n' => {
                    self.word(&mut word);
                    self.line += 1;
                    self.starts_line = true;
                    comment = false;
                }
                _ if comment => {}
                '#' => comment = true,
                _ if character.is_whitespace() => self.word(&mut word),
                '"' if word.is_empty() => {
                    if !self.quoted(&mut characters) {
                        return;
                    }
                }
                _ => word.push(character),
            }
        }
        self.word(&mut word);
    }

    /// Takes what follows an opening quote; false where the text ends before the closing one.
    fn quoted(&mut self, characters: &mut std::str::Chars<'_>) -> bool {
        let opened = self.here();
        let mut text = String::new();
        let mut escaped = false;
        for character in characters {
            match character {
                '\n' => self.line += 1,
                '"' if !escaped => {
                    self.push(&text, Kind::Word, opened);
                    return true;
                }
                // Nothing but a quote can be escaped: the backslash of `\.` stays.
                '"' => {
                    text.pop();
                }
                _ => {}
            }
            escaped = character == '\\' && !escaped;
            text.push(character);
        }
        self.report.refuse(&opened, Problem::UnclosedQuote);
        false
    }

    fn word(&mut self, word: &mut String) {
        let kind = match word.as_str() {
            "" => return,
            "{" => Kind::Open,
            "}" => Kind::Close,
            _ => Kind::Word,
        };
        self.push(word, kind, self.here());
        word.clear();
    }

    fn push(&mut self, raw: &str, kind: Kind, at: Position) {
        let text = self.fill_in(raw, &at);
        self.tokens.push(Token {
            text,
            at,
            kind,
            starts_line: self.starts_line,
        });
        self.starts_line = false;
    }

    /// Environment variables filled in, left to right; a value is not looked through again, so that
    /// a variable that names itself cannot go round for ever.
    fn fill_in(&mut self, raw: &str, at: &Position) -> String {
        let mut text = String::with_capacity(raw.len());
        let mut rest = raw;
        while let Some(brace) = rest.find('{') {
            let (before, reference) = rest.split_at(brace);
            text.push_str(before);
            let name = [("{$", "}"), ("{%", "%}")]
                .into_iter()
                .find_map(|(open, close)| {
                    let (name, after) = reference.strip_prefix(open)?.split_once(close)?;
                    (!name.is_empty()).then_some((name, after))
                });
            if let Some((name, after)) = name {
                if let Some(value) = (self.environment)(name) {
                    text.push_str(&value);
                } else {
                    self.report.warn(
                        at,
                        format_args!("environment variable {name:?} is not set; read as empty"),
                    );
                }
                rest = after;
            } else {
                text.push('{');
                rest = &reference[1..];
            }
        }
        text.push_str(rest);
        text
    }

    fn here(&self) -> Position {
        Position {
            file: Arc::clone(&self.file),
            line: self.line,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text, line, and whether it starts the line.
    type Row = (&'static str, usize, bool);

    fn lex(text: &str) -> (Vec<(String, usize, bool)>, Report) {
        let mut report = Report::default();
        let environment = |name: &str| (name == "ZONE").then(|| "{$ZONE}.local".to_owned());
        let tokens = tokens(text, Path::new("Corefile"), &environment, &mut report)
            .into_iter()
            .map(|token| (token.text, token.at.line, token.starts_line))
            .collect();
        (tokens, report)
    }

    #[test]
    fn words_quotes_comments_and_variables_are_read_as_caddy_reads_them() {
        let rows: &[(&str, &[Row])] = &[
            ("", &[]),
            (
                "\u{feff}a b\r\nc\r\n",
                &[("a", 1, true), ("b", 1, false), ("c", 2, true)],
            ),
            ("# a\n b#c d\ne", &[("b", 2, true), ("e", 3, true)]),
            (
                "\"a b\" \"\" c",
                &[("a b", 1, true), ("", 1, false), ("c", 1, false)],
            ),
            (
                r#""a\"b\.c\\" d"e"#,
                &[(r#"a"b\.c\\"#, 1, true), ("d\"e", 1, false)],
            ),
            (
                "\"a\nb\" c\nd",
                &[("a\nb", 1, true), ("c", 2, false), ("d", 3, true)],
            ),
            (
                "x{$ZONE}y {%ZONE%}",
                &[("x{$ZONE}.localy", 1, true), ("{$ZONE}.local", 1, false)],
            ),
            (
                "{$} {%%} {$ZONE {",
                &[
                    ("{$}", 1, true),
                    ("{%%}", 1, false),
                    ("{$ZONE", 1, false),
                    ("{", 1, false),
                ],
            ),
            ("a\\\nb", &[("a\\", 1, true), ("b", 2, true)]),
        ];
        for (text, expected) in rows {
            let (tokens, report) = lex(text);
            let expected: Vec<_> = expected
                .iter()
                .map(|&(text, line, starts)| (text.to_owned(), line, starts))
                .collect();
            assert_eq!(tokens, expected, "{text:?}");
            assert!(report.faults.is_empty(), "{text:?}");
        }
    }

    #[test]
    fn braces_are_braces_only_when_they_stand_alone_and_unquoted() {
        let mut report = Report::default();
        let kinds: Vec<Kind> = tokens("{ } a{ \"{\"", Path::new("x"), &|_| None, &mut report)
            .iter()
            .map(|token| token.kind)
            .collect();
        assert_eq!(kinds, [Kind::Open, Kind::Close, Kind::Word, Kind::Word]);
    }

    #[test]
    fn an_unclosed_quote_is_named_by_the_line_that_opens_it() {
        let (_, report) = lex("a\n\"b\nc");
        assert_eq!(
            report.faults[0].to_string(),
            "Corefile:2: this quote is never closed; expected another '\"'"
        );
    }

    #[test]
    fn an_unset_variable_is_a_warning() {
        let (tokens, report) = lex("a{$NONE}b");
        assert_eq!(tokens[0].0, "ab");
        assert_eq!(
            report.sorted(Path::new("Corefile")).1,
            ["Corefile:1: environment variable \"NONE\" is not set; read as empty"]
        );
    }
}
