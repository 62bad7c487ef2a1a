//! `errors`: failed queries as log lines, at most [`LINES_PER_SECOND`] of them.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use parking_lot::Mutex;

use crate::serve::{Handler, Next, Query, Response};

/// A dead upstream fails every query; the log is to be read by a person.
const LINES_PER_SECOND: u32 = 10;

/// Logs what the rest of the chain could not answer, and why.
#[derive(Default)]
pub struct Errors {
    pace: Mutex<Pace>,
}

#[async_trait]
impl Handler for Errors {
    fn name(&self) -> &'static str {
        "errors"
    }

    fn wraps(&self) -> bool {
        true
    }

    async fn handle(&self, query: &Query, next: Next<'_>) -> Response {
        let response = next.handle(query).await;
        if let Some(failure) = response.failure() {
            let verdict = self.pace.lock().judge(Instant::now());
            if let Some(suppressed) = verdict {
                let (client, question) = (query.client, &query.question);
                tracing::error!(
                    %client,
                    name = %question.name,
                    qtype = question.qtype,
                    suppressed,
                    "query failed: {failure}"
                );
            }
        }
        response
    }
}

/// How many lines were written in the second that began at `since`.
#[derive(Default)]
struct Pace {
    since: Option<Instant>,
    lines: u32,
    suppressed: u64,
}

impl Pace {
    /// Whether a line may be written at `now`; if so, how many were not since the last one.
    fn judge(&mut self, now: Instant) -> Option<u64> {
        let fresh = self
            .since
            .is_none_or(|since| now.saturating_duration_since(since) >= Duration::from_secs(1));
        if fresh {
            self.since = Some(now);
            self.lines = 0;
        }
        if self.lines == LINES_PER_SECOND {
            self.suppressed += 1;
            return None;
        }
        self.lines += 1;
        Some(std::mem::take(&mut self.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_lines_a_second_are_written_and_the_others_counted() {
        let mut pace = Pace::default();
        let start = Instant::now();
        let written = (0..100).filter_map(|_| pace.judge(start)).count();
        assert_eq!(written, 10);
        assert_eq!(pace.judge(start + Duration::from_millis(999)), None);
        assert_eq!(pace.judge(start + Duration::from_secs(1)), Some(91));
        assert_eq!(pace.judge(start + Duration::from_secs(1)), Some(0));
    }
}
