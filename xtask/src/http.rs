//! As much of HTTP (RFC 1945) as the project's verbs need: one request over a stream, the body of a 2xx.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, bail};

/// What is sent.
pub(crate) struct Request<'a> {
    /// `GET`, `POST`, ...
    pub(crate) method: &'a str,
    /// With its query.
    pub(crate) path: &'a str,
    /// The type of `body`.
    pub(crate) content_type: &'a str,
    /// Empty for a `GET`.
    pub(crate) body: &'a str,
}

impl<'a> Request<'a> {
    /// A `GET`.
    pub(crate) fn get(path: &'a str) -> Self {
        Self {
            method: "GET",
            path,
            content_type: "text/plain",
            body: "",
        }
    }

    /// Sends it; an error carries what the server said instead of a 2xx.
    pub(crate) fn send(&self, mut stream: TcpStream, limit: Duration) -> anyhow::Result<String> {
        let Self {
            method,
            path,
            content_type,
            body,
        } = self;
        stream.set_read_timeout(Some(limit))?;
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Type: {content_type}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut response = String::new();
        stream.read_to_string(&mut response)?;
        let (head, body) = response
            .split_once("\r\n\r\n")
            .context("an HTTP response without a body")?;
        let status = head.lines().next().unwrap_or_default();
        if !status
            .split(' ')
            .nth(1)
            .is_some_and(|code| code.starts_with('2'))
        {
            bail!("{method} {path}: {status}: {body}");
        }
        Ok(body.to_owned())
    }
}
