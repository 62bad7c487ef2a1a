//! Records to octets: resource records in wire form ([`wire`]), the record that is held for a name
//! ([`held`]) and whole messages for what is not held ([`message`]).
#![expect(
    clippy::cast_possible_truncation,
    reason = "lengths are checked against what a label, a record or a message holds before they are cut"
)]

pub mod held;
pub mod message;
pub mod wire;
