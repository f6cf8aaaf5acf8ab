//! The text being written: families, their samples and labels.

use std::fmt;

use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::Unit;

use crate::domain::RepositoryId;
use crate::progress::Histogram;
use crate::status::document::{RepositoryStatus, StatusDocument};

/// What tells the samples of one metric from each other.
pub(super) struct Labels(Vec<(&'static str, String)>);

impl Labels {
    pub(super) fn and(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.0.push((name, value.into()));
        self
    }
}

pub(super) fn none() -> Labels {
    Labels(Vec::new())
}

pub(super) fn by(name: &'static str, value: impl Into<String>) -> Labels {
    none().and(name, value)
}

pub(super) fn of(repository: RepositoryId) -> Labels {
    by("repository", repository.to_string())
}

pub(super) fn in_seconds(millis: i64) -> f64 {
    millis as f64 / 1000.0
}

/// The text being written.
pub(super) struct MetricsEncoder<'a>(pub(super) DescriptorEncoder<'a>);

impl MetricsEncoder<'_> {
    pub(super) fn counter<V: EncodeCounterValue>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels, V)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in samples {
            let no_example: Option<&Exemplar<NoLabelSet, f64>> = None;
            labelled(&mut family, &labels, |mut it| it.encode_counter(&value, no_example))?;
        }
        Ok(())
    }

    pub(super) fn gauge<V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        unit: Option<&Unit>,
        help: &str,
        samples: impl IntoIterator<Item = (Labels, V)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, unit, MetricType::Gauge)?;
        for (labels, value) in samples {
            labelled(&mut family, &labels, |mut it| it.encode_gauge(&value))?;
        }
        Ok(())
    }

    /// A histogram of seconds.
    pub(super) fn histogram<'h>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels, &'h Histogram)>,
    ) -> fmt::Result {
        let seconds = Some(&Unit::Seconds);
        let mut family = self.0.encode_descriptor(name, help, seconds, MetricType::Histogram)?;
        for (labels, histogram) in samples {
            let buckets = histogram.buckets();
            // Not counted apart, so that the parts always make the whole.
            let count = buckets.iter().map(|(_, count)| count).sum();
            let sum = histogram.sum_seconds();
            labelled(&mut family, &labels, |mut it| {
                it.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
            })?;
        }
        Ok(())
    }
}

fn labelled(
    family: &mut MetricEncoder<'_>,
    labels: &Labels,
    sample: impl FnOnce(MetricEncoder<'_>) -> fmt::Result,
) -> fmt::Result {
    sample(family.encode_family(&labels.0)?)
}

/// A figure of each repository that has it.
pub(super) fn known<V>(
    document: &StatusDocument,
    figure: impl Fn(&RepositoryStatus) -> Option<V>,
) -> impl Iterator<Item = (Labels, V)> {
    let repositories = document.repositories.iter();
    repositories.filter_map(move |it| Some((of(RepositoryId(it.id)), figure(it)?)))
}
