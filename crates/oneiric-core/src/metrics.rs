//! Numbers about a process, as monitoring reads them.
//!
//! | for | there is |
//! |---|---|
//! | saying them | [`Family`], some [`Sample`]s under one name; [`Value`] |
//! | counting while work goes on | [`Timing`], durations in buckets; [`Series`], some counts by their labels |
//! | writing them | [`prometheus`] and [`open_metrics`], pure text |
//!
//! Nothing here collects anything: whoever is asked for its numbers makes families of them at that moment.
//! No family grows without a bound, see [`Family::within`] and [`Series`].

mod series;
mod text;
mod timing;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use series::Series;
pub use text::{OPEN_METRICS, PROMETHEUS, open_metrics, prometheus};
pub use timing::{BUCKETS_MS, Timing, Timings};

/// The most samples that a family keeps. Labels are names out of manifests, of which a process has some hundreds;
/// ten times that is either a mistake or an attack.
pub const MAX_SAMPLES: usize = 2000;

/// The value of every label of the sample that stands for those that a family has no room for.
pub const OTHER: &str = "other";

/// What kind of numbers a family has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Only ever rises while the process lives. Its name ends in `_total`.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Counts in buckets.
    Histogram,
    /// A sum and a count, without quantiles.
    Summary,
}

impl Kind {
    /// The word of both text formats.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
            Kind::Summary => "summary",
        }
    }
}

/// One name, what it means, and its samples.
///
/// Shape: `{"name":"oneiric_dead_processes","help":"...","kind":"gauge","samples":[{"labels":[],"value":{"number":0.0}}]}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Family {
    /// Its name: letters, digits and underscores.
    pub name: Cow<'static, str>,
    /// What it means, in a sentence.
    pub help: Cow<'static, str>,
    /// What kind of numbers these are.
    pub kind: Kind,
    /// The numbers; no two have the same labels.
    pub samples: Vec<Sample>,
}

/// One value under its labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Names and values, in the order in which they are written.
    pub labels: Labels,
    /// The value.
    pub value: Value,
}

/// Names and values of labels.
pub type Labels = Vec<(Cow<'static, str>, String)>;

/// What is measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// Of a counter or a gauge.
    Number(f64),
    /// Of a histogram.
    Histogram {
        /// The upper bounds of the buckets, rising; the one for everything beyond is not among them.
        bounds: Vec<f64>,
        /// How many lie in each bucket alone, and beyond the last: one more than there are bounds.
        counts: Vec<u64>,
        /// All of them together.
        sum: f64,
    },
    /// Of a summary.
    Summary {
        /// How many.
        count: u64,
        /// All of them together.
        sum: f64,
    },
}

impl Value {
    /// Puts two values of one family together; values of two shapes are not of one family, and the first stays.
    fn add(&mut self, more: &Value) {
        match (self, more) {
            (Value::Number(own), Value::Number(more)) => *own += more,
            (Value::Histogram { counts, sum, .. }, Value::Histogram { counts: more, sum: all, .. }) => {
                counts.iter_mut().zip(more).for_each(|(own, more)| *own += more);
                *sum += all;
            }
            (Value::Summary { count, sum }, Value::Summary { count: more, sum: all }) => {
                *count += more;
                *sum += all;
            }
            (Value::Number(_) | Value::Histogram { .. } | Value::Summary { .. }, _) => {}
        }
    }

    fn scale(&mut self, by: f64) {
        match self {
            Value::Number(number) => *number *= by,
            Value::Histogram { bounds, sum, .. } => {
                bounds.iter_mut().for_each(|bound| *bound *= by);
                *sum *= by;
            }
            Value::Summary { sum, .. } => *sum *= by,
        }
    }
}

impl Family {
    /// A family without samples.
    pub fn new(name: &'static str, kind: Kind, help: &'static str) -> Self {
        Self { name: name.into(), help: help.into(), kind, samples: Vec::new() }
    }

    /// The same with one number and no labels.
    #[must_use]
    pub fn of(mut self, number: f64) -> Self {
        self.push([], number);
        self
    }

