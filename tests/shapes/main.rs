//! What Kubernetes' own end-to-end tests of DNS ask (test/e2e/network: `dns.go`, `dns_scale_records.go`, `dual_stack.go`),
//! without a cluster: the same questions from a pod, by `dig` and by the stub resolvers of glibc and musl, with the
//! resolv.conf that a kubelet writes; and of each, whether the kernel or the agent has answered.

mod config_map;
mod external_name;
mod host_network;
mod node;
mod probes;
mod scale;
mod search;
mod stub;
