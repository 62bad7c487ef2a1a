//! `deploy/` rendered by kubectl and helm, given to a real API server, and the watch run with what its role
//! allows.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::ClusterRole;
use kerndns_tests::api_server::{ADMIN, ApiServer};
use kerndns_tests::watched::Watched;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::{Api, Client, discovery};
use serde_json::{Value, json};

/// `deploy/`, or something in it.
fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../deploy")
        .join(path)
}

/// What a program renders: `kubectl` and `helm` are named by variables that `cargo xtask test` sets, or found in
/// `$PATH`.
fn rendered(variable: &str, program: &str, arguments: &[&OsStr]) -> Result<Vec<Value>> {
    let program = std::env::var_os(variable).unwrap_or_else(|| program.into());
    let output = Command::new(&program).args(arguments).output();
    let output = output.with_context(|| {
        format!(
            "{} does not start: `cargo xtask test` builds it, {variable} names another one",
            program.display()
        )
    })?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(serde_saphyr::from_multiple(&String::from_utf8(
        output.stdout,
    )?)?)
}

/// The objects of the base.
fn objects() -> Result<Vec<Value>> {
    rendered(
        "KUBECTL",
        "kubectl",
        &["kustomize".as_ref(), deploy("kustomize").as_ref()],
    )
}

/// The objects of the chart with some values.
fn chart(values: &[&str]) -> Result<Vec<Value>> {
    let chart = deploy("helm/kerndns");
    let mut arguments: Vec<&OsStr> = vec!["template".as_ref(), "kerndns".as_ref(), chart.as_ref()];
    arguments.extend(["--namespace", "kube-system"].map(OsStr::new));
    for value in values {
        arguments.extend(["--set", value].map(OsStr::new));
    }
    rendered("HELM", "helm", &arguments)
}

/// By kind, in an order of their own.
fn by_kind(objects: Vec<Value>) -> BTreeMap<String, Value> {
    let kind = |object: &Value| object["kind"].as_str().unwrap_or_default().to_owned();
    objects
        .into_iter()
        .map(|object| (kind(&object), object))
        .collect()
}

#[test]
fn the_base_and_the_chart_are_the_same_objects() -> Result<()> {
    assert_eq!(by_kind(chart(&[])?), by_kind(objects()?));
    Ok(())
}

#[test]
fn the_base_names_the_image_that_xtask_builds() -> Result<()> {
    let image =
        &by_kind(objects()?)["DaemonSet"]["spec"]["template"]["spec"]["containers"][0]["image"];
    assert_eq!(
        *image,
        concat!("localhost/kerndns:", env!("CARGO_PKG_VERSION"))
    );
    Ok(())
}

#[test]
fn each_value_of_the_chart_arrives_and_a_wrong_one_is_refused() -> Result<()> {
    let values = [
        "kernel=observe",
        "nodeSelector.pool=first",
        "metrics=0.0.0.0:9400",
        "despite={log}",
        "corefile=a",
        "maxUnavailable=1",
        "dnsService=dns/mine",
        "image.repository=r.example/k",
        "image.tag=t",
        "pods={veth*}",
    ];
    let objects = by_kind(chart(&values)?);
    assert_eq!(objects["ConfigMap"]["data"]["Corefile"], "a");
    let spec = &objects["DaemonSet"]["spec"];
    assert_eq!(spec["updateStrategy"]["rollingUpdate"]["maxUnavailable"], 1);
    let pod = &spec["template"]["spec"];
    assert_eq!(pod["nodeSelector"]["pool"], "first");
    assert_eq!(pod["volumes"][0]["configMap"], json!({"name": "kerndns"}));
    let container = &pod["containers"][0];
    assert_eq!(container["image"], "r.example/k:t");
    assert_eq!(
        container["livenessProbe"]["httpGet"],
        json!({"host": "", "port": 9400, "path": "/health"})
    );
    let expected = [
        "run",
        "--listen=none",
        "--kernel=observe",
        "--corefile=/etc/coredns/Corefile",
        "--metrics=0.0.0.0:9400",
        "--pods=veth*",
        "--service=dns/mine",
        "--despite=log",
    ];
    assert_eq!(container["args"], json!(expected));
    for wrong in ["kernel=maybe", "metrics=9353", "no-such-value=1"] {
        assert!(chart(&[wrong]).is_err(), "{wrong}");
    }
    Ok(())
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
            lines.contains(&format!(
                "may not {verb} namespaces, services and endpointslices: "
            )),
            "{lines}"
        );
        let whole = Patch::Merge(json!({"rules": role.rules}));
        roles
            .patch("kerndns", &PatchParams::default(), &whole)
            .await?;
    }
    Ok(())
}
