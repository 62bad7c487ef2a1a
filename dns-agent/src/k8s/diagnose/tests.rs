//! Errors as the client wraps them in, sentences out.

use rustls::pki_types::ServerName;

use super::*;

fn identity() -> Identity {
    Identity {
        server: "https://10.0.0.1:6443".into(),
        origin: "kubeconfig /k".into(),
        credential: "the token of user \"admin\" in kubeconfig /k".into(),
    }
}

fn status(code: u16, message: &str) -> kube::Error {
    let status = Status {
        code,
        message: message.into(),
        ..Status::default()
    };
    kube::Error::Api(Box::new(status))
}

/// As hyper has it: the TLS error in an I/O error in the connector's error.
fn tls_error(cause: rustls::Error) -> kube::Error {
    let inner = io::Error::new(io::ErrorKind::InvalidData, cause);
    kube::Error::Service(Box::new(io::Error::other(inner)))
}

fn explain(identity: &Identity, kind: Kind, error: &kube::Error) -> String {
    Cause::of(identity, kind, error).explain(identity, &[kind])
}

fn certificate(cause: CertificateError) -> String {
    let error = tls_error(rustls::Error::InvalidCertificate(cause));
    explain(&identity(), Kind::Service, &error)
}

#[test]
fn unauthorized_says_whose_token() {
    let message = explain(&identity(), Kind::Service, &status(401, "Unauthorized"));
    assert!(
        message.starts_with(
            "Unauthorized: the API server https://10.0.0.1:6443 does not accept \
             the token of user \"admin\" in kubeconfig /k"
        ),
        "{message}"
    );
}

#[test]
fn forbidden_says_which_verb_on_which_resource_in_which_role() {
    let text = "endpointslices.discovery.k8s.io is forbidden: User \"system:serviceaccount:a:b\" \
                cannot watch resource \"endpointslices\" in API group \"discovery.k8s.io\" at the \
                cluster scope: RBAC: clusterrole.rbac.authorization.k8s.io \"kerndns\" not found";
    let message = explain(&identity(), Kind::EndpointSlice, &status(403, text));
    assert_eq!(
        message,
        "Forbidden: user \"system:serviceaccount:a:b\" may not watch endpointslices (RBAC: \
         clusterrole.rbac.authorization.k8s.io \"kerndns\" not found): in the ClusterRole bound to \
         it (kerndns, in deploy/kustomize/rbac.yaml) the rule {apiGroups: [\"discovery.k8s.io\"], resources: \
         [\"endpointslices\"], verbs: [\"list\", \"watch\"]} is missing, or the binding is"
    );
    let text = "pods is forbidden: User \"u\" cannot list resource \"pods\" in API group \"\" at the cluster scope";
    for (kind, why) in [
        (Kind::Pod, "`pods verified`"),
        (Kind::LocalPod, "`autopath @kubernetes`"),
    ] {
        let message = explain(&identity(), kind, &status(403, text));
        let expected = format!(
            "Forbidden: user \"u\" may not list pods (for {why} of the Corefile): in the ClusterRole bound to it \
             (kerndns, in deploy/kustomize/rbac.yaml) the rule {{apiGroups: [\"\"], resources: [\"pods\"], "
        );
        assert!(message.starts_with(&expected), "{message}");
    }
    let odd = explain(
        &identity(),
        Kind::Service,
        &status(403, "a webhook says no"),
    );
    assert_eq!(odd, "Forbidden: a webhook says no");
}

#[test]
fn what_is_forbidden_of_several_kinds_is_one_message_with_a_rule_for_each_group() {
    let cause = Cause::Forbidden {
        user: "u".into(),
        verb: "watch".into(),
        found: String::new(),
    };
    let kinds = [Kind::Namespace, Kind::Service, Kind::EndpointSlice];
    assert_eq!(
        cause.explain(&identity(), &kinds),
        "Forbidden: user \"u\" may not watch namespaces, services and endpointslices: in the ClusterRole bound to it \
         (kerndns, in deploy/kustomize/rbac.yaml) the rules {apiGroups: [\"\"], resources: [\"namespaces\", \
         \"services\"], verbs: [\"list\", \"watch\"]} and {apiGroups: [\"discovery.k8s.io\"], resources: \
         [\"endpointslices\"], verbs: [\"list\", \"watch\"]} are missing, or the binding is"
    );
}

#[test]
fn a_wrong_ca_and_wrong_names_are_told_apart() {
    let unknown = certificate(CertificateError::UnknownIssuer);
    assert!(
        unknown.starts_with("wrong CA: the certificate of https://10.0.0.1:6443"),
        "{unknown}"
    );
    let names = certificate(CertificateError::NotValidForNameContext {
        expected: ServerName::try_from("10.0.0.1").unwrap(),
        presented: vec![
            "DnsName(\"kubernetes\")".into(),
            "IpAddress(10.96.0.1)".into(),
        ],
    });
    assert!(
        names.contains("is not for 10.0.0.1, only for kubernetes, 10.96.0.1: use one"),
        "{names}"
    );
    assert!(certificate(CertificateError::Expired).contains("has expired"));
}

#[test]
fn a_refused_connection_names_the_address_and_where_it_comes_from() {
    let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
    let error = kube::Error::Service(Box::new(io::Error::other(refused)));
    let message = explain(&identity(), Kind::Service, &error);
    assert!(
        message.starts_with("connection refused: nothing listens at https://10.0.0.1:6443"),
        "{message}"
    );
    assert!(message.contains("(from kubeconfig /k)"), "{message}");
}

#[test]
fn anything_else_is_told_with_its_causes() {
    let error = kube::Error::Service("the dog ate it".into());
    let message = explain(&identity(), Kind::Service, &error);
    assert!(
        message.ends_with(": ServiceError: the dog ate it"),
        "{message}"
    );
}
