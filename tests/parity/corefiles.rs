//! Corefiles for both servers: the same but for where they listen and how CoreDNS finds the API server.

use std::path::Path;

/// A Corefile with what `PORT`, `CONNECTION` and `UPSTREAM` in it stand for still open.
#[derive(Debug)]
pub(crate) struct Corefile {
    /// For reports.
    pub(crate) name: &'static str,
    /// The cluster domain, with its dot.
    pub(crate) zone: &'static str,
    /// The TTL of the records, seconds.
    pub(crate) ttl: u32,
    /// Its reverse zones.
    pub(crate) reverse: &'static [&'static str],
    /// Whether the order of addresses is drawn.
    pub(crate) shuffles: bool,
    /// Whether slices give names: else a sentinel has none.
    pub(crate) endpoints: bool,
    text: &'static str,
}

const CLUSTER: Corefile = Corefile {
    name: "",
    zone: "cluster.local.",
    ttl: 5,
    reverse: &["in-addr.arpa.", "ip6.arpa."],
    shuffles: false,
    endpoints: true,
    text: "",
};

/// Every one that is tried.
pub(crate) const COREFILES: [Corefile; 10] = [
    Corefile {
        name: "kubeadm",
        shuffles: true,
        ttl: 30,
        text: ".:PORT {
            kubernetes cluster.local in-addr.arpa ip6.arpa {
                CONNECTION
                pods insecure
                fallthrough in-addr.arpa ip6.arpa
                ttl 30
            }
            forward . UPSTREAM
            loadbalance
        }",
        ..CLUSTER
    },
    Corefile {
        name: "defaults",
        text: ".:PORT {
            kubernetes cluster.local in-addr.arpa ip6.arpa {
                CONNECTION
            }
            forward . UPSTREAM
        }",
        ..CLUSTER
    },
    Corefile {
        name: "pod-names",
        shuffles: true,
        ttl: 0,
        text: ".:PORT {
            kubernetes cluster.local in-addr.arpa ip6.arpa {
                CONNECTION
                endpoint_pod_names
                ttl 0
            }
            forward . UPSTREAM
            loadbalance
        }",
        ..CLUSTER
    },
    Corefile {
        name: "ignore-empty",
        ttl: 3600,
        text: ".:PORT {
            kubernetes cluster.local in-addr.arpa ip6.arpa {
                CONNECTION
                pods insecure
                ignore empty_service
                fallthrough in-addr.arpa
                ttl 3600
            }
            forward . UPSTREAM
        }",
        ..CLUSTER
    },
    Corefile {
        name: "fallthrough",
        ttl: 30,
        text: ".:PORT {
            kubernetes cluster.local in-addr.arpa ip6.arpa {
                CONNECTION
                pods insecure
                fallthrough
                ttl 30
            }
            forward . UPSTREAM
        }",
        ..CLUSTER
    },
    Corefile {
        name: "namespaces",
        text: ".:PORT {
            kubernetes cluster.local in-addr.arpa ip6.arpa {
                CONNECTION
                pods insecure
                namespaces prod svc missing sentinels
            }
        }",
        ..CLUSTER
    },
    Corefile {
        name: "no-endpoints",
        endpoints: false,
        text: ".:PORT {
            kubernetes cluster.local in-addr.arpa ip6.arpa {
                CONNECTION
                noendpoints
                fallthrough ip6.arpa
            }
            forward . UPSTREAM
        }",
        ..CLUSTER
    },
    Corefile {
        name: "prefix",
        reverse: &["96.10.in-addr.arpa.", "244.10.in-addr.arpa."],
        ttl: 30,
        text: ".:PORT {
            kubernetes cluster.local 10.96.0.0/16 10.244.0.0/16 {
                CONNECTION
                pods insecure
                ttl 30
            }
            forward . UPSTREAM
        }",
        ..CLUSTER
    },
    Corefile {
        name: "two-zones",
        zone: "k8s.example.",
        reverse: &["in-addr.arpa."],
        shuffles: true,
        text: ".:PORT {
            kubernetes k8s.example cluster.local in-addr.arpa {
                CONNECTION
                pods insecure
            }
            forward . UPSTREAM
            loadbalance
        }",
        ..CLUSTER
    },
    Corefile {
        name: "two-blocks",
        reverse: &[],
        ttl: 30,
        text: "cluster.local:PORT {
            kubernetes {
                CONNECTION
                pods insecure
                fallthrough dev.svc.cluster.local pod.cluster.local
                ttl 30
            }
            forward . UPSTREAM {
                except prod.svc.cluster.local
            }
        }
        .:PORT {
            forward . UPSTREAM
        }",
        ..CLUSTER
    },
];

impl Corefile {
    /// For KernDNS, which has its port and its API server from the command line.
    pub(crate) fn for_kerndns(&self, upstream: &str) -> String {
        self.fill("53", "", upstream)
    }

    /// For CoreDNS.
    pub(crate) fn for_coredns(&self, port: u16, kubeconfig: &Path, upstream: &str) -> String {
        let connection = format!("kubeconfig {} test", kubeconfig.display());
        self.fill(&port.to_string(), &connection, upstream)
    }

    fn fill(&self, port: &str, connection: &str, upstream: &str) -> String {
        self.text
            .replace("PORT", port)
            .replace("CONNECTION", connection)
            .replace("UPSTREAM", upstream)
    }
}
