//! NOTIFY (RFC 1996): the secondaries of `to` are told when a zone has a new serial.
//!
//! At most once in [`PACE`] for each zone and secondary, however much changes; asked again until there is a response,
//! with ever longer pauses; and given up where the serial has moved on meanwhile.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{To, line_for};
use crate::cluster::Cluster;
use crate::corefile::Config;
use crate::record::Name;

/// The least time between two notifications of one secondary.
const PACE: Duration = Duration::from_secs(5);
/// How often the serial is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long the first attempt waits for a response; each further one twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// Attempts in all, half a minute (RFC 1996 3.6).
const ATTEMPTS: u32 = 5;

/// Tells secondaries of changes until it is dropped.
#[derive(Debug, Default)]
pub struct Notifier {
    _tasks: JoinSet<()>,
}

/// One zone of one secondary.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Target {
    zone: Name,
    secondary: SocketAddr,
    source: Option<IpAddr>,
}

/// Why a secondary does not know of a change.
#[derive(Debug, thiserror::Error)]
enum NotifyError {
    #[error("cannot send from {source_address}: {source}")]
    Send {
        source_address: IpAddr,
        source: std::io::Error,
    },
    #[error("it answered with RCODE {0}; it has to allow NOTIFY from this host for the zone")]
    Rcode(u8),
    #[error("no response to {ATTEMPTS} messages")]
    Silence,
}

impl Notifier {
    /// For the Corefile in force. To be called within a tokio runtime.
    pub fn start(config: &Config, cluster: &Arc<RwLock<Cluster>>) -> Self {
        let mut tasks = JoinSet::new();
        for target in targets(config) {
            tasks.spawn(follow(target, Arc::clone(cluster)));
        }
        Self { _tasks: tasks }
    }
}

/// The zones of `kubernetes` that a line of the same server block transfers, and to whom.
fn targets(config: &Config) -> Vec<Target> {
    let mut targets = Vec::new();
    for server in &config.servers {
        for zone in server.kubernetes.iter().flat_map(|options| &options.zones) {
            let Some(line) = line_for(&server.transfer, zone) else {
                continue;
            };
            targets.extend(line.to.iter().filter_map(|to| match to {
                To::Everyone => None,
                To::Secondary(secondary) => Some(Target {
                    zone: zone.clone(),
                    secondary: *secondary,
                    source: line.source,
                }),
            }));
        }
    }
    targets.sort();
    targets.dedup();
    targets
}

/// Notifies one secondary whenever there is something new, also of what there is at the start.
async fn follow(target: Target, cluster: Arc<RwLock<Cluster>>) {
    let mut told = None;
    let mut said = None;
    loop {
        tokio::time::sleep(LOOK).await;
        let serial = {
            let cluster = cluster.read();
            cluster.has_listed_records().then(|| cluster.serial())
        };
        let Some(serial) = serial.filter(|&serial| told != Some(serial)) else {
            continue;
        };
        let moved_on = || cluster.read().serial() != serial;
        let result = notify(&target, moved_on).await;
        told = Some(serial);
        let failure = result.err().map(|error| error.to_string());
        if let Some(failure) = failure.as_ref().filter(|_| failure != said) {
            let Target {
                zone, secondary, ..
            } = &target;
            tracing::warn!("secondary {secondary} was not told of a change of {zone}: {failure}");
        }
        said = failure;
        tokio::time::sleep(PACE).await;
    }
}

