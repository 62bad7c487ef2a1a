//! A number of Services, each with a name and an address that follow from its number; and how often each is asked for.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// Services to a namespace.
const NEIGHBOURS: u32 = 100;

/// How names are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Drawn {
    /// The k-th most popular name k times as seldom as the first: what is asked on the Internet and in clusters.
    Zipf,
    /// Each name as often as any other: the worst for caches.
    Uniform,
}

impl Drawn {
    /// What the table calls it.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Drawn::Zipf => "Zipf s=1",
            Drawn::Uniform => "uniform",
        }
    }
}

/// Whose name a Service has.
pub(crate) fn name(number: u32) -> String {
    format!(
        "{}.{}.svc.cluster.local",
        service(number),
        namespace(number / NEIGHBOURS)
    )
}

/// The ClusterIP of a Service, within 10.128.0.0/9.
pub(crate) fn address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::new(10, 128, 0, 1).to_bits() + number)
}

fn service(number: u32) -> String {
    format!("service-{number:07}")
}

fn namespace(number: u32) -> String {
    format!("team-{number:05}")
}

/// Numbers of Services to ask for, `count` of them; the same ones in each run.
pub(crate) fn draw(drawn: Drawn, services: u32, count: u32) -> Vec<u32> {
    let mut random = StdRng::seed_from_u64(0x6b65_726e);
    match drawn {
        Drawn::Uniform => (0..count)
            .map(|_| random.random_range(0..services))
            .collect(),
        Drawn::Zipf => {
            let mut sum = 0.0;
            let sums: Vec<f64> = (1..=services)
                .map(|rank| {
                    sum += 1.0 / f64::from(rank);
                    sum
                })
                .collect();
            let mut rank = || {
                let at = random.random_range(0.0..sum);
                u32::try_from(sums.partition_point(|&sum| sum <= at)).unwrap_or(0)
            };
            // Popular names are no neighbours in memory.
            (0..count)
                .map(|_| scattered(rank().min(services - 1), services))
                .collect()
        }
    }
}

/// Another number for each number, with no order left in them; 7,919 is a prime that divides no power of ten.
fn scattered(number: u32, services: u32) -> u32 {
    let number = u64::from(number) * 7919 % u64::from(services);
    u32::try_from(number).unwrap_or(0)
}

/// The Services with these numbers and their Namespaces, as one JSON List. The numbers start at a multiple of a hundred.
pub(crate) fn manifest(numbers: std::ops::Range<u32>) -> String {
    let mut items = Vec::new();
    for number in numbers {
        let (service, namespace) = (service(number), namespace(number / NEIGHBOURS));
        if number.is_multiple_of(NEIGHBOURS) {
            items.push(format!(
                r#"{{"apiVersion":"v1","kind":"Namespace","metadata":{{"name":"{namespace}"}}}}"#
            ));
        }
        let ip = address(number);
        let mut item = String::new();
        // Writing to a string does not fail.
        let _ = write!(
            item,
            r#"{{"apiVersion":"v1","kind":"Service","metadata":{{"namespace":"{namespace}","name":"{service}"}},"spec":{{"clusterIP":"{ip}","clusterIPs":["{ip}"],"ports":[{{"port":80}}]}}}}"#
        );
        items.push(item);
    }
    format!(
        r#"{{"apiVersion":"v1","kind":"List","items":[{}]}}"#,
        items.join(",\n")
    )
}
