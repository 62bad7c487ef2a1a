//! `chaos`: TXT of class CH at the names that BIND has for them (RFC 4892), TTL 0. Any other question of that class
//! goes on, and is refused at the end.

use async_trait::async_trait;
use rand::seq::SliceRandom as _;

use super::Options;
use crate::serve::{Handler, Next, Query, Question, Response, identity};

/// QTYPE TXT.
const TXT: u16 = 16;
/// CLASS CH (RFC 1035 3.2.4).
const CH: u16 = 3;

/// Answers who and what the server is.
pub struct Chaos {
    options: Options,
}

impl Chaos {
    /// With the options of the line.
    pub fn new(options: Options) -> Self {
        Self { options }
    }

    /// The texts at a name, as it is written with a dot at its end; `None`: not one of ours.
    fn texts(&self, name: &str) -> Option<Vec<String>> {
        match name {
            "version.bind." | "version.server." => Some(vec![self.options.version.clone()]),
            "hostname.bind." | "id.server." => Some(vec![identity::host_name()]),
            "authors.bind." => {
                let mut authors: Vec<String> = self.options.authors.iter().cloned().collect();
                // As CoreDNS: nobody comes first.
                authors.shuffle(&mut rand::rng());
                Some(authors)
            }
            _ => None,
        }
    }
}

#[async_trait]
impl Handler for Chaos {
    fn name(&self) -> &'static str {
        "chaos"
    }

    fn takes(&self, question: &Question) -> bool {
        (question.qclass, question.qtype) == (CH, TXT)
    }

    async fn handle(&self, query: &Query, next: Next<'_>) -> Response {
        let Some(texts) = self.texts(&query.question.name.to_string()) else {
            return next.handle(query).await;
        };
        let rdata = |text: &String| {
            let octets = text.as_bytes();
            let length = u8::try_from(octets.len()).unwrap_or(u8::MAX);
            [&[length], &octets[..usize::from(length)]].concat()
        };
        let rdata: Vec<Vec<u8>> = texts.iter().map(rdata).collect();
        Response::of_records(query, TXT, 0, &rdata)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::sample::{Addresses, ask, counts, message, question};

    async fn asked(name: &str, qtype: u16, class: u8) -> Vec<u8> {
        let chaos = Chaos::new(Options {
            version: "V-1".into(),
            authors: ["a@b".to_owned(), "c@d".to_owned()].into(),
        });
        let mut body = question(name, qtype);
        *body.last_mut().unwrap() = class;
        ask(chaos, Addresses(1), message(0, [1, 0, 0, 0], &body)).await
    }

    #[tokio::test]
    async fn the_five_names_are_answered_and_nothing_else() {
        let version = asked("Version.BIND", 16, 3).await;
        assert!(version.ends_with(b"\xc0\x0c\0\x10\0\x03\0\0\0\0\0\x04\x03V-1"));
        assert_eq!(asked("version.server", 16, 3).await[44..], version[42..]);
        assert_eq!(counts(&asked("authors.bind", 16, 3).await), [1, 2, 0, 0]);
        for name in ["hostname.bind", "id.server"] {
            let host = asked(name, 16, 3).await;
            assert!(host.ends_with(identity::host_name().as_bytes()), "{name}");
        }
        for (name, qtype, class) in [
            ("version.example", 16, 3),
            ("version.bind", 1, 3),
            ("version.bind", 16, 4),
            ("version.bind", 16, 255),
        ] {
            let refused = asked(name, qtype, class).await;
            assert_eq!(
                (refused[3] & 15, counts(&refused)),
                (5, [1, 0, 0, 0]),
                "{name}"
            );
        }
        let internet = asked("version.bind", 16, 1).await;
        assert_eq!(
            counts(&internet),
            [1, 1, 0, 0],
            "class IN is the next plugin's"
        );
    }
}
