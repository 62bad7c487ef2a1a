//! Which API server is followed, as whom, and how hard it may be asked.

use std::path::PathBuf;
use std::time::Duration;

use kube::Client;
use kube::client::ClientBuilder;
use kube::config::Kubeconfig;
use tower::limit::{ConcurrencyLimitLayer, RateLimitLayer};
use tower::util::option_layer;

/// What a Corefile says of the API server; by default nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Target {
    /// `kubeconfig`; `endpoint` and `tls` count for nothing beside it.
    pub kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig, its current one unless said.
    pub context: Option<String>,
    /// `endpoint`: the URL.
    pub endpoint: Option<String>,
    /// `tls`, for `endpoint`.
    pub tls: Option<Tls>,
    /// `apiserver_qps`, `apiserver_burst`, `apiserver_max_inflight`
    pub limits: Limits,
}

/// `tls`: files in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The client's certificate.
    pub certificate: String,
    /// The client's key.
    pub key: String,
    /// The certificate authority that the server's certificate is signed by.
    pub authority: String,
}

/// How many requests the API server is sent; `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// The mean time between two requests, at least.
    pub interval: Option<Duration>,
    /// How many requests may be sent at once, where there is an interval.
    pub burst: Option<u64>,
    /// How many requests may wait for their response's head. A watch is one until it starts.
    pub in_flight: Option<usize>,
}

/// client-go's, for a limit of which the Corefile says one half.
const INTERVAL: Duration = Duration::from_millis(200);
const BURST: u64 = 10;

impl Limits {
    /// A client of these limits.
    pub(super) fn client(self, config: kube::Config) -> Result<Client, kube::Error> {
        let rate = self
            .rate()
            .map(|(burst, per)| RateLimitLayer::new(burst, per));
        let in_flight = self.in_flight.map(ConcurrencyLimitLayer::new);
        let builder = ClientBuilder::try_from(config)?;
        let builder = builder.with_layer(&option_layer(rate));
        Ok(builder.with_layer(&option_layer(in_flight)).build())
    }

    /// So many requests in so much time.
    fn rate(self) -> Option<(u64, Duration)> {
        if self.interval.is_none() && self.burst.is_none() {
            return None;
        }
        let burst = self.burst.unwrap_or(BURST).max(1);
        let per = self.interval.unwrap_or(INTERVAL);
        Some((
            burst,
            per.saturating_mul(u32::try_from(burst).unwrap_or(u32::MAX)),
        ))
    }
}

impl Target {
    /// `endpoint` and `tls` as a kubeconfig of one context.
    pub(super) fn as_kubeconfig(&self) -> Option<Kubeconfig> {
        let server = self.endpoint.as_ref()?;
        let mut cluster = serde_json::json!({"server": server});
        let mut user = serde_json::json!({});
        if let Some(tls) = &self.tls {
            cluster["certificate-authority"] = tls.authority.clone().into();
            user["client-certificate"] = tls.certificate.clone().into();
            user["client-key"] = tls.key.clone().into();
        }
        let kubeconfig = serde_json::json!({
            "current-context": "endpoint",
            "clusters": [{"name": "endpoint", "cluster": cluster}],
            "contexts": [{"name": "endpoint", "context": {"cluster": "endpoint", "user": "tls"}}],
            "users": [{"name": "tls", "user": user}],
        });
        serde_json::from_value(kubeconfig).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_half_of_a_rate_that_is_not_said_is_that_of_client_go() {
        let rate = |interval, burst| {
            let in_flight = None;
            Limits {
                interval,
                burst,
                in_flight,
            }
            .rate()
        };
        let seconds = Duration::from_secs;
        assert_eq!(rate(None, None), None);
        assert_eq!(rate(Some(seconds(1)), None), Some((10, seconds(10))));
        assert_eq!(rate(None, Some(20)), Some((20, seconds(4))));
        assert_eq!(rate(Some(seconds(2)), Some(1)), Some((1, seconds(2))));
    }

    #[test]
    fn an_endpoint_with_certificates_is_a_kubeconfig_of_one_context() {
        let target = Target {
            endpoint: Some("https://192.0.2.1:6443".into()),
            tls: Some(Tls {
                certificate: "/c".into(),
                key: "/k".into(),
                authority: "/ca".into(),
            }),
            ..Target::default()
        };
        let kubeconfig = target.as_kubeconfig().unwrap();
        let cluster = kubeconfig.clusters[0].cluster.as_ref().unwrap();
        assert_eq!(cluster.server.as_deref(), Some("https://192.0.2.1:6443"));
        assert_eq!(cluster.certificate_authority.as_deref(), Some("/ca"));
        let user = kubeconfig.auth_infos[0].auth_info.as_ref().unwrap();
        assert_eq!(user.client_key.as_deref(), Some("/k"));
        assert!(Target::default().as_kubeconfig().is_none());
    }
}