/// Sends until there is a response, or a newer serial to tell of.
async fn notify(target: &Target, moved_on: impl Fn() -> bool) -> Result<(), NotifyError> {
    let any: IpAddr = match target.secondary {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let from = target.source.unwrap_or(any);
    let failed = |source| NotifyError::Send {
        source_address: from,
        source,
    };
    let socket = UdpSocket::bind((from, 0)).await.map_err(failed)?;
    // Connected: only the secondary's own datagrams come in.
    socket.connect(target.secondary).await.map_err(failed)?;
    let id: [u8; 2] = rand::random();
    let message = message(id, &target.zone);
    for attempt in 0..ATTEMPTS {
        // A port where nobody listens is an error at the next call; somebody may listen later.
        let _refused = socket.send(&message).await;
        let wait = FIRST_WAIT * 2_u32.pow(attempt);
        if let Ok(rcode) = timeout(wait, response(&socket, id)).await {
            return if rcode == 0 {
                Ok(())
            } else {
                Err(NotifyError::Rcode(rcode))
            };
        }
        if moved_on() {
            return Ok(());
        }
    }
    Err(NotifyError::Silence)
}

/// The RCODE of the response with this ID.
async fn response(socket: &UdpSocket, id: [u8; 2]) -> u8 {
    let mut buffer = [0; 512];
    loop {
        match socket.recv(&mut buffer).await {
            Ok(12..) if buffer[..2] == id && buffer[2] & 0xf8 == 0xa0 => return buffer[3] & 15,
            Ok(_) => {}
            // Nobody listens: as silence, and the next attempt is not to come sooner for it.
            Err(_) => std::future::pending().await,
        }
    }
}

/// Opcode NOTIFY with AA, the question for the zone's SOA (RFC 1996 3.7).
fn message(id: [u8; 2], zone: &Name) -> Vec<u8> {
    let mut message = id.to_vec();
    message.extend([0x24, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    message.extend(zone.wire());
    message.extend([0, 6, 0, 1]);
    message
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn secondaries_are_told_of_the_zones_that_kubernetes_has() {
        let corefile = "
            cluster.local 10.0.0.0/8 {
                kubernetes
                transfer {
                    to 192.0.2.1 * [2001:db8::1]:54
                }
                transfer 10.in-addr.arpa example.org {
                    to 192.0.2.2
                    source 192.0.2.9
                }
            }
            example.org {
                transfer {
                    to 192.0.2.3
                }
                forward . 192.0.2.4
            }";
        let config = Config::parse(corefile, Path::new("Corefile")).unwrap();
        let text = |target: Target| {
            let Target {
                zone,
                secondary,
                source,
            } = target;
            format!("{zone} {secondary} {source:?}")
        };
        let targets: Vec<String> = targets(&config).into_iter().map(text).collect();
        assert_eq!(
            targets,
            [
                "10.in-addr.arpa. 192.0.2.2:53 Some(192.0.2.9)",
                "cluster.local. 192.0.2.1:53 None",
                "cluster.local. [2001:db8::1]:54 None",
            ]
        );
    }

    #[tokio::test]
    async fn a_notification_is_repeated_until_there_is_a_response() {
        let secondary = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let target = Target {
            zone: Name::parse("cluster.local").unwrap(),
            secondary: secondary.local_addr().unwrap(),
            source: Some(Ipv4Addr::LOCALHOST.into()),
        };
        let answering = async {
            let mut buffer = [0; 512];
            let (first, _) = secondary.recv_from(&mut buffer).await.unwrap();
            let kept = buffer[..first].to_vec();
            let (again, client) = secondary.recv_from(&mut buffer).await.unwrap();
            assert_eq!(buffer[..again], kept);
            assert_eq!(kept[2..], message([0; 2], &target.zone)[2..]);
            // Another ID first, which is nobody's.
            for id in [[kept[0], kept[1] ^ 1], [kept[0], kept[1]]] {
                let response = [&id[..], &[0xa4, 5, 0, 0, 0, 0, 0, 0, 0, 0]].concat();
                secondary.send_to(&response, client).await.unwrap();
            }
        };
        let (result, ()) = tokio::join!(notify(&target, || false), answering);
        assert!(matches!(result, Err(NotifyError::Rcode(5))), "{result:?}");
    }

    #[tokio::test]
    async fn a_serial_that_moved_on_is_not_told_any_more() {
        let secondary = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let target = Target {
            zone: Name::root(),
            secondary: secondary.local_addr().unwrap(),
            source: None,
        };
        assert!(notify(&target, || true).await.is_ok());
    }
}
