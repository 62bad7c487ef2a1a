//! Records to octets: resource records in wire form ([`wire`]), the record that is held for a name
//! ([`held`]) and whole messages for what is not held ([`message`]).

pub mod held;
pub mod message;
pub mod wire;
