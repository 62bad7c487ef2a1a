//! Conformance, a module per document: each row of a table quotes a rule and has a question with its whole answer.
//!
//! Every row is asked of a running `kerndns` three ways: through a pod's veth, where the kernel answers what it
//! can, and of an agent's own UDP and TCP sockets. To add a case, add a row to the module of its document.

mod cluster;
mod kubernetes_dns;
mod rfc1035;
mod rfc2308;
mod rfc2782;
mod rfc4343;
mod rfc5001;
mod rfc5936;
mod rfc6604;
mod rfc6891;
mod rfc7766;
mod rfc8020;
