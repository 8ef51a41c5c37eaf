//! A node starts when its own inputs are there: real workflow graphs in virtual time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use oneiric_core::roles::{Task, TaskContext};
use oneiric_core::{Clock, Fault, Payload};
use oneiric_dag::{Ended, Limits, Policy};
use oneiric_store::RunStatus;
use oneiric_testkit::graphs::{self, Shape, critical_path, list_schedule};
use oneiric_testkit::{ManualClock, virtual_time};
use serde_json::Value;

use crate::support::{World, key, launch, program};

/// Sleeps for the time that belongs to its node.
struct Sleeper {
    clock: ManualClock,
    time: Vec<Duration>,
}

#[async_trait]
impl Task for Sleeper {
    async fn run(&self, cx: TaskContext<'_>) -> Result<Payload, Fault> {
        let place: usize = cx.node.as_str()[1..].parse().unwrap();
        self.clock.sleep(self.time[place]).await;
        Ok(Payload::NULL)
    }
}

/// The graph and, for each node, its time scaled to a critical path of two seconds.
///
/// Each time is lengthened by as many nanoseconds as its place: without equal times there are no ties,
/// and without ties a list schedule has one length.
fn instance(name: &str) -> Option<(Shape, Vec<Duration>)> {
    let path = oneiric_testkit::data::shared(&format!("wfinstances/{name}"))?;
    let text = std::fs::read_to_string(path).unwrap();
    let instance: Value = serde_json::from_str(&text).unwrap();
    let nodes = instance["nodes"].as_array().unwrap();
    let places: HashMap<&str, usize> =
        nodes.iter().enumerate().map(|(place, node)| (node["id"].as_str().unwrap(), place)).collect();
    let shape: Shape = nodes
        .iter()
        .map(|node| {
            let upstream = node["depends_on"].as_array().unwrap();
            upstream.iter().map(|id| places[id.as_str().unwrap()]).collect()
        })
        .collect();
    let raw: Vec<Duration> =
        nodes.iter().map(|node| Duration::from_secs_f64(node["runtime_s"].as_f64().unwrap())).collect();
    let scale = 2.0 / critical_path(&shape, &raw).as_secs_f64();
    let time = raw.iter().zip(0u64..);
    Some((shape, time.map(|(time, place)| time.mul_f64(scale) + Duration::from_nanos(place)).collect()))
}

fn virtual_run(shape: &Shape, time: &[Duration], max_parallel: u32) -> Duration {
    let world = World::new();
    let sleeper = Arc::new(Sleeper { clock: world.clock.clone(), time: time.to_vec() });
    let limits = Limits { max_parallel, ..Limits::default() };
    let program = program(graphs::draft(shape, &key("t")), sleeper, Policy::default(), limits);
    virtual_time(&world.clock, async {
        let executor = world.process(Arc::new(world.store.clone()), u32::MAX);
        let run = launch(&executor, program, Value::Null).await.unwrap();
        assert!(matches!(run.ended().await, Ended::Reached(RunStatus::Completed)));
        world.clock.monotonic()
    })
}

fn check(name: &str) {
    let Some((shape, time)) = instance(name) else { return };
    assert_eq!(virtual_run(&shape, &time, u32::MAX), critical_path(&shape, &time), "{name}, unlimited");
    assert_eq!(virtual_run(&shape, &time, 8), list_schedule(&shape, &time, 8), "{name}, 8 at a time");
}

#[test]
fn montage_takes_its_critical_path() {
    check("montage-chameleon-2mass-03d-001.json");
}

#[test]
fn epigenomics_takes_its_critical_path() {
    check("epigenomics-chameleon-hep-7seq-50k-001.json");
}

#[test]
fn genome_takes_its_critical_path() {
    check("1000genome-chameleon-22ch-250k-001.json");
}

#[test]
fn seismology_takes_its_critical_path() {
    check("seismology-chameleon-1100p-001.json");
}

#[test]
fn rnaseq_takes_its_critical_path() {
    check("rnaseq-dirt02-001.json");
}

#[test]
fn forkjoin_takes_its_critical_path() {
    check("helloworld-forkjoin-10-chameleon.json");
}