    /// Adds a number.
    pub fn push<const N: usize>(&mut self, labels: [(&'static str, &str); N], number: f64) {
        self.put(labels, Value::Number(number));
    }

    /// Adds a value.
    pub fn put<const N: usize>(&mut self, labels: [(&'static str, &str); N], value: Value) {
        let labels = labels.into_iter().map(|(name, value)| (name.into(), value.to_owned())).collect();
        self.samples.push(Sample { labels, value });
    }

    /// Keeps at most `most` samples; those beyond are put together into one whose labels are all [`OTHER`].
    /// The samples that come first in the order of their labels stay.
    pub fn within(&mut self, most: usize) {
        if self.samples.len() <= most {
            return;
        }
        self.samples.sort_by(|a, b| a.labels.cmp(&b.labels));
        let beyond = self.samples.split_off(most.saturating_sub(1));
        let mut beyond = beyond.into_iter();
        let Some(mut other) = beyond.next() else { return };
        other.labels.iter_mut().for_each(|(_, value)| OTHER.clone_into(value));
        beyond.for_each(|sample| other.value.add(&sample.value));
        self.samples.push(other);
    }
}

/// The same numbers, of every process one: samples get the label `pid` in front, and families of one name become
/// one. What two processes have of one kind and another under one name is left out of the second.
pub fn together(processes: impl IntoIterator<Item = (u32, Vec<Family>)>) -> Vec<Family> {
    let mut order: Vec<Cow<'static, str>> = Vec::new();
    let mut found: BTreeMap<Cow<'static, str>, Family> = BTreeMap::new();
    for (pid, families) in processes {
        for mut family in families {
            for sample in &mut family.samples {
                sample.labels.insert(0, ("pid".into(), pid.to_string()));
            }
            match found.get_mut(&family.name) {
                Some(known) if known.kind == family.kind => known.samples.append(&mut family.samples),
                Some(_) => {}
                None => {
                    order.push(family.name.clone());
                    found.insert(family.name.clone(), family);
                }
            }
        }
    }
    order.iter().filter_map(|name| found.remove(name)).collect()
}

/// The same numbers with every duration in seconds, as Prometheus' rules for names want it: `x_duration_ms` becomes
/// `x_duration_seconds`. Upstream's names are in milliseconds.
#[must_use]
pub fn in_base_units(families: Vec<Family>) -> Vec<Family> {
    let in_seconds = |mut family: Family| {
        let Some(stem) = family.name.strip_suffix("_ms") else { return family };
        family.name = format!("{stem}_seconds").into();
        family.samples.iter_mut().for_each(|sample| sample.value.scale(0.001));
        family
    };
    families.into_iter().map(in_seconds).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(family: &Family) -> Vec<(String, f64)> {
        let told = |sample: &Sample| match &sample.value {
            Value::Number(number) => (sample.labels[0].1.clone(), *number),
            other => panic!("{other:?}"),
        };
        family.samples.iter().map(told).collect()
    }

    #[test]
    fn what_a_family_has_no_room_for_is_one_sample() {
        let mut family = Family::new("calls_total", Kind::Counter, "Calls.");
        for (name, number) in [("c", 3.0), ("a", 1.0), ("d", 4.0), ("b", 2.0)] {
            family.push([("route", name)], number);
        }
        let mut roomy = family.clone();
        roomy.within(4);
        assert_eq!(roomy, family, "nothing is touched where there is room");
        family.within(3);
        assert_eq!(numbers(&family), [("a".into(), 1.0), ("b".into(), 2.0), ("other".into(), 7.0)]);
    }

    #[test]
    fn families_of_several_processes_are_one() {
        let of = |number| vec![Family::new("up", Kind::Gauge, "Up.").of(number)];
        let all = together([(1, of(1.0)), (2, of(0.5)), (3, vec![Family::new("up", Kind::Counter, "")])]);
        assert_eq!((all.len(), numbers(&all[0])), (1, vec![("1".into(), 1.0), ("2".into(), 0.5)]));
    }

    #[test]
    fn base_units_are_seconds() {
        let timing = Timing::default();
        timing.add(std::time::Duration::from_millis(7));
        let mut family = Family::new("x_duration_ms", Kind::Histogram, "X.");
        family.put([], timing.read().in_millis());
        let families = in_base_units(vec![family, Family::new("y", Kind::Gauge, "Y.").of(2.0)]);
        assert_eq!(families[0].name, "x_duration_seconds");
        let Value::Histogram { bounds, sum, .. } = &families[0].samples[0].value else { panic!() };
        assert!((sum - 0.007).abs() < 1e-12 && (bounds[0] - 0.005).abs() < 1e-12);
        assert_eq!(families[1].name, "y");
    }
}
