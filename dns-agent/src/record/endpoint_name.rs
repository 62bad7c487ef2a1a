//! The label of an endpoint below its Service (Kubernetes DNS specification 2.4), and the way back.
//!
//! The hostname; else the pod's name where `endpoint_pod_names` is on and the name is one label; else
//! the address with hyphens.

use std::borrow::Cow;
use std::net::IpAddr;

use super::pod::pod_address;
use crate::k8s::slice::{EndpointAddress, Slice};

/// The label of an endpoint.
pub fn endpoint_label(endpoint: &EndpointAddress, pod_names: bool) -> Cow<'_, str> {
    match (endpoint.hostname(), pod_label(endpoint, pod_names)) {
        (Some(hostname), _) => Cow::Borrowed(hostname),
        (None, Some(pod)) => Cow::Borrowed(pod),
        (None, None) => Cow::Owned(address_label(endpoint.address)),
    }
}

/// The endpoints of a slice whose label this is.
pub fn endpoints_at<'a>(
    slice: &'a Slice,
    label: &'a str,
    pod_names: bool,
) -> impl Iterator<Item = &'a EndpointAddress> {
    let unnamed = slice.without_hostname();
    let candidates = if pod_names {
        unnamed
    } else {
        let address = pod_address(&[label.as_bytes()]);
        let first = unnamed.partition_point(|row| Some(row.address) < address);
        let end = unnamed.partition_point(|row| Some(row.address) <= address);
        &unnamed[first.min(end)..end]
    };
    slice.with_hostname(label).iter().chain(
        candidates
            .iter()
            .filter(move |row| endpoint_label(row, pod_names) == label),
    )
}

/// `10-2-0-2`, `fd00--7`; an IPv6 address that would end in a hyphen gets a zero after it, since
/// no hostname may end so (RFC 1123 2.1).
fn address_label(address: IpAddr) -> String {
    let mut label = address.to_string().replace(['.', ':'], "-");
    if label.ends_with('-') {
        label.push('0');
    }
    label
}

/// The pod's name, if it serves: pod names may have dots and 253 octets, a label may not.
fn pod_label(endpoint: &EndpointAddress, pod_names: bool) -> Option<&str> {
    endpoint
        .pod()
        .filter(|pod| pod_names && !pod.contains('.') && (1..=63).contains(&pod.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::k8s::slice::Details;

    #[test]
    fn an_endpoint_has_the_first_name_that_serves() {
        let long = "test-name-longer-than-63-characters-making-it-an-invalid-dns-label";
        for (address, hostname, pod, pod_names, expected) in [
            ("10.2.0.2", "", "", false, "10-2-0-2"),
            ("10.2.0.2", "web-0", "", false, "web-0"),
            ("10.2.0.2", "", "web-abcde", false, "10-2-0-2"),
            ("10.2.0.2", "web-0", "web-abcde", true, "web-0"),
            ("10.2.0.2", "", "web-abcde", true, "web-abcde"),
            ("10.2.0.2", "", "web.abcde", true, "10-2-0-2"),
            ("10.2.0.2", "", long, true, "10-2-0-2"),
            ("2001:db8::5:6:7", "", "", false, "2001-db8--5-6-7"),
            ("2001:db8:3:4:5:6::", "", "", false, "2001-db8-3-4-5-6--0"),
            ("::1", "", "", false, "--1"),
        ] {
            let some = |text: &str| (!text.is_empty()).then(|| text.into());
            let details = Details {
                hostname: some(hostname),
                pod: some(pod),
                zone: None,
            };
            let endpoint = EndpointAddress::new(address.parse().unwrap(), details);
            assert_eq!(endpoint_label(&endpoint, pod_names), expected);
            let slice = Slice {
                key: crate::k8s::object::ObjectKey::new("ns", "s"),
                service: "s".into(),
                cluster: None,
                ports: Box::default(),
                endpoints: Box::new([endpoint]),
                seen: crate::k8s::needs::Seen::ALL,
            };
            assert_eq!(
                endpoints_at(&slice, expected, pod_names).count(),
                1,
                "{expected}"
            );
            assert_eq!(endpoints_at(&slice, "other", pod_names).count(), 0);
            assert_eq!(endpoints_at(&slice, "10-2-0-3", pod_names).count(), 0);
        }
    }
}
