//! DNS records as values: what the schema makes of Kubernetes objects and the compiler encodes.

pub mod alias;
mod answer_set;
pub mod endpoint_name;
mod external;
mod image;
pub mod name;
mod owner;
pub mod pod;
pub mod reverse;
pub mod schema;
mod service;
mod touched;
pub mod zonal;

#[cfg(test)]
mod incremental;
#[cfg(test)]
mod schema_options;
#[cfg(test)]
mod schema_scopes;
#[cfg(test)]
mod schema_table;
#[cfg(test)]
mod testing;

use std::net::{Ipv4Addr, Ipv6Addr};

pub use name::Name;

/// One record's data, by type.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rdata {
    /// A (RFC 1035 3.4.1).
    A(Ipv4Addr),
    /// AAAA (RFC 3596).
    Aaaa(Ipv6Addr),
    /// CNAME (RFC 1035 3.3.1).
    Cname(Name),
    /// NS (RFC 1035 3.3.11).
    Ns(Name),
    /// PTR (RFC 1035 3.3.12).
    Ptr(Name),
    /// SRV (RFC 2782).
    Srv {
        /// Share of the traffic among equals.
        weight: u16,
        /// The port, host order; the priority is always 0.
        port: u16,
        /// The host that offers it.
        target: Name,
    },
    /// TXT: one character-string of at most 255 octets.
    Txt(Box<[u8]>),
}

impl Rdata {
    /// The RR type number.
    pub fn rtype(&self) -> u16 {
        match self {
            Rdata::A(_) => 1,
            Rdata::Ns(_) => 2,
            Rdata::Cname(_) => 5,
            Rdata::Ptr(_) => 12,
            Rdata::Txt(_) => 16,
            Rdata::Aaaa(_) => 28,
            Rdata::Srv { .. } => 33,
        }
    }
}

/// All records of one owner and type, with what the answer brings along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RRset {
    /// Seconds, for the additional records too.
    pub ttl: u32,
    /// At least one, all of one type.
    pub rdata: Vec<Rdata>,
    /// A and AAAA of SRV targets, or glue of NS: owner and address.
    pub additional: Vec<(Name, Rdata)>,
}

impl RRset {
    /// The RR type number.
    pub fn rtype(&self) -> u16 {
        self.rdata.first().map_or(0, Rdata::rtype)
    }
}

/// What a name that exists has. No RRsets at all: an empty non-terminal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    /// At most one per type.
    pub rrsets: Vec<RRset>,
}
