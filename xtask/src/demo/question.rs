//! What the demo asks, and what it expects: one row for each kind of answer there is.
//!
//! The answers follow from the manifests in `docs/examples/shop` by the Kubernetes DNS specification.

use std::collections::BTreeSet;
use std::fmt;

use super::lab::{Place, SERVICE_V4, SERVICE_V6};
use super::wire::Type;

/// One row of the table.
pub(super) struct Question {
    pub(super) from: Place,
    pub(super) way: Way,
    expected: Answer,
    /// How many of the queries behind it the kernel answers.
    pub(super) by_kernel: u64,
}

/// How it is asked.
pub(super) enum Way {
    /// By glibc's stub resolver, with the pod's search list; `last`: the name that is found last,
    /// whose round trip is measured.
    Getent {
        name: &'static str,
        last: &'static str,
        queries: u64,
    },
    /// By dig: one query.
    Dig {
        name: String,
        rrtype: Type,
        server: &'static str,
        options: &'static [&'static str],
    },
}

/// A set of records in presentation format, or why there are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// As dig says it (`NOERROR`, `NXDOMAIN`).
    pub(crate) rcode: String,
    /// The RDATA of each record of the answer section.
    pub(crate) records: BTreeSet<String>,
}

impl Answer {
    /// At most as many records as fit a column.
    pub(super) fn shortened(&self) -> String {
        match self.records.len() {
            0 | 1 => self.to_string(),
            count => {
                let text = self.to_string();
                if text.len() <= 50 {
                    return text;
                }
                let first = self.records.first().map(String::as_str).unwrap_or_default();
                format!("{first} +{}", count - 1)
            }
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.records.is_empty() {
            return f.write_str(if self.rcode == "NOERROR" {
                "NODATA"
            } else {
                &self.rcode
            });
        }
        let records: Vec<&str> = self.records.iter().map(String::as_str).collect();
        f.write_str(&records.join(", "))
    }
}

impl Question {
    /// As a person would type it.
    pub(super) fn asked_as(&self) -> String {
        match &self.way {
            Way::Getent { name, .. } => format!("getent ahosts {name}"),
            Way::Dig {
                name,
                rrtype,
                server,
                options,
            } => {
                let mut words = vec!["dig".to_owned()];
                if *server != SERVICE_V4 {
                    words.push("-6".to_owned());
                }
                words.extend(options.iter().map(|&option| option.to_owned()));
                words.extend([name.clone(), rrtype.to_string()]);
                words.join(" ")
            }
        }
    }

    pub(super) fn expected_answer(&self) -> Answer {
        self.expected.clone()
    }
}

/// Every question, in the table's order.
pub(super) fn all() -> Vec<Question> {
    use Place::{Client, Pod1, Pod2};
    use Type::{A, Aaaa, Cname, Ptr, Srv};

    let sixty: Vec<String> = (1..=60).map(|host| format!("10.244.60.{host}")).collect();
    let sixty: Vec<&str> = sixty.iter().map(String::as_str).collect();
    let members = ["db-0", "db-1", "db-2"];
    let srv = members.map(|member| format!("0 33 5432 {member}.db.{SHOP}"));
    let srv: Vec<&str> = srv.iter().map(String::as_str).collect();
    vec![
        // A and AAAA of the first name of the search list.
        getent(
            Pod1,
            "frontend",
            "frontend.shop.svc.cluster.local.",
            &["10.96.14.21"],
            (2, 2),
        ),
        getent(
            Pod2,
            "cart",
            "cart.shop.svc.cluster.local.",
            &["10.96.33.7", "fd00:10:96::217"],
            (2, 2),
        ),
        // Three search domains answer NXDOMAIN in the kernel, twice each; then the upstream answers.
        getent(
            Pod1,
            "www.example.com",
            "www.example.com.",
            &["192.0.2.10", "2001:db8::10"],
            (8, 6),
        ),
        dig(Pod1, "frontend", A, &["10.96.14.21"]),
        dig(Pod1, "frontend", A, &["10.96.14.21"]).over_v6(),
        dig(Pod1, "frontend", Aaaa, &[]),
        dig(
            Pod2,
            "db",
            A,
            &["10.244.1.11", "10.244.2.11", "10.244.2.12"],
        ),
        dig(Pod2, "db-1.db", A, &["10.244.2.11"]),
        dig(Pod2, "_postgres._tcp.db", Srv, &srv),
        dig(Pod1, "no-such-service", A, &[]).nxdomain(),
        dig(Pod1, "payments", Cname, &["pay.example.com."]),
        dig(Pod1, "payments", A, &["192.0.2.80", "pay.example.com."]).by_agent(&[]),
        dig(Pod1, "search-workers", A, &sixty),
        dig(Pod1, "search-workers", A, &sixty).by_agent(&["+noedns"]),
        dig(Pod2, "frontend", A, &["10.96.14.21"]).by_agent(&["+tcp"]),
        dig(Pod2, "frontend", Ptr, &["frontend.shop.svc.cluster.local."])
            .named("21.14.96.10.in-addr.arpa."),
        // A rule and not a record: the kernel passes it.
        dig(Pod2, "pod", A, &["10.244.1.2"])
            .named("10-244-1-2.shop.pod.cluster.local.")
            .by_agent(&[]),
        dig(Client, "frontend", A, &["10.96.14.21"]),
        dig(Client, "cart", Aaaa, &["fd00:10:96::217"]),
        dig(Client, "no-such-service", A, &[]).nxdomain(),
    ]
}

const SHOP: &str = "shop.svc.cluster.local.";

fn answer(rcode: &str, records: &[&str]) -> Answer {
    let records = records.iter().map(|&record| record.to_owned()).collect();
    Answer {
        rcode: rcode.to_owned(),
        records,
    }
}

/// `count`: queries sent, and how many of them the kernel answers.
fn getent(
    from: Place,
    name: &'static str,
    last: &'static str,
    records: &[&str],
    count: (u64, u64),
) -> Question {
    let way = Way::Getent {
        name,
        last,
        queries: count.0,
    };
    Question {
        from,
        way,
        expected: answer("NOERROR", records),
        by_kernel: count.1,
    }
}

/// A name in the shop's namespace, asked for over IPv4, UDP, EDNS; by default the kernel answers.
fn dig(from: Place, name: &str, rrtype: Type, records: &[&str]) -> Question {
    let name = format!("{name}.{SHOP}");
    let way = Way::Dig {
        name,
        rrtype,
        server: SERVICE_V4,
        options: &[],
    };
    Question {
        from,
        way,
        expected: answer("NOERROR", records),
        by_kernel: 1,
    }
}

impl Question {
    fn over_v6(mut self) -> Self {
        if let Way::Dig { server, .. } = &mut self.way {
            *server = SERVICE_V6;
        }
        self
    }

    fn named(mut self, full: &str) -> Self {
        if let Way::Dig { name, .. } = &mut self.way {
            full.clone_into(name);
        }
        self
    }

    fn nxdomain(mut self) -> Self {
        self.expected = answer("NXDOMAIN", &[]);
        self
    }

    fn by_agent(mut self, with: &'static [&'static str]) -> Self {
        if let Way::Dig { options, .. } = &mut self.way {
            *options = with;
        }
        self.by_kernel = 0;
        self
    }
}
