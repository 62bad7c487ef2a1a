//! What kernel and agent must agree on: the responder and the layout of every map.
//!
//! ```text
//! net::parse     frame            -> Layout      is this a datagram we look at, and for whom
//! query::parse   message          -> Query       name, type, EDNS (RFC 1035 4.1, RFC 6891)
//! respond        Query, Store     -> Reply       find the name, choose or deny (RFC 2308)
//! net::reply     Layout, Reply    -> frame       headers turned round, lengths, checksums
//! ```
//!
//! The kernel programs (`main.rs`) and the agent's UDP path call the same functions on the same
//! [`Scratch`](scratch::Scratch), so that both give the same octets. Nothing here allocates, nothing
//! guesses: what is not certain is a pass with an [`Outcome`](outcome::Outcome).
#![no_std]
#![expect(
    clippy::cast_possible_truncation,
    reason = "fields of packets and maps are cut out of words, lengths are bounded where they are made"
)]
#![cfg_attr(
    target_arch = "bpf",
    expect(unstable_features, reason = "asm_experimental_arch: see `bound::mask`"),
    feature(asm_experimental_arch)
)]

pub mod answered;
pub mod arena;
pub mod bound;
pub mod checksum;
pub mod destination;
pub mod fold;
pub mod log;
pub mod negative;
pub mod net;
pub mod octets;
pub mod order;
pub mod outcome;
pub mod query;
pub mod respond;
pub mod scratch;
pub mod settings;
pub mod shortcut;
pub mod zone;
