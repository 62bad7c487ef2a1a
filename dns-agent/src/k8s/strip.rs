//! From a whole Kubernetes object to the slim one, at the door: what DNS does not need is dropped
//! here, and what cannot become a DNS name is refused.
//!
//! The API server checks the same rules when an object is written (`v1` Service, Namespace, Pod;
//! `discovery.k8s.io/v1` EndpointSlice), so in practice only manifest files see these errors.

pub mod pod;

use std::net::IpAddr;
use std::sync::Arc;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1 as discovery;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use thiserror::Error;

use super::import::import;
use super::needs::Needs;
use super::object::{
    Endpoint, EndpointSlice, External, Namespace, Object, ObjectKey, Port, Protocol, Service,
    ServiceKind,
};

/// The label that names an EndpointSlice's Service.
pub(super) const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// Why an object cannot be used; `field` is its path in the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StripError {
    /// A field that must be there is not.
    #[error("{field} is missing")]
    Missing {
        /// Path of the field.
        field: String,
    },
    /// A text that Kubernetes would not take as one DNS label (RFC 1123 2.1).
    #[error(
        "{field} is {value:?}, which is not a DNS label: 1 to 63 letters, digits and hyphens, \
         a letter or digit at both ends"
    )]
    NotALabel {
        /// Path of the field.
        field: String,
        /// What it says.
        value: String,
    },
    /// A text that Kubernetes would not take as an object name.
    #[error(
        "{field} is {value:?}, which is not a name: DNS labels joined by dots, 253 characters at most"
    )]
    NotAName {
        /// Path of the field.
        field: String,
        /// What it says.
        value: String,
    },
    /// A text that is not an IP address.
    #[error("{field} is {value:?}, which is not an IP address")]
    NotAnAddress {
        /// Path of the field.
        field: String,
        /// What it says.
        value: String,
    },
    /// A port number outside its range.
    #[error("{field} is {value}, which is not a port number between {least} and 65535")]
    NotAPort {
        /// Path of the field.
        field: String,
        /// What it says.
        value: i32,
        /// The lowest number allowed there.
        least: u16,
    },
    /// A transport protocol that Kubernetes does not have.
    #[error("{field} is {value:?}, which is none of TCP, UDP and SCTP")]
    NotAProtocol {
        /// Path of the field.
        field: String,
        /// What it says.
        value: String,
    },
}

/// A kind of object that can be stripped.
pub trait Strip {
    /// The slim object, with what the Corefile needs of it; `None` for one that has nothing to say to
    /// DNS (an EndpointSlice of no Service, or of FQDNs, for which Kubernetes defines no meaning).
    fn strip(&self, needs: &Needs) -> Result<Option<Object>, StripError>;

    /// The slim object, if any block of the Corefile shows it.
    fn wanted(&self, needs: &Needs) -> Result<Option<Object>, StripError> {
        Ok(self.strip(needs)?.filter(|object| needs.wants(object)))
    }
}

impl Strip for core::Namespace {
    fn strip(&self, needs: &Needs) -> Result<Option<Object>, StripError> {
        let name = label(self.metadata.name.as_deref(), || "metadata.name".into())?;
        let key = ObjectKey {
            namespace: "".into(),
            name,
        };
        Ok(Some(Object::Namespace(Namespace {
            key,
            seen: needs.judge_namespace(self.metadata.labels.as_ref()),
        })))
    }
}

impl Strip for core::Service {
    fn strip(&self, needs: &Needs) -> Result<Option<Object>, StripError> {
        let key = service_key(&self.metadata)?;
        let Some(spec) = &self.spec else {
            return Err(missing("spec"));
        };
        let ports = spec
            .ports
            .iter()
            .flatten()
            .enumerate()
            .map(|(row, port)| {
                let field = format!("spec.ports[{row}]");
                let number = Some(port.port);
                self::port(
                    &field,
                    port.name.as_deref(),
                    port.protocol.as_deref(),
                    number,
                    1,
                )
            })
            .collect::<Result<_, _>>()?;
        Ok(Some(Object::Service(Service {
            key,
            kind: service_kind(spec)?,
            ports,
            external: if needs.external {
                external(self, spec)?
            } else {
                Box::default()
            },
            seen: needs.judge(self.metadata.labels.as_ref()),
        })))
    }
}

