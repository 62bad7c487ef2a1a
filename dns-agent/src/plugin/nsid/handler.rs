//! `nsid`: whatever the rest of the chain answers, with the identifier in its OPT (RFC 5001 2.2).

use async_trait::async_trait;

use crate::serve::query::NSID;
use crate::serve::{Handler, Next, Query, Response};

/// Adds the identifier to responses.
pub struct Nsid {
    data: Vec<u8>,
}

impl Nsid {
    /// With this identifier.
    pub fn new(data: &str) -> Self {
        Self {
            data: data.as_bytes().to_vec(),
        }
    }
}

#[async_trait]
impl Handler for Nsid {
    fn name(&self) -> &'static str {
        "nsid"
    }

    fn wraps(&self) -> bool {
        true
    }

    async fn handle(&self, query: &Query, next: Next<'_>) -> Response {
        if !query.edns.is_some_and(|edns| edns.nsid) {
            return next.handle(query).await;
        }
        // Records make room for it, so that the whole stays within what the client takes.
        let reserving = query.reserving(4 + self.data.len());
        let response = next.handle(&reserving).await;
        response.with_option(query, NSID, &self.data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::sample::{
        Addresses, ask, counts, is_truncated, message, question, with_edns,
    };

    fn asking(payload: [u8; 2], name: &str) -> Vec<u8> {
        let opt = [&b"\0\0\x29"[..], &payload, b"\0\0\0\0\0\x04\0\x03\0\0"].concat();
        message(0, [1, 0, 0, 1], &[question(name, 1), opt].concat())
    }

    #[tokio::test]
    async fn who_asks_is_told_within_its_limit() {
        let nsid = || Nsid::new("node-1");
        let response = ask(nsid(), Addresses(2), asking([4, 208], "www.example")).await;
        assert!(response.ends_with(b"\0\0\x29\x04\xd0\0\0\0\0\0\x0a\0\x03\0\x06node-1"));
        assert_eq!(counts(&response), [1, 2, 0, 1]);
        // 12 + 17 of header and question, 21 of OPT and option: 28 records of 16 octets in 512.
        let full = ask(nsid(), Addresses(60), asking([2, 0], "www.example")).await;
        assert_eq!(counts(&full), [1, 28, 0, 1]);
        assert!(is_truncated(&full) && full.len() <= 512 && full.ends_with(b"node-1"));
        let silent = ask(nsid(), Addresses(2), with_edns("www.example", 1)).await;
        assert!(silent.ends_with(&[0, 0]) && counts(&silent) == [1, 2, 0, 1]);
    }
}
