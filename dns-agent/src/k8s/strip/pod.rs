//! From a `v1` Pod as the API server or a manifest has it to its addresses.
//!
//! A whole Pod is some kilobytes, of which DNS needs a few octets. So the type that is decoded has only these: the rest
//! is passed over as it is read, and even a full list of a large cluster stays small.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::{Metadata, NamespaceResourceScope, Resource};
use serde::{Deserialize, Deserializer};

use super::{Strip, StripError, address, key};
use crate::k8s::needs::Needs;
use crate::k8s::object::{Object, Pod};

/// Any pod of the cluster.
pub type AnyPod = WirePod<false>;
/// A pod of the agent's own node, which may be a client.
pub type LocalPod = WirePod<true>;

/// A Pod as it is read; `LOCAL` says what it is stripped to.
#[derive(Debug, Clone)]
pub struct WirePod<const LOCAL: bool>(Wire);

/// What is read of a Pod.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Wire {
    #[serde(deserialize_with = "identity")]
    metadata: ObjectMeta,
    spec: Spec,
    status: Status,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    node_name: Option<String>,
    host_network: Option<bool>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    phase: Option<String>,
    #[serde(rename = "podIP")]
    pod_ip: Option<String>,
    #[serde(rename = "podIPs")]
    pod_ips: Option<Vec<PodIp>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct PodIp {
    ip: String,
}

/// Of the metadata only what tells one Pod and one version from another: labels, annotations and managed fields are
/// most of it.
fn identity<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Identity {
        name: Option<String>,
        namespace: Option<String>,
        resource_version: Option<String>,
    }
    let identity = Identity::deserialize(deserializer)?;
    Ok(ObjectMeta {
        name: identity.name,
        namespace: identity.namespace,
        resource_version: identity.resource_version,
        ..ObjectMeta::default()
    })
}

// Not derived: serde's macros take no const parameters.
impl<'de, const LOCAL: bool> Deserialize<'de> for WirePod<LOCAL> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Wire::deserialize(deserializer).map(Self)
    }
}

impl<const LOCAL: bool> Resource for WirePod<LOCAL> {
    const API_VERSION: &'static str = "v1";
    const GROUP: &'static str = "";
    const KIND: &'static str = "Pod";
    const VERSION: &'static str = "v1";
    const URL_PATH_SEGMENT: &'static str = "pods";
    type Scope = NamespaceResourceScope;
}

impl<const LOCAL: bool> Metadata for WirePod<LOCAL> {
    type Ty = ObjectMeta;

    fn metadata(&self) -> &ObjectMeta {
        &self.0.metadata
    }

    fn metadata_mut(&mut self) -> &mut ObjectMeta {
        &mut self.0.metadata
    }
}

impl<const LOCAL: bool> Strip for WirePod<LOCAL> {
    /// Nothing for a pod that has ended or has no address yet. A pod on the node's own network has the node's address,
    /// which tells nothing about who asks: it is never a client.
    fn strip(&self, _: &Needs) -> Result<Option<Object>, StripError> {
        let Self(pod) = self;
        let has_ended = matches!(
            pod.status.phase.as_deref(),
            Some("Succeeded" | "Failed" | "Unknown")
        );
        let is_host = pod.spec.host_network == Some(true);
        if has_ended || (LOCAL && is_host) {
            return Ok(None);
        }
        // A manifest written by hand may have `podIP` alone; the API server keeps both.
        let listed = pod.status.pod_ips.iter().flatten().map(|row| &*row.ip);
        let mut addresses = listed
            .enumerate()
            .map(|(row, text)| address(text, || format!("status.podIPs[{row}].ip")))
            .collect::<Result<Vec<_>, _>>()?;
        if let (true, Some(text)) = (addresses.is_empty(), pod.status.pod_ip.as_deref()) {
            addresses.push(address(text, || "status.podIP".into())?);
        }
        if addresses.is_empty() {
            return Ok(None);
        }
        let key = key(&pod.metadata)?;
        let pod = Pod {
            key,
            node: pod.spec.node_name.as_deref().map(Into::into),
            addresses,
        };
        Ok(Some(if LOCAL {
            Object::LocalPod(pod)
        } else {
            Object::Pod(pod)
        }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::k8s::object::ObjectKey;

    fn pod(spec: &Value, status: &Value) -> Value {
        json!({
            "metadata": {
                "name": "Web-0", "namespace": "Prod", "resourceVersion": "7", "labels": {"app": "web"},
                "annotations": {"a": "b"}, "managedFields": [{"manager": "kubelet"}],
            },
            "spec": spec,
            "status": status,
        })
    }

    fn addresses<const LOCAL: bool>(value: Value) -> Option<Vec<String>> {
        let pod: WirePod<LOCAL> = serde_json::from_value(value).unwrap();
        let (Object::Pod(pod) | Object::LocalPod(pod)) = pod.strip(&Needs::default()).unwrap()?
        else {
            panic!("a pod is none")
        };
        Some(pod.addresses.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn every_address_is_kept_and_of_the_metadata_only_the_identity() {
        let status =
            json!({"podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::7"}]});
        let whole: AnyPod =
            serde_json::from_value(pod(&json!({"nodeName": "node-1"}), &status)).unwrap();
        assert_eq!(whole.0.metadata.resource_version.as_deref(), Some("7"));
        assert!(whole.0.metadata.labels.is_none() && whole.0.metadata.managed_fields.is_none());
        let expected = Pod {
            key: ObjectKey::new("prod", "web-0"),
            node: Some("node-1".into()),
            addresses: vec!["10.0.0.1".parse().unwrap(), "fd00::7".parse().unwrap()],
        };
        assert_eq!(
            whole.strip(&Needs::default()),
            Ok(Some(Object::Pod(expected)))
        );
    }

    #[test]
    fn a_pod_that_has_ended_or_has_no_address_yet_says_nothing() {
        let one = Some(vec!["10.0.0.1".to_owned()]);
        for (status, expected) in [
            (
                json!({"phase": "Running", "podIP": "10.0.0.1"}),
                one.clone(),
            ),
            (json!({"podIPs": [{"ip": "10.0.0.1"}]}), one),
            (json!({"phase": "Pending"}), None),
            (json!({"phase": "Succeeded", "podIP": "10.0.0.1"}), None),
            (json!({"phase": "Failed", "podIP": "10.0.0.1"}), None),
            (json!({"phase": "Unknown", "podIP": "10.0.0.1"}), None),
            (json!({}), None),
        ] {
            let value = pod(&json!({}), &status);
            assert_eq!(addresses::<false>(value.clone()), expected, "{value}");
            assert_eq!(addresses::<true>(value.clone()), expected, "{value}");
        }
    }

    #[test]
    fn a_pod_on_the_network_of_its_node_has_a_name_and_is_no_client() {
        let value = pod(
            &json!({"hostNetwork": true}),
            &json!({"podIP": "192.0.2.1"}),
        );
        assert_eq!(addresses::<false>(value.clone()).unwrap(), ["192.0.2.1"]);
        assert_eq!(addresses::<true>(value), None);
    }

    #[test]
    fn an_address_that_is_none_is_refused_by_its_path() {
        let status = json!({"podIPs": [{"ip": "10.0.0.1"}, {"ip": "x"}]});
        let whole: AnyPod = serde_json::from_value(pod(&json!({}), &status)).unwrap();
        let error = whole.strip(&Needs::default()).unwrap_err().to_string();
        assert_eq!(
            error,
            "status.podIPs[1].ip is \"x\", which is not an IP address"
        );
    }
}
