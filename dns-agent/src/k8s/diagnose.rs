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

/// What failed when kinds were listed or watched; the same for several kinds where one thing keeps them all from us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cause {
    /// 403 of the RBAC authorizer.
    Forbidden {
        /// Who may not.
        user: String,
        /// May not do what.
        verb: String,
        /// What the authorizer found missing; may be empty.
        found: String,
    },
    /// Another error that the API server answers.
    Status {
        /// The HTTP status.
        code: u16,
        /// The server's words.
        message: String,
    },
    /// All else, in a sentence.
    Other(String),
}

impl Cause {
    /// What is behind `error`, met with `kind`.
    pub(super) fn of(identity: &Identity, kind: Kind, error: &kube::Error) -> Self {
        let Identity {
            server,
            origin,
            credential,
        } = identity;
        if let kube::Error::Api(status) = error {
            return match status.code {
                401 => Self::Other(format!(
                    "Unauthorized: the API server {server} does not accept {credential}: it is \
                     expired, revoked or of another cluster"
                )),
                403 => forbidden(status),
                404 if kind == Kind::ServiceImport => Self::Other(format!(
                    "the API server {server} has no ServiceImports: the CustomResourceDefinition of the \
                     Multi-Cluster Services API (multicluster.x-k8s.io/v1alpha1) is not installed; until it \
                     is, the zones of `multicluster` have no Services"
                )),
                code => Self::Status {
                    code,
                    message: status.message.clone(),
                },
            };
        }
        if let Some(cause) = find::<rustls::Error>(error) {
            return Self::Other(tls(server, origin, cause));
        }
        Self::Other(match find_io(error) {
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
        })
    }

    /// What failed, for which `kinds`, why, and what to do about it.
    pub(super) fn explain(&self, identity: &Identity, kinds: &[Kind]) -> String {
        match self {
            Self::Forbidden { user, verb, found } => {
                let why = kinds.iter().map(|kind| match kind {
                    Kind::Pod => "pods (for `pods verified` of the Corefile)",
                    Kind::LocalPod => "pods (for `autopath @kubernetes` of the Corefile)",
                    kind => kind.plural(),
                });
                format!(
                    "Forbidden: user {user:?} may not {verb} {}{found}: in the ClusterRole bound to it (kerndns, in \
                     deploy/kustomize/rbac.yaml) {} missing, or the binding is",
                    and(why),
                    rules(kinds)
                )
            }
            Self::Status { code, message } => format!(
                "the API server {} answers {code} for {}: {message}",
                identity.server,
                and(kinds.iter().map(|kind| kind.plural()))
            ),
            Self::Other(sentence) => sentence.clone(),
        }
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
fn forbidden(status: &Status) -> Cause {
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
        return Cause::Other(format!("Forbidden: {message}"));
    };
    let found = message.split_once("RBAC: ");
    Cause::Forbidden {
        user: user.to_owned(),
        verb: verb.to_owned(),
        found: found.map_or_else(String::new, |(_, found)| format!(" (RBAC: {found})")),
    }
}

/// The rules of a ClusterRole that let one list and watch `kinds`, one per API group, with their verb.
fn rules(kinds: &[Kind]) -> String {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for kind in kinds {
        let (group, plural) = (kind.group(), kind.plural());
        match groups.iter_mut().find(|(other, _)| *other == group) {
            Some((_, plurals)) if plurals.contains(&plural) => {}
            Some((_, plurals)) => plurals.push(plural),
            None => groups.push((group, vec![plural])),
        }
    }
    let rules = groups.iter().map(|(group, plurals)| {
        format!("{{apiGroups: [{group:?}], resources: {plurals:?}, verbs: [\"list\", \"watch\"]}}")
    });
    let (noun, verb) = match groups.len() {
        1 => ("rule", "is"),
        _ => ("rules", "are"),
    };
    format!("the {noun} {} {verb}", and(rules))
}

/// `a`, `a and b`, `a, b and c`.
fn and<T: Into<String>>(items: impl Iterator<Item = T>) -> String {
    let mut items: Vec<String> = items.map(Into::into).collect();
    let last = items.pop().unwrap_or_default();
    if items.is_empty() {
        return last;
    }
    format!("{} and {last}", items.join(", "))
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
