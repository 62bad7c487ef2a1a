//! Kubernetes objects to keys of etcd, many in a transaction, through its JSON gateway (etcd 3.6, `/v3/kv/txn`).

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

/// How many operations etcd takes in a transaction, by default.
const AT_ONCE: usize = 128;

/// Writes Namespaces, Services and EndpointSlices to the etcd at this port of the loopback interface, where an API server
/// looks for them. It reads JSON as well as what it writes itself.
pub(crate) fn put(port: u16, objects: &[Value]) -> Result<()> {
    for chunk in objects.chunks(AT_ONCE) {
        let operations = chunk.iter().map(|object| {
            let key = BASE64.encode(key(object)?);
            let value = BASE64.encode(object.to_string());
            Ok(json!({"requestPut": {"key": key, "value": value}}))
        });
        let operations: Vec<Value> = operations.collect::<Result<_>>()?;
        post(port, &json!({"success": operations}).to_string())?;
    }
    Ok(())
}

fn key(object: &Value) -> Result<String> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let kind = text(&object["kind"]).context("an object without a kind")?;
    let name = text(&object["metadata"]["name"]).context("an object without a name")?;
    let namespace = text(&object["metadata"]["namespace"]).unwrap_or_default();
    Ok(match &*kind {
        "Namespace" => format!("/registry/namespaces/{name}"),
        "Service" => format!("/registry/services/specs/{namespace}/{name}"),
        "EndpointSlice" => format!("/registry/endpointslices/{namespace}/{name}"),
        _ => anyhow::bail!("where etcd has a {kind} is not known here"),
    })
}

fn post(port: u16, body: &str) -> Result<()> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    write!(
        stream,
        "POST /v3/kv/txn HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    ensure!(
        response.split(' ').nth(1) == Some("200") && response.contains("\"succeeded\":true"),
        "etcd refused a transaction: {response}"
    );
    Ok(())
}
