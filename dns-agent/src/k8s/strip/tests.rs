//! Whole objects in, slim ones out.

use k8s_openapi::api::core::v1::{Namespace, Service as WholeService};
use k8s_openapi::api::discovery::v1::EndpointSlice as WholeSlice;
use serde_json::json;

use super::*;
use crate::k8s::needs::Seen;

fn service(name: &str, spec: serde_json::Value) -> Result<Option<Object>, StripError> {
    let mut value = json!({"metadata": {"name": name, "namespace": "ns"}});
    value["spec"] = spec;
    serde_json::from_value::<WholeService>(value)
        .unwrap()
        .strip(&Needs::default())
}

fn kind(spec: serde_json::Value) -> ServiceKind {
    match service("web", spec).unwrap() {
        Some(Object::Service(service)) => service.kind,
        other => panic!("{other:?} is not a Service"),
    }
}

fn slice(fields: serde_json::Value) -> Result<Option<Object>, StripError> {
    slice_for(&Needs::default(), fields)
}

fn slice_for(needs: &Needs, fields: serde_json::Value) -> Result<Option<Object>, StripError> {
    let mut value = json!({
        "metadata": {"name": "web-1", "namespace": "ns", "labels": {SERVICE_NAME: "Web"}},
        "addressType": "IPv4",
        "endpoints": [],
    });
    let serde_json::Value::Object(fields) = fields else {
        panic!("{fields} is not a mapping");
    };
    value.as_object_mut().unwrap().extend(fields);
    serde_json::from_value::<WholeSlice>(value)
        .unwrap()
        .strip(needs)
}

fn endpoints(rows: serde_json::Value) -> Vec<Endpoint> {
    endpoints_for(&Needs::default(), rows)
}

fn endpoints_for(needs: &Needs, rows: serde_json::Value) -> Vec<Endpoint> {
    let mut fields = json!({});
    fields["endpoints"] = rows;
    match slice_for(needs, fields).unwrap() {
        Some(Object::EndpointSlice(slice)) => slice.endpoints.into_vec(),
        other => panic!("{other:?} is not an EndpointSlice"),
    }
}

#[test]
fn the_kind_of_a_service_follows_its_cluster_ips_and_type() {
    let both = json!({"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1", "fd00::1"]});
    let addresses = vec!["10.0.0.1".parse().unwrap(), "fd00::1".parse().unwrap()];
    assert_eq!(kind(both), ServiceKind::ClusterIp(addresses));
    let one = ServiceKind::ClusterIp(vec!["10.0.0.1".parse().unwrap()]);
    assert_eq!(kind(json!({"clusterIP": "10.0.0.1"})), one);
    assert_eq!(kind(json!({"clusterIP": "None"})), ServiceKind::Headless);
    assert_eq!(kind(json!({"clusterIPs": ["None"]})), ServiceKind::Headless);
    let pending = ServiceKind::ClusterIp(vec![]);
    assert_eq!(kind(json!({"clusterIP": "", "clusterIPs": [""]})), pending);
    assert_eq!(kind(json!({})), pending);
    let external = json!({"type": "ExternalName", "externalName": "Example.ORG."});
    assert_eq!(
        kind(external),
        ServiceKind::ExternalName("Example.ORG".into())
    );
}

#[test]
fn names_are_lower_cased_and_ports_keep_their_numbers() {
    let ports = json!([{"name": "HTTP", "port": 80}, {"protocol": "UDP", "port": 53}]);
    let Some(Object::Service(web)) = service("Web", json!({"ports": ports})).unwrap() else {
        panic!("not a Service");
    };
    assert_eq!(web.key, ObjectKey::new("ns", "web"));
    let port = |name: &str, protocol, number| Port {
        name: name.into(),
        protocol,
        number,
    };
    let expected = [port("http", Protocol::Tcp, 80), port("", Protocol::Udp, 53)];
    assert_eq!(web.ports, expected);
}

#[test]
fn a_thousand_ports_are_a_thousand_ports() {
    let ports: Vec<_> = (1..=1000)
        .map(|n| json!({"name": format!("p{n}"), "port": n}))
        .collect();
    let Some(Object::Service(web)) = service("web", json!({"ports": ports})).unwrap() else {
        panic!("not a Service");
    };
    assert_eq!(web.ports.len(), 1000);
}

