//! From the text of one manifest file (YAML 1.2 stream or JSON) to slim objects, each mistake with
//! the number of its document.
//!
//! What is read: `v1` Namespace and Service, `discovery.k8s.io/v1` EndpointSlice, where they are needed `v1` Pod and
//! `multicluster.x-k8s.io/v1alpha1` ServiceImport, and lists of them (`kind: List`, `ServiceList`, ...). Objects of
//! other kinds are passed over, so that the manifests of a whole application can be given as they are.

use k8s_openapi::Resource;
use k8s_openapi::api::core::v1::{Namespace, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use serde::de::DeserializeOwned;
use serde_json::Value;
use thiserror::Error;
use tracing::debug;

use super::import::ServiceImport;
use super::needs::Needs;
use super::object::Object;
use super::strip::pod::{AnyPod, LocalPod};
use super::strip::{Strip, StripError};

/// What a text says: the objects that are good, in order, and what is wrong with the rest.
#[derive(Debug, Default)]
pub struct Reading {
    /// The good ones.
    pub objects: Vec<Object>,
    /// One per document (or list item) that could not be used.
    pub mistakes: Vec<Mistake>,
}

/// What is wrong, and where in the file.
#[derive(Debug, PartialEq, Eq, Error)]
#[error("document {document}{}: {problem}", item.map(|item| format!(", item {item}")).unwrap_or_default())]
pub struct Mistake {
    /// Number of the document in the file, from 1, empty ones not counted.
    pub document: usize,
    /// Number of the item in a list, from 1.
    pub item: Option<usize>,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a document.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum Problem {
    /// Not YAML or JSON; the parser's message holds line and column.
    #[error("{0}")]
    Syntax(String),
    /// A scalar or a sequence.
    #[error("not a Kubernetes object: expected a mapping with apiVersion and kind, found {0}")]
    NotAMapping(&'static str),
    /// A mapping that does not say what it is.
    #[error("not a Kubernetes object: {0} is missing")]
    NoType(&'static str),
    /// A version of a watched kind that is no longer served.
    #[error("{kind} of {api_version} is not read: write apiVersion: {expected}")]
    Version {
        /// The kind.
        kind: String,
        /// The version found.
        api_version: String,
        /// The version that is read.
        expected: &'static str,
    },
    /// A field of the wrong type.
    #[error("{kind} {name:?}: {message}")]
    Shape {
        /// The kind.
        kind: &'static str,
        /// `metadata.name`, empty where there is none.
        name: String,
        /// What serde says.
        message: String,
    },
    /// A field whose value DNS cannot take.
    #[error("{kind} {name:?}: {error}")]
    Refused {
        /// The kind.
        kind: &'static str,
        /// `metadata.name`, empty where there is none.
        name: String,
        /// Which field.
        error: StripError,
    },
}

/// Reads a whole file; `needs` says what is kept of the objects.
pub fn read(text: &str, needs: &Needs) -> Reading {
    let mut reading = Reading::default();
    let mut number = 0;
    for document in documents(text) {
        number += 1;
        match document {
            Ok(value) => reading.document(number, value, needs),
            Err(message) => reading.mistakes.push(Mistake {
                document: number,
                item: None,
                problem: Problem::Syntax(message),
            }),
        }
    }
    reading
}

/// The documents of a YAML stream, or of JSON texts one after the other; ends after an error.
fn documents(text: &str) -> Box<dyn Iterator<Item = Result<Value, String>> + '_> {
    // JSON is YAML, but its own parser is ten times faster and has no ceiling on the nodes. A YAML
    // flow mapping also starts with a brace: it comes right on the second try.
    if text.trim_start().starts_with('{') {
        let values: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(text)
            .into_iter()
            .collect();
        if let Ok(values) = values {
            return Box::new(values.into_iter().map(Ok));
        }
    }
    // The ceilings of a configuration file: a List of 50,000 objects has several million nodes.
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_documents: 1_000_000,
            max_events: 100_000_000,
            max_nodes: 50_000_000,
        },
        with_snippet: false,
    };
    let mut octets = text.as_bytes();
    let values: Vec<Result<Value, String>> =
        serde_saphyr::read_with_options::<_, Value>(&mut octets, options)
            .map(|value| value.map_err(|error| one_line(&error.to_string())))
            .collect();
    Box::new(values.into_iter())
}

/// A log line is one line.
fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Reading {
    fn document(&mut self, document: usize, mut value: Value, needs: &Needs) {
        let listed = value.get("kind").and_then(Value::as_str).map(|kind| {
            let item_kind = kind.strip_suffix("List").unwrap_or_default();
            (kind.ends_with("List"), item_kind.to_owned())
        });
        let Some((true, item_kind)) = listed else {
            return self.object(document, None, value, needs);
        };
        let api_version = value.get("apiVersion").cloned().unwrap_or_default();
        let items = value.get_mut("items").map(Value::take);
        let Some(Value::Array(items)) = items.filter(|items| !items.is_null()) else {
            return; // An empty list: `items` may be null.
        };
        for (row, mut item) in items.into_iter().enumerate() {
            // The items of a typed list, as the API server sends it, leave out what the list says.
            if !item_kind.is_empty()
                && let Value::Object(fields) = &mut item
                && !fields.contains_key("kind")
            {
                fields.insert("kind".into(), item_kind.clone().into());
                fields.insert("apiVersion".into(), api_version.clone());
            }
            self.object(document, Some(row + 1), item, needs);
        }
    }

    fn object(&mut self, document: usize, item: Option<usize>, value: Value, needs: &Needs) {
        match object(value, needs) {
            Ok(object) => self.objects.extend(object),
            Err(problem) => self.mistakes.push(Mistake {
                document,
                item,
                problem,
            }),
        }
    }
}

/// What a document is to us: nothing, one object, or a pod, which is one of the cluster's and one of its node's.
fn object(value: Value, needs: &Needs) -> Result<Vec<Object>, Problem> {
    match &value {
        Value::Object(_) => {}
        Value::Array(_) => return Err(Problem::NotAMapping("a sequence")),
        _ => return Err(Problem::NotAMapping("a scalar")),
    }
    let text = |field| value.get(field).and_then(Value::as_str);
    let kind = text("kind").ok_or(Problem::NoType("kind"))?;
    let api_version = text("apiVersion").ok_or(Problem::NoType("apiVersion"))?;
    match (api_version, kind) {
        ("v1", "Namespace") => typed::<Namespace>(value, needs),
        ("v1", "Service") => typed::<Service>(with_namespace(value), needs),
        ("discovery.k8s.io/v1", "EndpointSlice") => {
            typed::<EndpointSlice>(with_namespace(value), needs)
        }
        (ServiceImport::API_VERSION, "ServiceImport") if needs.imports => {
            typed::<ServiceImport>(with_namespace(value), needs)
        }
        ("v1", "Pod") if needs.pods || needs.local_pods => {
            let value = with_namespace(value);
            let mut pods = typed::<AnyPod>(value.clone(), needs)?;
            pods.extend(typed::<LocalPod>(value, needs)?);
            Ok(pods)
        }
        ("discovery.k8s.io/v1beta1", "EndpointSlice") => Err(Problem::Version {
            kind: kind.into(),
            api_version: api_version.into(),
            expected: EndpointSlice::API_VERSION,
        }),
        _ => {
            debug!(
                kind,
                api_version, "passed over: DNS does not need this kind"
            );
            Ok(Vec::new())
        }
    }
}

/// An object without a namespace is in `default`, as kubectl has it.
fn with_namespace(mut value: Value) -> Value {
    if let Some(Value::Object(metadata)) = value.get_mut("metadata") {
        let namespace = metadata.entry("namespace").or_insert(Value::Null);
        if namespace.is_null() || namespace == "" {
            *namespace = "default".into();
        }
    }
    value
}

fn typed<K: Resource + DeserializeOwned + Strip>(
    value: Value,
    needs: &Needs,
) -> Result<Vec<Object>, Problem> {
    let name = value.pointer("/metadata/name").and_then(Value::as_str);
    let name = name.unwrap_or_default().to_owned();
    let whole: K = serde_json::from_value(value).map_err(|error| Problem::Shape {
        kind: K::KIND,
        name: name.clone(),
        message: error.to_string(),
    })?;
    let object = whole.wanted(needs).map_err(|error| Problem::Refused {
        kind: K::KIND,
        name,
        error,
    })?;
    Ok(object.into_iter().collect())
}

#[cfg(test)]
mod tests;
