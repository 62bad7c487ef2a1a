//! A small cluster node made of network namespaces: pods, the node between, a client outside.
//!
//! ```text
//! pod 0  eth0 10.244.0.2 ---- veth0 10.244.0.1   node   192.0.2.1 nic0 ---- eth0 192.0.2.2  client
//! pod 1  eth0 10.244.1.2 ---- veth1 10.244.1.1          2001:db8::1          2001:db8::2
//!             fd00:244:i::2         fd00:244:i::1
//! ```
//!
//! The node forwards, and is everyone's default route; so a Service's address reaches the node.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::Result;

use crate::netns::{Netns, veth};

/// The node with its pods and its client; all are gone when this is dropped.
#[derive(Debug)]
pub struct Testbed {
    /// Where the agent runs: `veth<i>` lead to the pods, `nic0` to the client.
    pub node: Netns,
    /// Each has one interface, `eth0`.
    pub pods: Vec<Netns>,
    /// Outside the cluster, behind what plays the node's NIC; its interface is `eth0`.
    pub client: Netns,
}

impl Testbed {
    /// Makes the node, `pods` pods routed to it (at most 256), and the client.
    pub fn routed(pods: u8) -> Result<Self> {
        let mut testbed = Self::without_pods()?;
        for i in 0..pods {
            let pod = testbed.routed_pod(i)?;
            testbed.pods.push(pod);
        }
        Ok(testbed)
    }

    /// The same with the pods behind one bridge, `bridge0`: they are pods of one network, that of
    /// pod 0, and the bridge has its gateway's addresses.
    pub fn bridged(pods: u8) -> Result<Self> {
        let mut testbed = Self::without_pods()?;
        let node = &testbed.node;
        node.ip("link add bridge0 type bridge")?;
        let gateway = [node_address_v4(0), node_address_v6(0)];
        address((node, "bridge0"), gateway)?;
        node.ip("link set bridge0 up")?;
        for i in 0..pods {
            let (pod, port) = (Netns::new()?, format!("veth{i}"));
            veth((node, &port), (&pod, "eth0"))?;
            node.ip(&format!("link set {port} master bridge0"))?;
            let host = i + 2;
            let v6 = Ipv6Addr::new(0xfd00, 0x244, 0, 0, 0, 0, 0, host.into());
            address((&pod, "eth0"), [[10, 244, 0, host].into(), v6.into()])?;
            default_routes(&pod, gateway)?;
            testbed.pods.push(pod);
        }
        Ok(testbed)
    }

    /// Makes the pod of a number that no pod has yet, routed to the node.
    pub fn routed_pod(&self, number: u8) -> Result<Netns> {
        let pod = Netns::new()?;
        let near = [node_address_v4(number), node_address_v6(number)];
        let far = [pod_address_v4(number), pod_address_v6(number)];
        connect(
            (&self.node, &format!("veth{number}"), near),
            (&pod, "eth0", far),
        )?;
        Ok(pod)
    }

    fn without_pods() -> Result<Self> {
        let testbed = Self {
            node: Netns::new()?,
            pods: Vec::new(),
            client: Netns::new()?,
        };
        let node = &testbed.node;
        node.sysctl("net/ipv4/ip_forward", "1")?;
        node.sysctl("net/ipv6/conf/all/forwarding", "1")?;
        let near = [IpAddr::from([192, 0, 2, 1]), outside_v6(1)];
        let far = [IpAddr::from([192, 0, 2, 2]), outside_v6(2)];
        connect((node, "nic0", near), (&testbed.client, "eth0", far))?;
        Ok(testbed)
    }
}

/// The IPv4 address of the pod with this number.
pub fn pod_address_v4(pod: u8) -> IpAddr {
    Ipv4Addr::new(10, 244, pod, 2).into()
}

/// The IPv6 address of the pod with this number.
pub fn pod_address_v6(pod: u8) -> IpAddr {
    Ipv6Addr::new(0xfd00, 0x244, pod.into(), 0, 0, 0, 0, 2).into()
}

/// The node's IPv4 address on the link to this pod.
pub fn node_address_v4(pod: u8) -> IpAddr {
    Ipv4Addr::new(10, 244, pod, 1).into()
}

/// The node's IPv6 address on the link to this pod.
pub fn node_address_v6(pod: u8) -> IpAddr {
    Ipv6Addr::new(0xfd00, 0x244, pod.into(), 0, 0, 0, 0, 1).into()
}

fn outside_v6(host: u16) -> IpAddr {
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, host).into()
}

/// Joins two namespaces: addresses on both ends, and the far end's default routes to the near one.
fn connect(near: (&Netns, &str, [IpAddr; 2]), far: (&Netns, &str, [IpAddr; 2])) -> Result<()> {
    veth((near.0, near.1), (far.0, far.1))?;
    address((near.0, near.1), near.2)?;
    address((far.0, far.1), far.2)?;
    default_routes(far.0, near.2)
}

/// Gives an interface its addresses, each in a network of its own size.
fn address((netns, interface): (&Netns, &str), addresses: [IpAddr; 2]) -> Result<()> {
    for address in addresses {
        // Without duplicate address detection, which would hold an IPv6 address for a second.
        let (length, flag) = if address.is_ipv4() {
            (24, "")
        } else {
            (64, "nodad")
        };
        netns.ip(&format!(
            "addr add {address}/{length} dev {interface} {flag}"
        ))?;
    }
    Ok(())
}

fn default_routes(netns: &Netns, gateways: [IpAddr; 2]) -> Result<()> {
    for gateway in gateways {
        netns.ip(&format!("route add default via {gateway}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_pod_reaches_the_other_pod_and_the_client_through_the_node() {
        let testbed = Testbed::routed(2).unwrap();
        let [pod, other] = &testbed.pods[..] else {
            panic!("two pods were asked for")
        };
        for (netns, address) in [
            (&testbed.client, "192.0.2.2"),
            (other, "10.244.1.2"),
            (&testbed.client, "2001:db8::2"),
            (other, "fd00:244:1::2"),
        ] {
            let address: IpAddr = address.parse().unwrap();
            let listener = netns.enter(|| TcpListener::bind((address, 0))).unwrap();
            let target = listener.local_addr().unwrap();
            let connected =
                pod.enter(|| TcpStream::connect_timeout(&target, Duration::from_secs(2)));
            assert!(connected.is_ok(), "{target}: {connected:?}");
        }
    }
}