#[test]
fn absurd_values_are_refused_by_the_name_of_their_field() {
    let told = |result: Result<Option<Object>, StripError>| result.unwrap_err().to_string();
    for name in ["a.b", "-a", "a_b", "*", &"x".repeat(64)] {
        assert!(
            told(service(name, json!({}))).starts_with("metadata.name is "),
            "{name}"
        );
    }
    assert_eq!(told(service("", json!({}))), "metadata.name is missing");
    let far = json!({"ports": [{"port": 80}, {"port": 70_000}]});
    assert!(told(service("web", far)).starts_with("spec.ports[1].port is 70000"));
    assert!(told(service("web", json!({"ports": [{"port": 0}]}))).contains("between 1 and 65535"));
    let odd = json!({"ports": [{"port": 1, "protocol": "ICMP"}]});
    assert!(told(service("web", odd)).contains("none of TCP, UDP and SCTP"));
    let address = json!({"clusterIPs": ["10.0.0.256"]});
    assert!(told(service("web", address)).starts_with("spec.clusterIPs[0] is \"10.0.0.256\""));
    let external = json!({"type": "ExternalName", "externalName": "a..b"});
    assert!(told(service("web", external)).starts_with("spec.externalName is"));
    let bare: WholeService = serde_json::from_value(json!({"metadata": {"name": "x"}})).unwrap();
    assert_eq!(
        told(bare.strip(&Needs::default())),
        "metadata.namespace is missing"
    );
    let hostname = json!([{"addresses": ["10.0.0.1"], "hostname": "a.b"}]);
    let hostname = slice(json!({"endpoints": hostname}));
    assert!(told(hostname).starts_with("endpoints[0].hostname is"));
}

#[test]
fn endpoints_are_published_unless_they_say_that_they_are_not_ready() {
    let rows = endpoints(json!([
        {"addresses": ["10.0.0.1"]},
        {"addresses": ["10.0.0.2"], "conditions": {"ready": true}},
        {"addresses": ["10.0.0.3"], "conditions": {"ready": false, "serving": true}},
        {"addresses": ["10.0.0.4"], "conditions": {"serving": false}},
    ]));
    let addresses: Vec<String> = rows
        .iter()
        .map(|row| row.addresses[0].to_string())
        .collect();
    assert_eq!(addresses, ["10.0.0.1", "10.0.0.2", "10.0.0.4"]);
}

#[test]
fn an_endpoint_keeps_its_hostname_and_its_pod_where_it_is_needed() {
    let rows = json!([
        {"addresses": ["10.0.0.1"], "hostname": "DB-0", "targetRef": {"kind": "Pod", "name": "db-0"}},
        {"addresses": ["10.0.0.2"], "hostname": "", "targetRef": {"kind": "Node", "name": "n"}},
    ]);
    assert_eq!(endpoints(rows.clone())[0].pod, None);
    let mut needs = Needs::default();
    needs.pod_names = true;
    let rows = endpoints_for(&needs, rows);
    assert_eq!(rows[0].hostname.as_deref(), Some("db-0"));
    assert_eq!(rows[0].pod.as_deref(), Some("db-0"));
    assert_eq!((&rows[1].hostname, &rows[1].pod), (&None, &None));
}

#[test]
fn pods_with_an_address_in_common_stay_apart() {
    let pod = |address: &str, name: &str| json!({"addresses": [address], "targetRef": {"kind": "Pod", "name": name}});
    let rows = endpoints(json!([
        pod("10.0.0.1", "old"),
        pod("10.0.0.1", "new"),
        pod("10.0.0.2", "alone"),
    ]));
    let pods: Vec<Option<&str>> = rows.iter().map(|row| row.pod.as_deref()).collect();
    assert_eq!(pods, [Some("old"), Some("new"), None]);
}

#[test]
fn a_slice_names_its_service_and_a_nil_port_is_0() {
    let stripped = slice(json!({"ports": [{"name": "any"}]})).unwrap();
    let Some(Object::EndpointSlice(slice)) = stripped else {
        panic!("not an EndpointSlice");
    };
    assert_eq!(slice.service.as_deref(), Some("web"));
    assert_eq!(slice.ports[0].number, 0);
}

#[test]
fn slices_of_no_service_and_of_fqdns_say_nothing() {
    let unlabelled = json!({"metadata": {"name": "x", "namespace": "ns"}});
    assert_eq!(slice(unlabelled), Ok(None));
    let fqdn = json!({"addressType": "FQDN", "endpoints": [{"addresses": ["example.org"]}]});
    assert_eq!(slice(fqdn), Ok(None));
}

#[test]
fn a_namespace_is_its_name() {
    let whole: Namespace = serde_json::from_value(json!({"metadata": {"name": "Prod"}})).unwrap();
    let key = ObjectKey::new("", "prod");
    let seen = Seen::ALL;
    let slim = Object::Namespace(super::Namespace { key, seen });
    assert_eq!(whole.strip(&Needs::default()), Ok(Some(slim)));
}
