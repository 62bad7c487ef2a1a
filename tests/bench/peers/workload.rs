//! A cluster to the questions that pods ask about it, drawn by Zipf's law or evenly.

use hickory_proto::rr::RecordType;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use crate::peers::question::Question;
use crate::peers::zone::{Zone, reverse};

/// How many questions are drawn; then they begin again.
const DRAWN: usize = 20_000;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Workload {
    ClusterIp,
    ClusterIpUniform,
    NoData,
    NxDomain,
    Srv,
    Headless,
    Ptr,
    Mix,
}

impl Workload {
    /// All, in the order of tables.
    pub(crate) const ALL: [Self; 8] = [
        Self::ClusterIp,
        Self::ClusterIpUniform,
        Self::NoData,
        Self::NxDomain,
        Self::Srv,
        Self::Headless,
        Self::Ptr,
        Self::Mix,
    ];

    /// The head of its column.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::ClusterIp => "ClusterIP A",
            Self::ClusterIpUniform => "the same, uniform",
            Self::NoData => "AAAA, NODATA",
            Self::NxDomain => "NXDOMAIN, search path",
            Self::Srv => "SRV",
            Self::Headless => "headless, 10 A",
            Self::Ptr => "PTR",
            Self::Mix => "ndots:5 mix",
        }
    }

    /// Its questions, always the same for a cluster.
    pub(crate) fn questions(self, zone: &Zone) -> Vec<Question> {
        let mut rng = StdRng::seed_from_u64(1);
        let mut services: Vec<_> = zone.services.iter().collect();
        match self {
            Self::Headless => services.retain(|service| service.is_headless()),
            Self::Mix => {}
            _ => services.retain(|service| service.cluster_ip().is_some()),
        }
        // Which name is how popular has nothing to do with where it lies.
        services.shuffle(&mut rng);
        let rank = if self == Self::ClusterIpUniform {
            Ranks::uniform(services.len())
        } else {
            Ranks::zipf(services.len())
        };
        let namespaces: Vec<String> = Zone::namespaces().collect();
        let outside = Ranks::zipf(1000);
        let mut questions = Vec::new();
        while questions.len() < DRAWN {
            let service = services[rank.draw(&mut rng)];
            let namespace = &namespaces[rng.random_range(0..namespaces.len())];
            let fqdn = service.fqdn();
            match self {
                Self::ClusterIp | Self::ClusterIpUniform | Self::Headless => {
                    questions.push(Question::new(fqdn, RecordType::A));
                }
                Self::NoData => questions.push(Question::new(fqdn, RecordType::AAAA)),
                Self::NxDomain => {
                    let name = format!("{}.{namespace}.svc.cluster.local.", service.short());
                    questions.push(Question::new(name, RecordType::A));
                }
                Self::Srv => {
                    let name = format!("_http._tcp.{fqdn}");
                    questions.push(Question::new(name, RecordType::SRV));
                }
                Self::Ptr => {
                    let address = service.cluster_ip().map(reverse).unwrap_or_default();
                    questions.push(Question::new(address, RecordType::PTR));
                }
                Self::Mix => {
                    // What a stub resolver with ndots:5 makes of what programs are configured with.
                    let (written, asker) = match rng.random_range(0..10) {
                        // Of the pod's own namespace, without it.
                        0..4 => (None, service.namespace()),
                        4..7 => (Some(service.short()), &**namespace),
                        7 => (Some(fqdn.trim_end_matches('.').to_owned()), &**namespace),
                        // Not of the cluster: three denials, and then a question that is not asked here.
                        _ => {
                            let host = outside.draw(&mut rng);
                            (Some(format!("api-{host}.example.com")), &**namespace)
                        }
                    };
                    for name in search(written.as_deref(), asker, &fqdn) {
                        questions.push(Question::new(name.clone(), RecordType::A));
                        questions.push(Question::new(name, RecordType::AAAA));
                    }
                }
            }
        }
        questions.truncate(DRAWN);
        questions
    }
}

