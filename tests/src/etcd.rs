//! Kubernetes objects written straight into etcd, where an API server finds them: some thousands a second, against some
//! dozens by its own API. It reads JSON although it writes protobuf, and learns of them by its watch of etcd.
//!
//! etcd is spoken to by its gateway, JSON over HTTP with keys and values in Base64
//! (<https://etcd.io/docs/v3.6/dev-guide/api_grpc_gateway/>).

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// `--max-txn-ops`
const TOGETHER: usize = 128;

/// An etcd on loopback.
#[derive(Debug, Clone, Copy)]
pub struct Etcd(SocketAddr);

impl Etcd {
    /// At this client port.
    pub fn new(port: u16) -> Self {
        Self(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port))
    }

    /// Puts objects under their keys: `services/specs/NAMESPACE/NAME`, `endpointslices/...`, `namespaces/NAME`.
    pub fn put(&self, objects: &[(String, Value)]) -> Result<()> {
        for objects in objects.chunks(TOGETHER) {
            let puts: Vec<Value> = objects
                .iter()
                .map(|(key, object)| {
                    let key = STANDARD.encode(format!("/registry/{key}"));
                    let value = STANDARD.encode(object.to_string());
                    json!({"requestPut": {"key": key, "value": value}})
                })
                .collect();
            self.post("/v3/kv/txn", &json!({"success": puts}))?;
        }
        Ok(())
    }

    fn post(&self, path: &str, body: &Value) -> Result<()> {
        let mut stream = TcpStream::connect(self.0).context("etcd is not there")?;
        let body = body.to_string();
        let request = format!(
            "POST {path} HTTP/1.0\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.0,
            body.len()
        );
        stream.write_all(request.as_bytes())?;
        let mut response = String::new();
        stream.read_to_string(&mut response)?;
        let status = response.split(' ').nth(1);
        ensure!(status == Some("200"), "etcd says: {response}");
        Ok(())
    }
}
