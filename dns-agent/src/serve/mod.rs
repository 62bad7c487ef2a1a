//! The miss path: from a datagram or a stream to a response, `listener -> plugin chain -> upstream`.
//!
//! [`listener`] binds, `udp` and `tcp` receive octets, [`query`] judges them, [`chain`] finds the
//! server block and runs its plugins, [`mod@fit`] and [`response`] make what goes back. [`admin`] tells how
//! it goes.

pub mod admin;
pub mod chain;
pub mod fit;
pub mod identity;
pub mod listener;
pub mod query;
pub mod ready;
mod records;
pub mod response;
#[cfg(test)]
pub(crate) mod sample;
mod tcp;
mod udp;

pub use admin::{Admin, AdminError, Endpoint, Readiness, Status, Wanted};
pub use chain::{Chain, Current, Handler, Next, Servers};
pub use fit::fit;
pub use listener::{ListenError, Listener, Serving};
pub use query::{Edns, Header, Parsed, Query, Question, Transport};
pub use response::Response;
