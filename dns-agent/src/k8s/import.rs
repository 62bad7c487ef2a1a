//! `multicluster.x-k8s.io/v1alpha1` ServiceImport (the Multi-Cluster Services API, KEP-1645): its
//! shape, which the generated API types do not have, and the slim Service that it becomes.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::{Metadata, NamespaceResourceScope, Resource};
use serde::Deserialize;

use super::needs::Needs;
use super::object::{Import, Object, Service, ServiceKind};
use super::strip::{Strip, StripError, address, label_text, missing, port, service_key};

/// The label that names an EndpointSlice's ServiceImport.
const SERVICE_NAME: &str = "multicluster.kubernetes.io/service-name";
/// The label that names the cluster an EndpointSlice comes from.
const SOURCE_CLUSTER: &str = "multicluster.kubernetes.io/source-cluster";

/// A Service that another cluster of the set exports, as far as DNS needs it.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct ServiceImport {
    /// Name, namespace, labels.
    pub metadata: ObjectMeta,
    /// What clients reach it by.
    #[serde(default)]
    pub spec: Spec,
}

/// `spec`
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Spec {
    /// `ClusterSetIP` or `Headless`.
    #[serde(rename = "type", default)]
    pub type_: String,
    /// The VIPs of a `ClusterSetIP`.
    #[serde(default)]
    pub ips: Option<Vec<String>>,
    /// The ports.
    #[serde(default)]
    pub ports: Option<Vec<Port>>,
}

/// One of `spec.ports`.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Port {
    /// May be missing of the only port.
    #[serde(default)]
    pub name: Option<String>,
    /// `TCP` where it is missing.
    #[serde(default)]
    pub protocol: Option<String>,
    /// The number.
    pub port: i32,
}

impl Resource for ServiceImport {
    const API_VERSION: &'static str = "multicluster.x-k8s.io/v1alpha1";
    const GROUP: &'static str = "multicluster.x-k8s.io";
    const KIND: &'static str = "ServiceImport";
    const VERSION: &'static str = "v1alpha1";
    const URL_PATH_SEGMENT: &'static str = "serviceimports";
    type Scope = NamespaceResourceScope;
}

impl Metadata for ServiceImport {
    type Ty = ObjectMeta;

    fn metadata(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn metadata_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

impl Strip for ServiceImport {
    fn strip(&self, needs: &Needs) -> Result<Option<Object>, StripError> {
        let key = service_key(&self.metadata)?;
        let kind = match self.spec.type_.as_str() {
            "Headless" => ServiceKind::Headless,
            "ClusterSetIP" => {
                let ips = self.spec.ips.iter().flatten().enumerate();
                let ips = ips.map(|(row, text)| address(text, || format!("spec.ips[{row}]")));
                ServiceKind::ClusterIp(ips.collect::<Result<_, _>>()?)
            }
            _ => return Err(missing("spec.type, ClusterSetIP or Headless,")),
        };
        let ports = self.spec.ports.iter().flatten().enumerate();
        let ports = ports.map(|(row, of)| {
            let field = format!("spec.ports[{row}]");
            let (name, protocol) = (of.name.as_deref(), of.protocol.as_deref());
            port(&field, name, protocol, Some(of.port), 1)
        });
        Ok(Some(Object::ServiceImport(Service {
            key,
            kind,
            ports: ports.collect::<Result<_, _>>()?,
            external: Box::default(),
            seen: needs.judge(self.metadata.labels.as_ref()),
        })))
    }
}

/// Which ServiceImport an EndpointSlice belongs to; a source cluster that is no DNS label has no
/// names.
pub(super) fn import(metadata: &ObjectMeta) -> Result<Option<Import>, StripError> {
    let labels = metadata.labels.as_ref();
    let Some(service) = labels.and_then(|labels| labels.get(SERVICE_NAME)) else {
        return Ok(None);
    };
    let cluster = labels.and_then(|labels| labels.get(SOURCE_CLUSTER));
    Ok(Some(Import {
        service: label_text(service, || format!("metadata.labels[{SERVICE_NAME}]"))?,
        cluster: cluster.and_then(|text| label_text(text, String::new).ok()),
    }))
}