impl Strip for discovery::EndpointSlice {
    fn strip(&self, needs: &Needs) -> Result<Option<Object>, StripError> {
        let key = key(&self.metadata)?;
        let labels = self.metadata.labels.as_ref();
        let service = labels
            .and_then(|labels| labels.get(SERVICE_NAME))
            .map(|text| label_text(text, || format!("metadata.labels[{SERVICE_NAME}]")))
            .transpose()?;
        let import = if needs.imports {
            import(&self.metadata)?.map(Box::new)
        } else {
            None
        };
        if self.address_type == "FQDN" || (service.is_none() && import.is_none()) {
            return Ok(None);
        }
        let ports = self
            .ports
            .iter()
            .flatten()
            .enumerate()
            .map(|(row, port)| {
                let field = format!("ports[{row}]");
                self::port(
                    &field,
                    port.name.as_deref(),
                    port.protocol.as_deref(),
                    port.port,
                    0,
                )
            })
            .collect::<Result<_, _>>()?;
        let endpoints = self
            .endpoints
            .iter()
            .enumerate()
            .filter(|(_, endpoint)| is_published(endpoint))
            .map(|(row, endpoint)| self::endpoint(row, endpoint, needs))
            .collect::<Result<_, _>>()?;
        Ok(Some(Object::EndpointSlice(EndpointSlice {
            key,
            service,
            import,
            ports,
            endpoints,
            seen: needs.judge(labels),
        })))
    }
}

fn service_kind(spec: &core::ServiceSpec) -> Result<ServiceKind, StripError> {
    if spec.type_.as_deref() == Some("ExternalName") {
        let target = spec.external_name.as_deref().unwrap_or_default();
        let target = target.strip_suffix('.').unwrap_or(target);
        if target.is_empty() {
            return Err(missing("spec.externalName"));
        }
        // Underscores are taken by the API server here since 1.33 (relaxed DNS name validation).
        if !is_name(target, |octet| octet == b'_') {
            return Err(StripError::NotAName {
                field: "spec.externalName".into(),
                value: target.into(),
            });
        }
        return Ok(ServiceKind::ExternalName(target.into()));
    }
    // A manifest written by hand has `clusterIP` alone; the API server fills in `clusterIPs`.
    let listed = spec.cluster_ips.as_deref().unwrap_or_default();
    let addresses = match &spec.cluster_ip {
        Some(address) if listed.is_empty() => std::slice::from_ref(address),
        _ => listed,
    };
    if addresses.iter().any(|address| address == "None") {
        return Ok(ServiceKind::Headless);
    }
    addresses
        .iter()
        .filter(|address| !address.is_empty())
        .enumerate()
        .map(|(row, text)| address(text, || format!("spec.clusterIPs[{row}]")))
        .collect::<Result<_, _>>()
        .map(ServiceKind::ClusterIp)
}

/// `spec.externalIPs`, then the load balancer's addresses and host names.
fn external(
    whole: &core::Service,
    spec: &core::ServiceSpec,
) -> Result<Box<[External]>, StripError> {
    let ips = spec.external_ips.iter().flatten().enumerate();
    let ips = ips.map(|(row, text)| {
        address(text, || format!("spec.externalIPs[{row}]")).map(External::Address)
    });
    let status = whole.status.as_ref();
    let balancer = status.and_then(|status| status.load_balancer.as_ref());
    let ingress = balancer.and_then(|balancer| balancer.ingress.as_deref());
    let rows = ingress.unwrap_or_default().iter().enumerate();
    let balancer = rows.filter_map(|(row, ingress)| {
        let field = |name| format!("status.loadBalancer.ingress[{row}].{name}");
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        if let Some(ip) = given(&ingress.ip) {
            return Some(address(&ip, || field("ip")).map(External::Address));
        }
        let host = given(&ingress.hostname)?;
        let host = host.strip_suffix('.').unwrap_or(&host);
        Some(if is_name(host, |octet| octet == b'_') {
            Ok(External::Host(host.into()))
        } else {
            Err(StripError::NotAName {
                field: field("hostname"),
                value: host.into(),
            })
        })
    });
    ips.chain(balancer).collect()
}

/// Ready, or without a word on it: a nil condition is to be read as true.
fn is_published(endpoint: &discovery::Endpoint) -> bool {
    let ready = endpoint.conditions.as_ref().and_then(|c| c.ready);
    ready.unwrap_or(true)
}

