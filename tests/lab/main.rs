//! Queries from pods and from outside the node, through the real programs on real interfaces:
//! which are answered in the kernel and which by the agent, and that each answer is accepted.

mod client;
mod pods;
mod topology;
