//! A cluster that changes: objects updated, deleted, made again, and a namespace that comes or goes.

use anyhow::Result;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use rand::RngExt as _;
use rand::seq::IndexedRandom as _;
use serde_json::json;

use crate::cluster::{Cluster, Generator};
use crate::endpoints;
use crate::lab::Lab;

/// A namespace that comes and goes; its objects stay.
pub(crate) const FICKLE: &str = "dev";

/// Changes about a third of everything.
pub(crate) async fn change(lab: &Lab<'_>, generator: &mut Generator) -> Result<()> {
    let (mut services, mut slices, namespaces) = lab.objects().await?;
    services.retain(|service| service.metadata.namespace.as_deref() != Some("kube-system"));
    slices.retain(|slice| slice.metadata.labels.is_some());
    let writer = lab.writer();
    let is_there = namespaces
        .iter()
        .any(|namespace| namespace.metadata.name.as_deref() == Some(FICKLE));
    if is_there {
        writer.end_namespace(FICKLE).await?;
    } else {
        writer.namespace(FICKLE).await?;
    }
    // Without its namespace, no object can be changed.
    services.retain(|service| service.metadata.namespace.as_deref() != Some(FICKLE));
    slices.retain(|slice| slice.metadata.namespace.as_deref() != Some(FICKLE));
    let mut new = Cluster::default();
    for slice in &slices {
        let name = slice.metadata.name.as_deref().unwrap_or_default();
        let namespace = slice.metadata.namespace.as_deref().unwrap_or_default();
        match generator.rng.random_range(0..9) {
            0 => writer.delete::<EndpointSlice>(namespace, name).await?,
            1 | 2 => {
                let other = endpoints::slice(&mut generator.rng, &json!([]));
                // A slice keeps its family for life.
                if other["addressType"] == slice.address_type {
                    let change = json!({"endpoints": other["endpoints"]});
                    writer
                        .change::<EndpointSlice>(namespace, name, change)
                        .await?;
                }
            }
            _ => {}
        }
    }
    for service in &services {
        let name = service.metadata.name.as_deref().unwrap_or_default();
        let namespace = service.metadata.namespace.as_deref().unwrap_or_default();
        if name == "kubernetes" {
            continue;
        }
        match generator.rng.random_range(0..12) {
            0 => writer.delete::<Service>(namespace, name).await?,
            // Made again at once, as something else.
            1 => {
                writer.delete::<Service>(namespace, name).await?;
                let mut one = Cluster::default();
                generator.add_service(&mut one);
                for mut service in one.services {
                    service.name = name.into();
                    service.namespace = namespace.into();
                    new.services.push(service);
                }
            }
            2 => {
                let ports = endpoints::service_ports(&mut generator.rng);
                let change = json!({"spec": {"ports": ports}});
                writer.change::<Service>(namespace, name, change).await?;
            }
            3 => {
                let targets = [
                    "three.example.net",
                    "missing.example.net",
                    "svc.cluster.local",
                ];
                let target = targets.choose(&mut generator.rng);
                let is_alias = service
                    .spec
                    .as_ref()
                    .is_some_and(|spec| spec.external_name.is_some());
                if is_alias {
                    let change = json!({"spec": {"externalName": target}});
                    writer.change::<Service>(namespace, name, change).await?;
                }
            }
            4 => {
                generator.add_service(&mut new);
            }
            _ => {}
        }
    }
    lab.write(&new).await;
    Ok(())
}
