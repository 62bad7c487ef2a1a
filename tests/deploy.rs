//! `deploy/` given to a real API server, and the watch run with what its role allows.

use std::path::Path;

use anyhow::{Context, Result};
use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::ClusterRole;
use kerndns_tests::api_server::{ADMIN, ApiServer};
use kerndns_tests::watched::Watched;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::{Api, Client, discovery};
use serde_json::{Value, json};

/// The objects of every file that `kustomization.yaml` lists.
fn objects() -> Result<Vec<Value>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy");
    let read = |name: &str| {
        std::fs::read_to_string(directory.join(name)).with_context(|| format!("deploy/{name}"))
    };
    let kustomization: Value = serde_saphyr::from_str(&read("kustomization.yaml")?)?;
    let names = kustomization["resources"].as_array().context("resources")?;
    let mut objects = Vec::new();
    for name in names {
        let text = read(name.as_str().context("a file name")?)?;
        objects.extend(serde_saphyr::from_multiple::<Value>(&text)?);
    }
    Ok(objects)
}

/// Applies every object as `kubectl apply --server-side --validate=strict` would.
async fn apply(client: &Client, dry_run: bool) -> Result<()> {
    for object in objects()? {
        let object: DynamicObject = serde_json::from_value(object)?;
        let types = object.types.as_ref().context("apiVersion and kind")?;
        let name = object.metadata.name.as_deref().context("metadata.name")?;
        let gvk = GroupVersionKind::try_from(types)?;
        let (resource, _) = discovery::pinned_kind(client, &gvk).await?;
        let api: Api<DynamicObject> = match &object.metadata.namespace {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
            None => Api::all_with(client.clone(), &resource),
        };
        let mut params = PatchParams::apply("test").validation_strict();
        params.dry_run = dry_run;
        let applied = api.patch(name, &params, &Patch::Apply(&object)).await;
        applied.with_context(|| format!("{} {name}", types.kind))?;
    }
    Ok(())
}

/// A token of the ServiceAccount in `deploy/`, as a pod would have it.
async fn account_token(client: &Client) -> Result<String> {
    let accounts = Api::<ServiceAccount>::namespaced(client.clone(), "kube-system");
    let request: TokenRequest = serde_json::from_value(json!({"spec": {"audiences": []}}))?;
    let params = PostParams::default();
    let granted = accounts
        .create_token_request("kerndns", &params, &request)
        .await?;
    Ok(granted.status.context("a token")?.token)
}

#[tokio::test]
async fn the_manifests_are_accepted_and_the_role_is_enough() -> Result<()> {
    let server = ApiServer::start(&[]).await?;
    let client = server.client(ADMIN).await?;
    // The dry run of a binding does not ask whether its role is there, nor that of a DaemonSet
    // whether its account is.
    apply(&client, true).await?;
    apply(&client, false).await?;
    let token = account_token(&client).await?;
    let mut watched = Watched::start(&server.kubeconfig("kerndns", &token)?).await?;
    watched.listed().await;
    assert_eq!(watched.lines(), [] as [&str; 0]);
    Ok(())
}

#[tokio::test]
async fn the_role_is_enough_without_streaming_lists_and_has_nothing_to_spare() -> Result<()> {
    let server = ApiServer::start(&["--feature-gates=WatchList=false"]).await?;
    let client = server.client(ADMIN).await?;
    apply(&client, false).await?;
    let kubeconfig = server.kubeconfig("kerndns", &account_token(&client).await?)?;
    Watched::start(&kubeconfig).await?.listed().await;
    let roles = Api::<ClusterRole>::all(client);
    let role = roles.get("kerndns").await?;
    for verb in ["list", "watch"] {
        let mut less = role.clone();
        for rule in less.rules.iter_mut().flatten() {
            rule.verbs.retain(|other| other != verb);
        }
        let less = Patch::Merge(json!({"rules": less.rules}));
        roles
            .patch("kerndns", &PatchParams::default(), &less)
            .await?;
        let lines = Watched::start(&kubeconfig)
            .await?
            .complaints()
            .await
            .join("\n");
        assert!(
            lines.contains(&format!("may not {verb} endpointslices")),
            "{lines}"
        );
        let whole = Patch::Merge(json!({"rules": role.rules}));
        roles
            .patch("kerndns", &PatchParams::default(), &whole)
            .await?;
    }
    Ok(())
}
