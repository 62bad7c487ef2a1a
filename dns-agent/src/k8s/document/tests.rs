//! Texts in, objects and mistakes out.

use super::*;

fn read_all(text: &str) -> Reading {
    read(text, &Needs::default())
}

fn keys(reading: &Reading) -> Vec<String> {
    let key = |object: &Object| format!("{:?} {}", object.kind(), object.key());
    reading.objects.iter().map(key).collect()
}

fn mistakes(reading: &Reading) -> Vec<String> {
    reading.mistakes.iter().map(ToString::to_string).collect()
}

const NAMESPACE: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: prod}\n";

#[test]
fn a_stream_of_documents_is_read_and_empty_ones_do_not_count() {
    let text = format!(
        "# a comment\n---\n{NAMESPACE}---\n---\nkind: Deployment\napiVersion: apps/v1\n---\n\
         apiVersion: v1\nkind: Service\nmetadata:\n  name: web\nspec:\n  clusterIP: None\n"
    );
    let reading = read_all(&text);
    assert_eq!(mistakes(&reading), [] as [&str; 0]);
    assert_eq!(keys(&reading), ["Namespace prod", "Service default/web"]);
}

#[test]
fn lists_are_their_items_also_where_the_items_leave_out_their_kind() {
    let list = r#"{"kind": "List", "apiVersion": "v1", "items": [
        {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "a"}},
        {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p"}}]}"#;
    assert_eq!(keys(&read_all(list)), ["Namespace a"]);
    let typed = r#"{"kind": "NamespaceList", "apiVersion": "v1", "metadata": {},
        "items": [{"metadata": {"name": "b"}}]}"#;
    assert_eq!(keys(&read_all(typed)), ["Namespace b"]);
    let nothing = read_all("{kind: List, apiVersion: v1, items: null}");
    assert!(nothing.objects.is_empty() && nothing.mistakes.is_empty());
}

#[test]
fn json_texts_may_follow_each_other() {
    let one = r#"{"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "a"}}"#;
    let two = one.replace("\"a\"", "\"b\"");
    assert_eq!(
        keys(&read_all(&format!("{one}\n{two}"))),
        ["Namespace a", "Namespace b"]
    );
}

#[test]
fn half_written_yaml_keeps_the_documents_before_it_and_names_the_line() {
    let text = format!("{NAMESPACE}---\napiVersion: v1\nkind: Service\nmetadata: {{name: [web\n");
    let reading = read_all(&text);
    assert_eq!(keys(&reading), ["Namespace prod"]);
    let [mistake] = &mistakes(&reading)[..] else {
        panic!("{:?}", reading.mistakes);
    };
    assert!(mistake.starts_with("document 2: "), "{mistake}");
    assert!(
        mistake.contains("line 7") || mistake.contains("line 8"),
        "{mistake}"
    );
    assert!(!mistake.contains('\n'), "{mistake}");
}

#[test]
fn half_written_json_is_a_mistake() {
    let reading = read_all(r#"{"kind": "Namespace", "apiVersion": "v1", "metadata": {"na"#);
    assert!(reading.objects.is_empty());
    assert_eq!(reading.mistakes.len(), 1);
}

#[test]
fn what_is_not_a_kubernetes_object_is_named_by_document() {
    let reading = read_all("- 1\n- 2\n---\nhello\n---\na: 1\n---\nkind: Service\nspec: {}\n");
    let expected = [
        "document 1: not a Kubernetes object: expected a mapping with apiVersion and kind, \
         found a sequence",
        "document 2: not a Kubernetes object: expected a mapping with apiVersion and kind, \
         found a scalar",
        "document 3: not a Kubernetes object: kind is missing",
        "document 4: not a Kubernetes object: apiVersion is missing",
    ];
    assert_eq!(mistakes(&reading), expected);
}

#[test]
fn a_field_of_the_wrong_shape_or_value_names_the_object() {
    let text = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: 80}\n---\n\
                apiVersion: v1\nkind: List\nitems:\n\
                - {apiVersion: v1, kind: Namespace, metadata: {name: ok}}\n\
                - {apiVersion: v1, kind: Service, metadata: {name: a.b}, spec: {}}\n";
    let reading = read_all(text);
    assert_eq!(keys(&reading), ["Namespace ok"]);
    let mistakes = mistakes(&reading);
    assert!(
        mistakes[0].starts_with("document 1: Service \"web\": invalid type"),
        "{mistakes:?}"
    );
    let second = "document 2, item 2: Service \"a.b\": metadata.name is \"a.b\", which is not";
    assert!(mistakes[1].starts_with(second), "{mistakes:?}");
}

#[test]
fn another_group_with_the_same_kind_is_passed_over_and_an_old_version_is_not() {
    let reading =
        read_all("apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: x}\n");
    assert!(reading.objects.is_empty() && reading.mistakes.is_empty());
    let old = read_all("apiVersion: discovery.k8s.io/v1beta1\nkind: EndpointSlice\n");
    assert!(mistakes(&old)[0].ends_with("write apiVersion: discovery.k8s.io/v1"));
}

#[test]
fn a_pod_with_an_address_is_one_of_the_cluster_and_one_of_its_node() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n";
    let address = "status: {podIPs: [{ip: 10.0.0.1}]}\n";
    let host = "spec: {hostNetwork: true}\n";
    let text = format!("{pod}{address}---\n{pod}{host}{address}---\n{pod}");
    let mut needs = Needs::default();
    (needs.pods, needs.local_pods) = (true, true);
    let reading = read(&text, &needs);
    assert_eq!(mistakes(&reading), [] as [&str; 0]);
    let expected = ["Pod default/p", "LocalPod default/p", "Pod default/p"];
    assert_eq!(keys(&reading), expected);
    let unusable = format!("{pod}status: {{podIPs: [{{ip: x}}]}}\n");
    let bad = read(&unusable, &needs);
    let expected =
        "document 1: Pod \"p\": status.podIPs[0].ip is \"x\", which is not an IP address";
    assert_eq!(mistakes(&bad), [expected]);
    let unasked = read_all(&unusable);
    assert!(unasked.objects.is_empty() && unasked.mistakes.is_empty());
}