fn endpoint(
    row: usize,
    endpoint: &discovery::Endpoint,
    needs: &Needs,
) -> Result<Endpoint, StripError> {
    let addresses = endpoint
        .addresses
        .iter()
        .enumerate()
        .map(|(column, text)| address(text, || format!("endpoints[{row}].addresses[{column}]")))
        .collect::<Result<_, _>>()?;
    let hostname = endpoint.hostname.as_deref().filter(|text| !text.is_empty());
    let hostname = hostname
        .map(|text| label_text(text, || format!("endpoints[{row}].hostname")))
        .transpose()?;
    let target = endpoint.target_ref.as_ref();
    let pod = target.filter(|target| target.kind.as_deref() == Some("Pod"));
    let pod = pod.and_then(|target| target.name.as_deref());
    Ok(Endpoint {
        addresses,
        hostname,
        pod: pod.map(|name| name.to_ascii_lowercase().into()),
        zone: endpoint
            .zone
            .as_ref()
            .filter(|zone| needs.zones && !zone.is_empty())
            .map(|zone| zone.to_ascii_lowercase().into()),
    })
}

pub(super) fn port(
    field: &str,
    name: Option<&str>,
    protocol: Option<&str>,
    number: Option<i32>,
    least: u16,
) -> Result<Port, StripError> {
    let name = match name {
        None | Some("") => "".into(),
        Some(name) => label_text(name, || format!("{field}.name"))?,
    };
    let protocol = match protocol {
        None | Some("" | "TCP") => Protocol::Tcp,
        Some("UDP") => Protocol::Udp,
        Some("SCTP") => Protocol::Sctp,
        Some(other) => {
            return Err(StripError::NotAProtocol {
                field: format!("{field}.protocol"),
                value: other.into(),
            });
        }
    };
    // A nil number means "any port" in an EndpointSlice; SRV has only 0 for that.
    let value = number.unwrap_or_default();
    let number = u16::try_from(value).ok().filter(|&number| number >= least);
    let number = number.ok_or_else(|| StripError::NotAPort {
        field: format!("{field}.port"),
        value,
        least,
    })?;
    Ok(Port {
        name,
        protocol,
        number,
    })
}

pub(super) fn address(text: &str, field: impl Fn() -> String) -> Result<IpAddr, StripError> {
    text.parse().map_err(|_| StripError::NotAnAddress {
        field: field(),
        value: text.into(),
    })
}

pub(super) fn missing(field: &str) -> StripError {
    StripError::Missing {
        field: field.into(),
    }
}

/// The key of an object whose name is part of a domain name: two labels.
pub(super) fn service_key(metadata: &ObjectMeta) -> Result<ObjectKey, StripError> {
    Ok(ObjectKey {
        namespace: namespace(metadata)?,
        name: label(metadata.name.as_deref(), || "metadata.name".into())?,
    })
}

/// The key of an object whose own name is in no domain name, and may have dots.
fn key(metadata: &ObjectMeta) -> Result<ObjectKey, StripError> {
    Ok(ObjectKey {
        namespace: namespace(metadata)?,
        name: name(metadata)?,
    })
}

fn namespace(metadata: &ObjectMeta) -> Result<Arc<str>, StripError> {
    label(metadata.namespace.as_deref(), || {
        "metadata.namespace".into()
    })
}

fn name(metadata: &ObjectMeta) -> Result<Arc<str>, StripError> {
    const FIELD: &str = "metadata.name";
    let text = metadata.name.as_deref().unwrap_or_default();
    if text.is_empty() {
        return Err(missing(FIELD));
    }
    if !is_name(text, |_| false) {
        return Err(StripError::NotAName {
            field: FIELD.into(),
            value: text.into(),
        });
    }
    Ok(text.to_ascii_lowercase().into())
}

fn label(text: Option<&str>, field: impl Fn() -> String) -> Result<Arc<str>, StripError> {
    let text = text.unwrap_or_default();
    if text.is_empty() {
        return Err(missing(&field()));
    }
    label_text(text, field)
}

pub(super) fn label_text(text: &str, field: impl Fn() -> String) -> Result<Arc<str>, StripError> {
    if !is_label(text, |_| false) {
        return Err(StripError::NotALabel {
            field: field(),
            value: text.into(),
        });
    }
    Ok(text.to_ascii_lowercase().into())
}

fn is_name(text: &str, also: impl Fn(u8) -> bool) -> bool {
    text.len() <= 253 && text.split('.').all(|text| is_label(text, &also))
}

fn is_label(text: &str, also: impl Fn(u8) -> bool) -> bool {
    let inner = |octet: u8| octet.is_ascii_alphanumeric() || also(octet);
    (1..=63).contains(&text.len())
        && text.bytes().all(|octet| inner(octet) || octet == b'-')
        && text.bytes().next().is_some_and(inner)
        && text.bytes().next_back().is_some_and(inner)
}

#[cfg(test)]
mod tests;
