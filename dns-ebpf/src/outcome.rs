//! Outcomes: one number per cause, the index of a counter and a metric's label. Numbers are never
//! given to another cause.

macro_rules! outcomes {
    ($($(#[doc = $doc:literal])+ $name:ident = $number:literal $label:literal,)+) => {
        /// Why a datagram was answered or passed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u32)]
        pub enum Outcome {
            $($(#[doc = $doc])+ $name = $number,)+
        }

        impl Outcome {
            /// Every outcome.
            pub const ALL: &[Outcome] = &[$(Outcome::$name),+];

            /// The metric's label.
            pub fn label(self) -> &'static str {
                match self { $(Outcome::$name => $label,)+ }
            }
        }
    };
}

outcomes! {
    /// Answered with records.
    Answer = 0 "answer",
    /// Answered: the name exists, the type does not (RFC 2308 2.2).
    NoData = 1 "nodata",
    /// Answered: the name does not exist (RFC 2308 2.1).
    NxDomain = 2 "nxdomain",
    /// Passed: not IPv4 or IPv6 with UDP right behind it.
    NotUdp = 3 "not_udp",
    /// Passed: an IP header that is cut, has options or a wrong checksum.
    IpHeader = 4 "ip_header",
    /// Passed: a fragment.
    Fragment = 5 "fragment",
    /// Passed: an skb with a VLAN tag, or more than one tag in the frame.
    Vlan = 6 "vlan",
    /// Passed: an skb that stands for several packets (`gso_size`).
    Gso = 7 "gso",
    /// Passed: the UDP length is not the one IP gives, or port 0.
    UdpHeader = 8 "udp_header",
    /// Passed: an address and port that we do not answer for.
    OtherDestination = 9 "other_destination",
    /// Passed: the agent has not moved the deadline on; it is dead or stopped.
    Stale = 10 "stale",
    /// Passed: shorter than a question or longer than 512 octets.
    MessageSize = 11 "message_size",
    /// Passed: QR is set.
    Response = 12 "response",
    /// Passed: an opcode other than QUERY.
    Opcode = 13 "opcode",
    /// Passed: not one question alone, with at most one additional record.
    Counts = 14 "counts",
    /// Passed: a QNAME that does not end, or ends past 255 octets.
    Qname = 15 "qname",
    /// Passed: a class other than IN.
    Class = 16 "class",
    /// Passed: a meta type (RFC 6895 3.1), such as AXFR and ANY.
    MetaType = 17 "meta_type",
    /// Passed: an additional record that is not a well-formed OPT, or octets after the message.
    Additional = 18 "additional",
    /// Passed: an EDNS version other than 0.
    EdnsVersion = 19 "edns_version",
    /// Passed: the record found is another name's: its place in NAMES was just reused, or two
    /// names share a key.
    OtherName = 20 "other_name",
    /// Passed: the name is an alias, and following it is the agent's.
    Alias = 21 "alias",
    /// Passed: the answer is longer than the client or the kernel takes.
    TooLarge = 22 "too_large",
    /// Passed: under no zone that is listed.
    OutOfZone = 23 "out_of_zone",
    /// Passed: the nearest zone belongs to a server block that the kernel does not answer for.
    OtherServer = 24 "other_server",
    /// Passed: not held, and the zone falls through.
    Fallthrough = 25 "fallthrough",
    /// Passed: a pod name, which is not held.
    PodName = 26 "pod_name",
    /// Passed: a denial in a zone that is not whole.
    Incomplete = 27 "incomplete",
    /// Passed: a denial while names were being changed.
    Updating = 28 "updating",
    /// Passed: more labels than are walked, or none that starts where the zone does.
    Labels = 29 "labels",
    /// Passed: the frame could not be made long enough.
    NoRoom = 30 "no_room",
    /// Passed: a helper or a map lookup failed that should not.
    Internal = 31 "internal",
    /// Passed: asks who the server is (RFC 5001), and the Corefile has `nsid`.
    Nsid = 32 "nsid",
    /// Passed: not held, and perhaps the first name of a client's search path.
    Autopath = 33 "autopath",
    /// Passed: as many labels as a zone-scoped name (`zonal`), which a rule makes.
    ZonalName = 34 "zonal_name",
}

/// Counters per hook: room for outcomes to come.
pub const OUTCOMES: usize = 64;

/// Where a program is attached: OUTCOMES is indexed by `hook * 64 + outcome`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Hook {
    /// A NIC.
    Xdp = 0,
    /// A pod's host-side veth.
    Tc = 1,
}

impl Hook {
    /// Every hook.
    pub const ALL: [Hook; 2] = [Hook::Xdp, Hook::Tc];

    /// The metric's label.
    pub fn label(self) -> &'static str {
        match self {
            Hook::Xdp => "xdp",
            Hook::Tc => "tc",
        }
    }
}

impl Outcome {
    /// The index in OUTCOMES.
    #[inline(always)]
    pub fn index(self, hook: Hook) -> u32 {
        hook as u32 * OUTCOMES as u32 + self as u32
    }

    /// Whether the datagram was answered.
    pub fn is_answer(self) -> bool {
        matches!(self, Outcome::Answer | Outcome::NoData | Outcome::NxDomain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_distinct_and_fit() {
        for (i, outcome) in Outcome::ALL.iter().enumerate() {
            assert_eq!(*outcome as usize, i);
        }
        assert!(Outcome::ALL.len() <= OUTCOMES);
    }
}
