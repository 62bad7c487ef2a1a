//! What a Corefile says of the objects and of the API server, against a real kube-apiserver.

use std::time::{Duration, Instant};

use anyhow::Result;
use dns_agent::k8s::import::ServiceImport;
use dns_agent::k8s::needs::Needs;
use dns_agent::k8s::object::{Kind, ObjectKey};
use dns_agent::k8s::selector::Selector;
use dns_agent::k8s::target::{Limits, Target};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kerndns_tests::api_server::{ADMIN, ApiServer};
use kerndns_tests::watched::Watched;
use kube::api::{ApiResource, DynamicObject, PostParams};
use kube::{Api, Client};
use serde_json::json;

async fn create_slice(client: &Client, name: &str, labels: serde_json::Value) -> Result<()> {
    let mut slice = json!({
        "metadata": {"name": name, "labels": labels},
        "addressType": "IPv4",
        "ports": [],
        "endpoints": [{"addresses": ["10.2.0.1"]}],
    });
    slice["metadata"]["labels"]["kubernetes.io/service-name"] = "web".into();
    let slices = Api::<EndpointSlice>::namespaced(client.clone(), "default");
    let slice = serde_json::from_value(slice)?;
    slices.create(&PostParams::default(), &slice).await?;
    Ok(())
}

async fn install_service_imports(client: &Client) -> Result<()> {
    let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let definition = json!({
        "metadata": {"name": "serviceimports.multicluster.x-k8s.io",
                     "annotations": {"api-approved.kubernetes.io": "unapproved, for a test"}},
        "spec": {
            "group": "multicluster.x-k8s.io",
            "scope": "Namespaced",
            "names": {"kind": "ServiceImport", "plural": "serviceimports"},
            "versions": [{"name": "v1alpha1", "served": true, "storage": true,
                          "schema": {"openAPIV3Schema": schema}}],
        },
    });
    let definitions = Api::<CustomResourceDefinition>::all(client.clone());
    let definition = serde_json::from_value(definition)?;
    definitions
        .create(&PostParams::default(), &definition)
        .await?;
    Ok(())
}

async fn create_import(client: &Client) -> Result<()> {
    let resource = ApiResource::erase::<ServiceImport>(&());
    let spec = json!({"spec": {"type": "Headless", "ports": [{"port": 80}]}});
    let import = DynamicObject::new("web", &resource).data(spec);
    let imports = Api::<DynamicObject>::namespaced_with(client.clone(), "default", &resource);
    let started = Instant::now();
    // The API server takes a moment to serve a kind that was just defined.
    while let Err(error) = imports.create(&PostParams::default(), &import).await {
        assert!(started.elapsed() < Duration::from_secs(30), "{error}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

#[tokio::test]
async fn labels_select_at_the_server_and_service_imports_come_with_their_definition() -> Result<()>
{
    let server = ApiServer::start(&[]).await?;
    let client = server.client(ADMIN).await?;
    create_slice(&client, "shown", json!({"app": "web"})).await?;
    create_slice(&client, "hidden", json!({"app": "db"})).await?;
    let mut needs = Needs::new(ObjectKey::new("kube-system", "kube-dns"));
    needs.add_block(Selector::parse("app=web").as_ref(), None);
    needs.imports = true;
    let target = Target {
        kubeconfig: Some(server.kubeconfig("admin", ADMIN)?),
        limits: Limits {
            interval: Some(Duration::from_millis(100)),
            burst: Some(2),
            in_flight: Some(1),
        },
        ..Target::default()
    };
    let mut watched = Watched::start_with(&target, needs).await?;
    watched.listed().await;
    assert!(
        watched
            .object(Kind::EndpointSlice, "default/shown")
            .is_some()
    );
    assert!(
        watched
            .object(Kind::EndpointSlice, "default/hidden")
            .is_none()
    );
    // The API server's own Service has other labels.
    assert!(
        watched
            .object(Kind::Service, "default/kubernetes")
            .is_none()
    );
    assert!(watched.object(Kind::Namespace, "default").is_some());
    let lines = watched.told().await;
    let told = lines
        .iter()
        .filter(|line| line.contains("has no ServiceImports"));
    assert_eq!(told.count(), 1, "{lines:#?}");

    install_service_imports(&client).await?;
    create_import(&client).await?;
    // Its labels do not match, so it is as if it were not there; another's are none.
    create_slice(&client, "later", json!({"app": "web"})).await?;
    watched
        .until(Kind::EndpointSlice, "default/later", |object| {
            object.is_some()
        })
        .await;
    assert!(watched.object(Kind::ServiceImport, "default/web").is_none());

    let mut needs = Needs::new(ObjectKey::new("kube-system", "kube-dns"));
    needs.imports = true;
    let mut all = Watched::start_with(&target, needs).await?;
    all.listed().await;
    assert!(all.object(Kind::ServiceImport, "default/web").is_some());
    assert!(all.object(Kind::EndpointSlice, "default/hidden").is_some());
    Ok(())
}
