//! `kubernetes` in the agent's chain: the responder on what is held, then the authority on the objects.

use std::cell::RefCell;
use std::sync::Arc;

use async_trait::async_trait;
use dns_ebpf::query;
use dns_ebpf::respond::respond;
use dns_ebpf::scratch::{QUERY_MAX, Scratch};
use parking_lot::RwLock;
use rand::seq::SliceRandom as _;
use tokio::time::timeout_at;

use super::alias;
use super::authority::{Said, say};
use crate::answer::message::{Sections, encode};
use crate::cluster::Cluster;
use crate::cluster::instance::Instance;
use crate::map::held::Held;
use crate::record::Rdata;
use crate::serve::chain::{Handler, Next};
use crate::serve::fit::fit;
use crate::serve::query::{Query, Transport};
use crate::serve::response::Response;

/// RD of a header's flags.
const RD: u16 = 0x0100;
/// CD of a header's flags.
const CD: u16 = 0x0010;

/// The `kubernetes` plugin of a server block.
pub struct Kubernetes {
    cluster: Arc<RwLock<Cluster>>,
    instance: Arc<Instance>,
    /// Whether what is held is this port's: the programs answer for one.
    is_held: bool,
}

impl Kubernetes {
    /// For `instance`; `is_held`: its names are those that [`Cluster`] holds.
    pub fn new(cluster: Arc<RwLock<Cluster>>, instance: Arc<Instance>, is_held: bool) -> Self {
        Self {
            cluster,
            instance,
            is_held,
        }
    }
}

impl Kubernetes {
    fn say(&self, query: &Query, cluster: &Cluster) -> Said {
        let question = &query.question;
        say(&self.instance, cluster, &question.name, question.qtype)
    }
}

/// `startup_timeout`: whether the objects were listed within it, counted from the start.
pub async fn wait_for_list(cluster: &RwLock<Cluster>, instance: &Instance) -> bool {
    let (mut listing, started) = cluster.read().listing();
    let deadline = started + instance.view.options().startup_timeout;
    let listed = listing.wait_for(|is_listed| *is_listed);
    matches!(timeout_at(deadline.into(), listed).await, Ok(Ok(_)))
}

thread_local! {
    /// 3 KiB that would otherwise be cleared for each query.
    static SCRATCH: RefCell<Box<Scratch>> = RefCell::new(Box::new(Scratch::ZERO));
}

#[async_trait]
impl Handler for Kubernetes {
    fn name(&self) -> &'static str {
        "kubernetes"
    }

    async fn handle(&self, query: &Query, next: Next<'_>) -> Response {
        // The lock is not held across an await.
        let mut said = {
            let cluster = self.cluster.read();
            if self.is_held && query.depth == 0 && query.transport == Transport::Udp {
                let message = SCRATCH.with_borrow_mut(|scratch| {
                    respond_from(scratch, query.octets(), cluster.held())
                });
                if let Some(message) = message {
                    return Response::new(message);
                }
            }
            self.say(query, &cluster)
        };
        if said == Said::Unlisted && wait_for_list(&self.cluster, &self.instance).await {
            said = self.say(query, &self.cluster.read());
        }
        carry_out(said, query, next, self.instance.shuffle).await
    }
}

/// The response that `said` comes to; `shuffle`: addresses in a new order.
pub async fn carry_out(said: Said, query: &Query, next: Next<'_>, shuffle: bool) -> Response {
    match said {
        Said::Response {
            rcode,
            mut sections,
        } => {
            if shuffle {
                self::shuffle(&mut sections);
            }
            complete(query, rcode, &sections)
        }
        Said::Alias { ttl, target } => alias::follow(query, next, ttl, &target).await,
        Said::Next => next.handle(query).await,
        Said::Unlisted => {
            Response::servfail(query, "the cluster's objects have not all been listed yet")
        }
    }
}

/// The responder's answer to a message over UDP: the octets that the programs would have sent. `None`: it passes.
pub fn respond_from(scratch: &mut Scratch, message: &[u8], held: &Held) -> Option<Vec<u8>> {
    if message.len() > QUERY_MAX {
        return None;
    }
    let query = query::parse(&message, message.len(), scratch, held.seed()).ok()?;
    let reply = respond(scratch, &query, held).ok()?;
    let mut response = Vec::with_capacity(reply.len());
    response.extend_from_slice(message.get(..reply.front_len)?);
    response.resize(reply.len(), 0);
    // SAFETY: nobody else has the scratch, and the lock on the cluster keeps the arena unchanged.
    unsafe { reply.write(&mut response.as_mut_slice()) }?;
    Some(response)
}

/// A response of `sections`, fitted to the client.
pub(super) fn complete(query: &Query, rcode: u8, sections: &Sections) -> Response {
    let question = &query.question;
    let message = encode(&question.name, question.qtype, rcode, sections);
    fit_ours(query, message)
}

/// Copies RD and CD, and fits the message to the client.
pub(super) fn fit_ours(query: &Query, mut message: Vec<u8>) -> Response {
    let [high, low] = (query.header.flags & (RD | CD)).to_be_bytes();
    message[2] |= high;
    message[3] |= low;
    match fit(query, &message) {
        Some(message) => Response::new(message),
        None => Response::servfail(query, "the response could not be made to fit"),
    }
}

/// Addresses in a new order (`loadbalance`), in the answer and in the additional section.
fn shuffle(sections: &mut Sections) {
    let is_address = |rdata: &Rdata| matches!(rdata, Rdata::A(_) | Rdata::Aaaa(_));
    for section in [&mut sections.answer, &mut sections.additional] {
        if section.iter().all(|(_, _, rdata)| is_address(rdata)) {
            section.shuffle(&mut rand::rng());
            // RRsets stay in one piece, or `fit` would drop all of those that it cannot keep whole.
            section.sort_by(|(one, _, a), (other, _, b)| (one, a.rtype()).cmp(&(other, b.rtype())));
        }
    }
}
