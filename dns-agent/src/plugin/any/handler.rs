//! `any`: ANY to a HINFO record (RFC 8482 4.2), with CoreDNS's text and TTL.

use async_trait::async_trait;

use crate::serve::{Handler, Next, Query, Response};

/// QTYPE ANY.
const ANY: u16 = 255;
/// HINFO (RFC 1035 3.3.2).
const HINFO: u16 = 13;
/// Seconds.
const TTL: u32 = 8482;
/// CPU and OS, a character-string each.
const RDATA: &[u8] = b"\x0dANY obsoleted\x0cSee RFC 8482";

/// Answers what asks for everything.
pub struct Any;

#[async_trait]
impl Handler for Any {
    fn name(&self) -> &'static str {
        "any"
    }

    async fn handle(&self, query: &Query, next: Next<'_>) -> Response {
        if query.question.qtype == ANY {
            return Response::of_records(query, HINFO, TTL, &[RDATA.to_vec()]);
        }
        next.handle(query).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::sample::{Addresses, ask, counts, message, question, with_edns};

    #[tokio::test]
    async fn any_is_answered_with_one_record_that_says_nothing() {
        let asked = question("Web.example", 255);
        let response = ask(Any, Addresses(3), message(0x0110, [1, 0, 0, 0], &asked)).await;
        let record = b"\xc0\x0c\0\x0d\0\x01\0\0\x21\x22\0\x1b\x0dANY obsoleted\x0cSee RFC 8482";
        let expected = message(0x8110, [1, 1, 0, 0], &[&asked, &record[..]].concat());
        assert_eq!(response, expected);
        let edns = ask(Any, Addresses(3), with_edns("web.example", 255)).await;
        assert_eq!(counts(&edns), [1, 1, 0, 1]);
        let other = ask(Any, Addresses(3), with_edns("web.example", 1)).await;
        assert_eq!(counts(&other), [1, 3, 0, 1]);
    }
}
