//! The watch against a real kube-apiserver: objects written there, events seen here.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use dns_agent::k8s::connect::Connection;
use dns_agent::k8s::object::{Kind, Object, ServiceKind};
use dns_agent::k8s::{Event, Verb, watch};
use k8s_openapi::api::core::v1::{Namespace, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kerndns_tests::api_server::{ADMIN, ApiServer};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// The event stream of a watch, and the state that it adds up to.
struct Watched {
    events: mpsc::UnboundedReceiver<Event>,
    objects: HashMap<(Kind, String), Object>,
    lists: usize,
}

impl Watched {
    async fn start(server: &ApiServer, token: &str) -> Result<Self> {
        let kubeconfig = server.kubeconfig("watch", token)?;
        let connection = Connection::open(Some(&kubeconfig)).await?;
        let (sender, events) = mpsc::unbounded_channel();
        tokio::spawn(watch::run(connection, sender));
        Ok(Self {
            events,
            objects: HashMap::new(),
            lists: 0,
        })
    }

    /// Takes one event in; says how long it was under way from the source to here.
    async fn next(&mut self) -> Event {
        let event = timeout(Duration::from_secs(60), self.events.recv()).await;
        let event = event
            .expect("an event within a minute")
            .expect("a watch that goes on");
        match &event {
            Event::Change(Verb::Apply(object), _) => {
                let key = (object.kind(), object.key().to_string());
                self.objects.insert(key, object.clone());
            }
            Event::Change(Verb::Delete(kind, key), _) => {
                self.objects.remove(&(*kind, key.to_string()));
            }
            Event::Change(Verb::Reset(kind, keys), _) => {
                let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
                self.objects
                    .retain(|(of, key), _| of != kind || keys.contains(key));
                self.lists += 1;
            }
            Event::Broken(_) | Event::Restored(_) => {}
        }
        event
    }

    async fn listed(&mut self) {
        while self.lists < Kind::ALL.len() {
            self.next().await;
        }
    }

    /// Waits until the object is there and as wanted.
    async fn until(&mut self, kind: Kind, key: &str, wanted: impl Fn(Option<&Object>) -> bool) {
        while !wanted(self.objects.get(&(kind, key.into()))) {
            self.next().await;
        }
    }
}

fn service(name: &str, spec: serde_json::Value) -> Service {
    let mut service = json!({"metadata": {"name": name}});
    service["spec"] = spec;
    serde_json::from_value(service).expect("a Service")
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
    let mut watched = Watched::start(&server, ADMIN).await?;
    watched.listed().await;
    assert!(
        watched
            .objects
            .contains_key(&(Kind::Namespace, "before".into()))
    );
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
        json!({"ports": [{"name": "http", "port": 80}],
        "ipFamilyPolicy": "RequireDualStack"}),
    );
    services.create(&PostParams::default(), &web).await?;
    watched
        .until(Kind::Service, "prod/web", |object| object.is_some())
        .await;
    println!(
        "from the write of a Service to the event: {:?}",
        written.elapsed()
    );
    let Some(Object::Service(web)) = watched.objects.get(&(Kind::Service, "prod/web".into()))
    else {
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
    let endpoints = |count| move |object: Option<&Object>| matches!(object, Some(Object::EndpointSlice(slice)) if slice.endpoints.len() == count);
    watched
        .until(Kind::EndpointSlice, "prod/web-1", endpoints(1))
        .await;
    let params = PatchParams::apply("test").force();
    slices
        .patch("web-1", &params, &Patch::Apply(slice(false)))
        .await?;
    watched
        .until(Kind::EndpointSlice, "prod/web-1", endpoints(0))
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
    let mut watched = Watched::start(&server, ADMIN).await?;
    watched.listed().await;
    server.stop();
    let mut broken = Vec::new();
    while broken.len() < Kind::ALL.len() {
        if let Event::Broken(kind) = watched.next().await {
            broken.push(kind);
        }
    }
    broken.sort_unstable();
    assert_eq!(broken, Kind::ALL);
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
    let mut restored = Vec::new();
    while restored.len() < Kind::ALL.len() {
        if let Event::Restored(kind) = watched.next().await {
            restored.push(kind);
        }
    }
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
    let mut watched = Watched::start(&server, ADMIN).await?;
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
