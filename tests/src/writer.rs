//! Objects written to an API server as `kubectl` would: named, in JSON, by verb.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::{Namespace, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, Resource};
use serde_json::{Value, json};
use tokio::time::sleep;

/// How long an API server may take to know which addresses Services have.
const PATIENCE: Duration = Duration::from_secs(10);

/// A client that changes what the agent watches.
#[derive(Clone)]
pub struct Writer(Client);

impl Writer {
    /// With the client's rights.
    pub fn new(client: Client) -> Self {
        Self(client)
    }

    /// Creates a Service of this `spec`.
    pub async fn service(&self, namespace: &str, name: &str, spec: Value) -> Result<()> {
        let service = json!({"metadata": {"name": name}, "spec": spec});
        let end = Instant::now() + PATIENCE;
        loop {
            let created = create(&self.services(namespace), service.clone()).await;
            match &created {
                // An API server that has just started does not know its ServiceCIDRs yet.
                Err(error) if is_allocation(error) && Instant::now() < end => {
                    sleep(Duration::from_millis(20)).await;
                }
                _ => return created,
            }
        }
    }

    /// Creates an object of any kind in a namespace.
    pub async fn create<K>(&self, namespace: &str, object: Value) -> Result<()>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Object,
    {
        create(&self.namespaced::<K>(namespace), object).await
    }

    /// Merges `change` into an object in a namespace (RFC 7386).
    pub async fn change<K>(&self, namespace: &str, name: &str, change: Value) -> Result<()>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Object,
    {
        let params = PatchParams::default();
        let api = self.namespaced::<K>(namespace);
        api.patch(name, &params, &Patch::Merge(change)).await?;
        Ok(())
    }

    /// Deletes an object in a namespace.
    pub async fn delete<K>(&self, namespace: &str, name: &str) -> Result<()>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Object,
    {
        let params = DeleteParams::default();
        self.namespaced::<K>(namespace)
            .delete(name, &params)
            .await?;
        Ok(())
    }

    /// Every object of a kind, in all namespaces.
    pub async fn list<K>(&self) -> Result<Vec<K>>
    where
        K: Resource<DynamicType = ()> + Object,
    {
        let list = Api::<K>::all(self.0.clone())
            .list(&ListParams::default())
            .await?;
        Ok(list.items)
    }

    /// Changes some fields of a Service (RFC 7386).
    pub async fn change_service(&self, namespace: &str, name: &str, spec: Value) -> Result<()> {
        let patch = Patch::Merge(json!({"spec": spec}));
        let params = PatchParams::default();
        self.services(namespace)
            .patch(name, &params, &patch)
            .await?;
        Ok(())
    }

    /// Deletes a Service.
    pub async fn delete_service(&self, namespace: &str, name: &str) -> Result<()> {
        let params = DeleteParams::default();
        self.services(namespace).delete(name, &params).await?;
        Ok(())
    }

    /// Creates an IPv4 `EndpointSlice` of the Service `service`, with port 8080 as `http`.
    pub async fn slice(
        &self,
        namespace: &str,
        name: &str,
        service: &str,
        endpoints: Value,
    ) -> Result<()> {
        let slice = json!({
            "metadata": {"name": name, "labels": {"kubernetes.io/service-name": service}},
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": 8080}],
            "endpoints": endpoints,
        });
        create(&self.slices(namespace), slice).await
    }

    /// Replaces the endpoints of an `EndpointSlice`.
    pub async fn change_slice(&self, namespace: &str, name: &str, endpoints: Value) -> Result<()> {
        let patch = Patch::Merge(json!({"endpoints": endpoints}));
        let params = PatchParams::default();
        self.slices(namespace).patch(name, &params, &patch).await?;
        Ok(())
    }

    /// Deletes an `EndpointSlice`.
    pub async fn delete_slice(&self, namespace: &str, name: &str) -> Result<()> {
        let params = DeleteParams::default();
        self.slices(namespace).delete(name, &params).await?;
        Ok(())
    }

    /// Creates a Namespace.
    pub async fn namespace(&self, name: &str) -> Result<()> {
        self.cluster_wide::<Namespace>(json!({"metadata": {"name": name}}))
            .await
    }

    /// Ends a Namespace. Without a controller manager nobody empties one that is deleted: its
    /// finalizer is taken away by hand, and what was in it stays.
    pub async fn end_namespace(&self, name: &str) -> Result<()> {
        let namespaces = Api::<Namespace>::all(self.0.clone());
        namespaces.delete(name, &DeleteParams::default()).await?;
        // One that has no finalizer any more is gone at once.
        let Some(mut namespace) = namespaces.get_opt(name).await? else {
            return Ok(());
        };
        namespace.spec.get_or_insert_default().finalizers = None;
        let params = PostParams::default();
        namespaces
            .replace_subresource("finalize", name, &params, &namespace)
            .await?;
        Ok(())
    }

    /// Creates an object that is in no namespace, of any kind.
    pub async fn cluster_wide<K>(&self, object: Value) -> Result<()>
    where
        K: Resource<Scope = ClusterResourceScope, DynamicType = ()> + Object,
    {
        create(&Api::<K>::all(self.0.clone()), object).await
    }

    /// Merges `change` into such an object (RFC 7386).
    pub async fn change_cluster_wide<K>(&self, name: &str, change: Value) -> Result<()>
    where
        K: Resource<Scope = ClusterResourceScope, DynamicType = ()> + Object,
    {
        let params = PatchParams::default();
        let api = Api::<K>::all(self.0.clone());
        api.patch(name, &params, &Patch::Merge(change)).await?;
        Ok(())
    }

    fn services(&self, namespace: &str) -> Api<Service> {
        self.namespaced(namespace)
    }

    fn slices(&self, namespace: &str) -> Api<EndpointSlice> {
        self.namespaced(namespace)
    }

    fn namespaced<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.0.clone(), namespace)
    }
}

/// Whether the API server says that it has no address for a Service.
fn is_allocation(error: &anyhow::Error) -> bool {
    format!("{error:#}").contains("failed to allocate")
}

/// What the client asks of a type.
pub trait Object: Clone + Debug + serde::Serialize + serde::de::DeserializeOwned {}

impl<K: Clone + Debug + serde::Serialize + serde::de::DeserializeOwned> Object for K {}

async fn create<K: Object>(api: &Api<K>, object: Value) -> Result<()> {
    let text = object.to_string();
    let object = serde_json::from_value(object)?;
    let created = api.create(&PostParams::default(), &object).await;
    created.with_context(|| format!("creating {text}"))?;
    Ok(())
}
