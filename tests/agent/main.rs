//! The agent as a process: what happens to queries when it dies, stops, is stopped, is told something
//! new or something broken, and what it says when it cannot do what it is asked.

mod abuse;
mod ending;
mod faults;
mod metrics;
mod modes;
mod reload;
mod stale;
mod transfer;
