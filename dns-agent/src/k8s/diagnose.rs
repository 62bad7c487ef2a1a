//! From an error of the API client to a sentence for the person who must act.
//!
//! The client wraps the cause several times, and the outermost text is only "client error
//! (Connect)"; what matters is at the bottom: the system's error, the certificate's
//! (RFC 5280, RFC 9525), or the server's `Status`.

use std::error::Error;
use std::io;

use kube::core::Status;
use rustls::CertificateError;

use super::connect::Identity;
use super::object::Kind;

/// What failed when `kind` was listed or watched, why, and what to do about it.
pub fn explain(identity: &Identity, kind: Kind, error: &kube::Error) -> String {
    let Identity {
        server,
        origin,
        credential,
    } = identity;
    if let kube::Error::Api(status) = error {
        return match status.code {
            401 => format!(
                "Unauthorized: the API server {server} does not accept {credential}: it is \
                 expired, revoked or of another cluster"
            ),
            403 => forbidden(kind, status),
            404 if kind == Kind::ServiceImport => format!(
                "the API server {server} has no ServiceImports: the CustomResourceDefinition of the \
                 Multi-Cluster Services API (multicluster.x-k8s.io/v1alpha1) is not installed; until it \
                 is, the zones of `multicluster` have no Services"
            ),
            code => format!(
                "the API server {server} answers {code} for {}: {}",
                kind.plural(),
                status.message
            ),
        };
    }
    if let Some(cause) = find::<rustls::Error>(error) {
        return tls(server, origin, cause);
    }
    match find_io(error) {
        Some(io::ErrorKind::ConnectionRefused) => format!(
            "connection refused: nothing listens at {server}; is the API server running, and is \
             this its address (from {origin})?"
        ),
        Some(io::ErrorKind::TimedOut) => format!(
            "no reply from {server}: is a network policy or firewall in the way, and is this the \
             API server's address (from {origin})?"
        ),
        _ => format!(
            "no connection to {server} (from {origin}): {}",
            chain(error)
        ),
    }
}

/// The texts of an error and of its causes, each said once.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// 403: the message reads `services is forbidden: User "u" cannot watch resource "services" in API
/// group "" at the cluster scope`, and may go on with what the authorizer found missing.
fn forbidden(kind: Kind, status: &Status) -> String {
    let message = &status.message;
    let quoted = |after: &str| {
        let (_, rest) = message.split_once(after)?;
        rest.split_once('"').map(|(text, _)| text)
    };
    let verb = message
        .split_once("\" cannot ")
        .and_then(|(_, rest)| rest.split_once(' '))
        .map(|(verb, _)| verb);
    let (Some(user), Some(verb)) = (quoted("User \""), verb) else {
        return format!("Forbidden: {message}");
    };
    let group = kind.group();
    let plural = kind.plural();
    let found = match message.split_once("RBAC: ") {
        Some((_, found)) => format!(" (RBAC: {found})"),
        None => String::new(),
    };
    let why = match kind {
        Kind::Pod => " (for `pods verified` of the Corefile)",
        Kind::LocalPod => " (for `autopath @kubernetes` of the Corefile)",
        Kind::Namespace | Kind::Service | Kind::EndpointSlice | Kind::ServiceImport => "",
    };
    format!(
        "Forbidden: user {user:?} may not {verb} {plural}{why}{found}: in the ClusterRole bound to it \
         (kerndns, in deploy/kustomize/rbac.yaml) the rule {{apiGroups: [{group:?}], resources: \
         [{plural:?}], verbs: [\"list\", \"watch\"]}} is missing, or the binding is"
    )
}

fn tls(server: &str, origin: &str, cause: &rustls::Error) -> String {
    let rustls::Error::InvalidCertificate(cause) = cause else {
        return format!("TLS with {server} fails: {cause}");
    };
    match cause {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => format!(
            "wrong CA: the certificate of {server} is not signed by the certificate authority in \
             {origin}; take the cluster's current one (kube-root-ca.crt), or the address is that \
             of another cluster"
        ),
        CertificateError::NotValidForNameContext {
            expected,
            presented,
        } => format!(
            "the certificate of {server} is not for {}, only for {}: use one of these names as \
             address in {origin}, or add the name to the certificate (--apiserver-cert-extra-sans)",
            expected.to_str(),
            names(presented)
        ),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            format!("the certificate of {server} has expired: renew it, or set this node's clock")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            format!("the certificate of {server} is not valid yet: set this node's clock")
        }
        other => format!("the certificate of {server} is not valid: {other}"),
    }
}

/// rustls lists `DnsName("kubernetes")` and `IpAddress(10.96.0.1)`.
fn names(presented: &[String]) -> String {
    if presented.is_empty() {
        return "no name at all".into();
    }
    let bare = presented.iter().map(|name| {
        let inner = name
            .split_once('(')
            .and_then(|(_, rest)| rest.strip_suffix(')'));
        inner.unwrap_or(name).trim_matches('"')
    });
    bare.collect::<Vec<_>>().join(", ")
}

/// The first cause of type `E`.
fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    if let Some(found) = error.downcast_ref::<E>() {
        return Some(found);
    }
    // `io::Error::source` skips the error that it wraps.
    let wrapped = error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref);
    if let Some(wrapped) = wrapped {
        return find::<E>(wrapped);
    }
    find::<E>(error.source()?)
}

/// The kind of the innermost system error that has one worth telling.
fn find_io(error: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    let here = error.downcast_ref::<io::Error>();
    let inner = match here.and_then(io::Error::get_ref) {
        Some(wrapped) => find_io(wrapped),
        None => error.source().and_then(find_io),
    };
    inner.or_else(|| here.map(io::Error::kind))
}

#[cfg(test)]
mod tests;