/// The names that are asked for, up to the Service's own or the end of the search path.
fn search(written: Option<&str>, namespace: &str, fqdn: &str) -> Vec<String> {
    let Some(written) = written else {
        return vec![fqdn.to_owned()];
    };
    let path = [
        format!("{namespace}.svc.cluster.local."),
        "svc.cluster.local.".to_owned(),
        "cluster.local.".to_owned(),
    ];
    let mut names = Vec::new();
    for suffix in path {
        let name = format!("{written}.{suffix}");
        let found = name == fqdn;
        names.push(name);
        if found {
            return names;
        }
    }
    if format!("{written}.") == fqdn {
        names.push(fqdn.to_owned());
    }
    names
}

/// Numbers drawn by weight.
struct Ranks(Vec<f64>);

impl Ranks {
    /// The k-th with a weight of 1/k.
    fn zipf(count: usize) -> Self {
        Self::weighted(count, |rank| 1.0 / f64::from(rank))
    }

    fn uniform(count: usize) -> Self {
        Self::weighted(count, |_| 1.0)
    }

    fn weighted(count: usize, weight: impl Fn(u32) -> f64) -> Self {
        let ranks = 1..=u32::try_from(count).unwrap_or(u32::MAX);
        let mut sum = 0.0;
        let sums = ranks.map(|rank| {
            sum += weight(rank);
            sum
        });
        Self(sums.collect())
    }

    fn draw(&self, rng: &mut StdRng) -> usize {
        let total = self.0.last().copied().unwrap_or_default();
        let at = rng.random::<f64>() * total;
        let rank = self.0.partition_point(|sum| *sum <= at);
        rank.min(self.0.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::ResponseCode;

    use super::*;
    use crate::peers::question::{Answer, Truth};

    #[test]
    fn every_workload_asks_what_its_name_says() {
        let zone = Zone::new(1000);
        let truth = Truth::new(&zone.records());
        let share = |workload: Workload, wanted: &dyn Fn(&Answer) -> bool| {
            let questions = workload.questions(&zone);
            assert_eq!(questions.len(), DRAWN);
            let right = questions.iter().filter(|one| wanted(&truth.answer(one)));
            right.count()
        };
        let of = |count: usize| move |answer: &Answer| answer.records.len() == count;
        for workload in [Workload::ClusterIp, Workload::Srv, Workload::Ptr] {
            assert_eq!(share(workload, &of(1)), DRAWN, "{workload:?}");
        }
        assert_eq!(share(Workload::Headless, &of(10)), DRAWN);
        let nodata = |answer: &Answer| {
            *answer
                == Answer {
                    rcode: ResponseCode::NoError,
                    records: vec![],
                }
        };
        assert_eq!(share(Workload::NoData, &nodata), DRAWN);
        let denied = |answer: &Answer| answer.rcode == ResponseCode::NXDomain;
        assert_eq!(share(Workload::NxDomain, &denied), DRAWN);
        let mixed = share(Workload::Mix, &denied);
        assert!((DRAWN / 2..DRAWN * 4 / 5).contains(&mixed), "{mixed}");
    }

    #[test]
    fn the_search_path_is_gone_through_until_a_name_exists() {
        let fqdn = "web.prod.svc.cluster.local.";
        assert_eq!(
            search(Some("web.prod"), "dev", fqdn),
            ["web.prod.dev.svc.cluster.local.", fqdn]
        );
        assert_eq!(search(None, "prod", fqdn), [fqdn]);
        assert_eq!(
            search(Some("web.prod.svc.cluster.local"), "dev", fqdn).len(),
            4
        );
        assert_eq!(search(Some("example.com"), "dev", fqdn).len(), 3);
    }

    #[test]
    fn zipf_prefers_the_first_by_its_harmonic_share() {
        let (ranks, mut rng) = (Ranks::zipf(1000), StdRng::seed_from_u64(7));
        let first = (0..100_000).filter(|_| ranks.draw(&mut rng) == 0).count();
        // 1 / H(1000) = 13.4 %.
        assert!((12_500..14_300).contains(&first), "{first}");
    }
}
