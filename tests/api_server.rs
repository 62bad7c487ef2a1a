//! The watch against a real kube-apiserver: objects written there, events seen here.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use dns_agent::k8s::object::{Kind, Object, ServiceKind};
use k8s_openapi::api::core::v1::{Namespace, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kerndns_tests::api_server::{ADMIN, ApiServer, NOBODY};
use kerndns_tests::watched::Watched;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;

fn service(name: &str, spec: serde_json::Value) -> Service {
    let mut service = json!({"metadata": {"name": name}});
    service["spec"] = spec;
    serde_json::from_value(service).expect("a Service")
}

/// The number of published endpoints of an EndpointSlice, of anything else the highest number.
fn endpoints(object: Option<&Object>) -> usize {
    match object {
        Some(Object::EndpointSlice(slice)) => slice.endpoints.len(),
        _ => usize::MAX,
    }
}

async fn create_namespace(client: &Client, name: &str) -> Result<()> {
    let namespace = serde_json::from_value(json!({"metadata": {"name": name}}))?;
    let namespaces = Api::<Namespace>::all(client.clone());
    namespaces
        .create(&PostParams::default(), &namespace)
        .await?;
    Ok(())
}

/// Without a controller manager nobody empties a namespace that is deleted: its finalizer is taken
/// away by hand.
async fn end_namespace(client: &Client, name: &str) -> Result<()> {
    let namespaces = Api::<Namespace>::all(client.clone());
    namespaces.delete(name, &DeleteParams::default()).await?;
    let mut namespace = namespaces.get(name).await?;
    namespace.spec.get_or_insert_default().finalizers = None;
    namespaces
        .replace_subresource("finalize", name, &PostParams::default(), &namespace)
        .await?;
    Ok(())
}

#[tokio::test]
async fn services_slices_and_namespaces_are_followed() -> Result<()> {
    let server = ApiServer::start(&[]).await?;
    let client = server.client(ADMIN).await?;
    create_namespace(&client, "before").await?;
    let mut watched = Watched::start(&server.kubeconfig("admin", ADMIN)?).await?;
    watched.listed().await;
    assert!(watched.object(Kind::Namespace, "before").is_some());
    // The API server's own Service.
    watched
        .until(Kind::Service, "default/kubernetes", |object| {
            object.is_some()
        })
        .await;

    create_namespace(&client, "prod").await?;
    watched
        .until(Kind::Namespace, "prod", |object| object.is_some())
        .await;

    let services = Api::<Service>::namespaced(client.clone(), "prod");
    let written = Instant::now();
    let web = service(
        "web",
        json!({
            "ipFamilyPolicy": "RequireDualStack",
            "ports": [{"name": "http", "port": 80}],
        }),
    );
    services.create(&PostParams::default(), &web).await?;
    watched
        .until(Kind::Service, "prod/web", |object| object.is_some())
        .await;
    println!(
        "from the write of a Service to the event: {:?}",
        written.elapsed()
    );
    let Some(Object::Service(web)) = watched.object(Kind::Service, "prod/web") else {
        panic!("not a Service");
    };
    assert!(matches!(&web.kind, ServiceKind::ClusterIp(addresses) if addresses.len() == 2));
    assert_eq!((&*web.ports[0].name, web.ports[0].number), ("http", 80));

    let port = json!({"spec": {"ports": [{"name": "http", "port": 8080}]}});
    services
        .patch("web", &PatchParams::default(), &Patch::Merge(port))
        .await?;
    watched
        .until(
            Kind::Service,
            "prod/web",
            |object| matches!(object, Some(Object::Service(web)) if web.ports[0].number == 8080),
        )
        .await;

    let slices = Api::<EndpointSlice>::namespaced(client.clone(), "prod");
    let slice = |ready: bool| {
        json!({
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": "web-1", "labels": {"kubernetes.io/service-name": "web"}},
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": 8080}],
            "endpoints": [{"addresses": ["10.1.0.1"], "conditions": {"ready": ready}}],
        })
    };
    slices
        .create(
            &PostParams::default(),
            &serde_json::from_value(slice(true))?,
        )
        .await?;
    watched
        .until(Kind::EndpointSlice, "prod/web-1", |object| {
            endpoints(object) == 1
        })
        .await;
    let params = PatchParams::apply("test").force();
    slices
        .patch("web-1", &params, &Patch::Apply(slice(false)))
        .await?;
    watched
        .until(Kind::EndpointSlice, "prod/web-1", |object| {
            endpoints(object) == 0
        })
        .await;

    slices.delete("web-1", &DeleteParams::default()).await?;
    watched
        .until(Kind::EndpointSlice, "prod/web-1", |object| object.is_none())
        .await;
    services.delete("web", &DeleteParams::default()).await?;
    watched
        .until(Kind::Service, "prod/web", |object| object.is_none())
        .await;
    end_namespace(&client, "prod").await?;
    watched
        .until(Kind::Namespace, "prod", |object| object.is_none())
        .await;
    Ok(())
}

#[tokio::test]
async fn a_restart_of_the_api_server_is_told_and_loses_nothing() -> Result<()> {
    let mut server = ApiServer::start(&[]).await?;
    let mut watched = Watched::start(&server.kubeconfig("admin", ADMIN)?).await?;
    watched.listed().await;
    server.stop();
    watched.broken().await;
    server.resume().await?;
    // Most of this is written before the watches are back.
    let client = server.client(ADMIN).await?;
    create_namespace(&client, "meanwhile").await?;
    let services = Api::<Service>::namespaced(client.clone(), "default");
    services
        .create(
            &PostParams::default(),
            &service("new", json!({"clusterIP": "None"})),
        )
        .await?;
    watched.restored().await;
    watched
        .until(Kind::Namespace, "meanwhile", |object| object.is_some())
        .await;
    watched
        .until(Kind::Service, "default/new", |object| object.is_some())
        .await;
    Ok(())
}

#[tokio::test]
async fn a_server_without_streaming_lists_is_followed_too() -> Result<()> {
    let server = ApiServer::start(&["--feature-gates=WatchList=false"]).await?;
    let client = server.client(ADMIN).await?;
    create_namespace(&client, "before").await?;
    let mut watched = Watched::start(&server.kubeconfig("admin", ADMIN)?).await?;
    watched.listed().await;
    watched
        .until(Kind::Namespace, "before", |object| object.is_some())
        .await;
    create_namespace(&client, "after").await?;
    watched
        .until(Kind::Namespace, "after", |object| object.is_some())
        .await;
    Ok(())
}

/// The log of a watch that fails, after several attempts.
async fn complaints(kubeconfig: &Path) -> Result<Vec<String>> {
    Ok(Watched::start(kubeconfig).await?.complaints().await)
}

/// There is one line, and it starts so.
fn assert_said_once(lines: &[String], start: &str) {
    assert!(
        matches!(lines, [line] if line.starts_with(start)),
        "{lines:#?}"
    );
    println!("{}", lines[0]);
}

#[tokio::test]
async fn each_error_is_one_sentence_that_says_what_to_do() -> Result<()> {
    let mut server = ApiServer::start(&[]).await?;
    let url = format!("https://127.0.0.1:{}", server.port());

    let kubeconfig = server.kubeconfig("alice", "revoked")?;
    let whose = format!(
        "Unauthorized: the API server {url} does not accept the token of user \"alice\" in \
         kubeconfig {}",
        kubeconfig.display()
    );
    assert_said_once(&complaints(&kubeconfig).await?, &whose);

    let kubeconfig = server.kubeconfig("nobody", NOBODY)?;
    let lines = complaints(&kubeconfig).await?;
    let kinds = "namespaces, services and endpointslices";
    let forbidden = format!("Forbidden: user \"nobody\" may not watch {kinds}: ");
    assert_said_once(&lines, &forbidden);

    let other = server.other_authority();
    let kubeconfig = server.kubeconfig_for("admin", ADMIN, &url, &other)?;
    let wrong = format!("wrong CA: the certificate of {url} is not signed by");
    assert_said_once(&complaints(&kubeconfig).await?, &wrong);

    let localhost = format!("https://localhost:{}", server.port());
    let kubeconfig = server.kubeconfig_for("admin", ADMIN, &localhost, &server.authority())?;
    let names = format!(
        "the certificate of {localhost} is not for localhost, only for 127.0.0.1, kubernetes: "
    );
    assert_said_once(&complaints(&kubeconfig).await?, &names);

    let kubeconfig = server.kubeconfig("admin", ADMIN)?;
    server.stop();
    let mut watched = Watched::start(&kubeconfig).await?;
    watched.broken().await;
    let refused = format!("connection refused: nothing listens at {url};");
    assert_said_once(&watched.told().await, &refused);
    server.resume().await?;
    watched.restored().await;
    let last = watched.lines().pop();
    assert!(last.is_some_and(|line| line.starts_with("in touch with the API server")));
    Ok(())
}
