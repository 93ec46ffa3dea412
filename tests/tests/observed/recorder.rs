//! A recorder that keeps the metrics of all servers.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, atomic::AtomicU64, atomic::Ordering::Relaxed},
};

use metrics::{Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Label, Metadata, Recorder, SharedString, Unit};

use crate::tracer;

#[derive(Default)]
struct Kept {
    counters: BTreeMap<String, Arc<AtomicU64>>,
    /// The bits of what they show.
    gauges: BTreeMap<String, Arc<AtomicU64>>,
    histograms: BTreeMap<String, Arc<Samples>>,
    described: BTreeMap<String, String>,
}

#[derive(Default)]
struct Samples(Mutex<Vec<f64>>);

impl HistogramFn for Samples {
    fn record(&self, value: f64) {
        self.0.lock().unwrap().push(value);
    }
}

static KEPT: Mutex<Option<Kept>> = Mutex::new(None);

fn with<T>(act: impl FnOnce(&mut Kept) -> T) -> T {
    let mut kept: MutexGuard<'_, _> = KEPT.lock().unwrap();
    act(kept.get_or_insert_default())
}

pub(crate) fn install() {
    metrics::set_global_recorder(Keeper).expect("there is no other");
}

/// What is kept of this server: each metric by its name and its other labels, a histogram by how many samples it has.
pub(crate) fn of(server: &str) -> BTreeMap<String, f64> {
    let server = format!("{{server={server},");
    with(|kept| {
        let counters = kept.counters.iter().map(|(name, value)| (name, value.load(Relaxed) as f64));
        let gauges = kept.gauges.iter().map(|(name, value)| (name, f64::from_bits(value.load(Relaxed))));
        let histograms = kept.histograms.iter().map(|(name, samples)| (name, samples.0.lock().unwrap().len() as f64));
        let all = counters.chain(gauges).chain(histograms);
        all.filter(|(name, _)| name.contains(&server))
            .map(|(name, value)| (name.replace(&server, "{"), value))
            .collect()
    })
}

/// The longest that a handler ran, in seconds.
pub(crate) fn longest(server: &str) -> f64 {
    let server = format!("beanstalk_job_duration_seconds{{server={server},");
    with(|kept| {
        let of_server = kept.histograms.iter().filter(|(name, _)| name.starts_with(&server));
        of_server.flat_map(|(_, samples)| samples.0.lock().unwrap().clone()).fold(0.0, f64::max)
    })
}

/// What each metric was described with.
pub(crate) fn described() -> BTreeMap<String, String> {
    with(|kept| kept.described.clone())
}

/// `name{label=value,...,}`, the server first.
fn name(key: &Key) -> String {
    let labels: String = key.labels().map(|label| format!("{}={},", label.key(), label.value())).collect();
    format!("{}{{{labels}}}", key.name())
}

struct Keeper;

impl Keeper {
    fn describe(kind: &str, name: &KeyName, unit: Option<Unit>) {
        let unit = unit.map_or("", |unit| unit.as_str());
        let before = with(|kept| kept.described.insert(name.as_str().to_string(), format!("{kind} {unit}")));
        assert!(before.is_none_or(|before| before == format!("{kind} {unit}")));
    }
}

fn panic_if_asked(key: &Key) {
    key.labels().filter(|label| label.key() == "server").map(Label::value).for_each(tracer::panic_if_asked);
}

impl Recorder for Keeper {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, _: SharedString) {
        Self::describe("counter", &key, unit);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, _: SharedString) {
        Self::describe("gauge", &key, unit);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, _: SharedString) {
        Self::describe("histogram", &key, unit);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        panic_if_asked(key);
        Counter::from_arc(with(|kept| Arc::clone(kept.counters.entry(name(key)).or_default())))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        panic_if_asked(key);
        Gauge::from_arc(with(|kept| Arc::clone(kept.gauges.entry(name(key)).or_default())))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        panic_if_asked(key);
        Histogram::from_arc(with(|kept| Arc::clone(kept.histograms.entry(name(key)).or_default())))
    }
}
