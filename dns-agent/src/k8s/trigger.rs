//! An EndpointSlice's annotation to the time of the change that it tells of: the start of the
//! [DNS programming latency].
//!
//! [DNS programming latency]: https://github.com/kubernetes/community/blob/master/sig-scalability/slos/dns_programming_latency.md

use std::time::SystemTime;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp;

use super::object::ObjectKey;
use super::strip::SERVICE_NAME;

/// The annotation, with a time by RFC 3339. The control plane sets it when a Pod or a Service had the slice changed, and
/// takes it off when something else had.
const TRIGGER: &str = "endpoints.kubernetes.io/last-change-trigger-time";

/// The Service whose endpoints changed, and when; `None` without the annotation, or where it is no time.
pub(super) fn of(meta: &ObjectMeta) -> Option<(ObjectKey, SystemTime)> {
    let at: Timestamp = meta.annotations.as_ref()?.get(TRIGGER)?.parse().ok()?;
    let service = meta.labels.as_ref()?.get(SERVICE_NAME)?;
    let namespace = meta.namespace.as_deref()?;
    let key = ObjectKey::new(
        &namespace.to_ascii_lowercase(),
        &service.to_ascii_lowercase(),
    );
    Some((key, at.into()))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn meta(time: &str, label: &str) -> ObjectMeta {
        serde_json::from_value(serde_json::json!({
            "namespace": "prod",
            "annotations": {TRIGGER: time},
            "labels": {label: "web"},
        }))
        .unwrap()
    }

    #[test]
    fn the_time_is_that_of_the_annotation_to_the_nanosecond() {
        let expected = UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_789);
        let key = ObjectKey::new("prod", "web");
        let found = of(&meta("2023-11-14T22:13:20.123456789Z", SERVICE_NAME));
        assert_eq!(found, Some((key.clone(), expected)));
        let found = of(&meta("2023-11-14T23:13:20.123456789+01:00", SERVICE_NAME));
        assert_eq!(found, Some((key, expected)));
    }

    #[test]
    fn a_slice_of_no_service_and_a_time_that_is_none_tell_nothing() {
        assert_eq!(of(&meta("yesterday", SERVICE_NAME)), None);
        assert_eq!(of(&meta("2023-11-14T22:13:20Z", "app")), None);
        assert_eq!(of(&ObjectMeta::default()), None);
    }
}
