//! Graphs for tests: random ones, and a list schedule to compare with.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use oneiric_core::{Key, NodeId, Rng};
use oneiric_dag::{Draft, DraftNode};

/// Dependencies by place: entry `n` lists the places that node `n` waits for, all below `n`.
pub type Shape = Vec<Vec<usize>>;

/// A random graph: each node waits for up to three of the `window` nodes before it.
pub fn random_shape(rng: &dyn Rng, count: usize, window: usize) -> Shape {
    let below = |rng: &dyn Rng, bound: usize| (rng.next_u64() % bound.max(1) as u64) as usize;
    (0..count)
        .map(|node| {
            let reach = node.min(window);
            let wanted = if reach == 0 { 0 } else { below(rng, 4) };
            let mut upstream: Vec<_> = (0..wanted).map(|_| node - 1 - below(rng, reach)).collect();
            upstream.sort_unstable();
            upstream.dedup();
            upstream
        })
        .collect()
}

/// The id of the node at a place in the drafts made here: `n7`.
///
/// # Panics
/// Never: such a name is well formed.
pub fn id(place: usize) -> NodeId {
    NodeId::new(format!("n{place}")).expect("letters and digits are a name")
}

/// A draft of that shape in which every node runs `task`.
pub fn draft(shape: &Shape, task: &Key) -> Draft {
    let nodes = shape.iter().enumerate();
    let nodes = nodes.map(|(place, upstream)| {
        DraftNode::new(id(place), task.clone()).after(upstream.iter().map(|place| id(*place)))
    });
    Draft { nodes: nodes.collect(), ..Draft::default() }
}

/// The length of the longest path: what no number of workers can beat.
pub fn critical_path(shape: &Shape, time: &[Duration]) -> Duration {
    let mut done = vec![Duration::ZERO; shape.len()];
    for node in topological(shape) {
        let ready = shape[node].iter().map(|upstream| done[*upstream]).max().unwrap_or_default();
        done[node] = ready + time[node];
    }
    done.into_iter().max().unwrap_or_default()
}

/// How long a list schedule takes: whenever one of `workers` is free, it takes the node that has been
/// ready for the longest; nodes that become ready together queue by place.
pub fn list_schedule(shape: &Shape, time: &[Duration], workers: usize) -> Duration {
    let mut successors = vec![Vec::new(); shape.len()];
    let mut remaining: Vec<usize> = shape.iter().map(Vec::len).collect();
    for (node, upstream) in shape.iter().enumerate() {
        upstream.iter().for_each(|upstream| successors[*upstream].push(node));
    }
    let mut ready: VecDeque<usize> = (0..shape.len()).filter(|node| remaining[*node] == 0).collect();
    let mut running = BinaryHeap::new();
    let mut now = Duration::ZERO;
    let mut started = 0u64;
    loop {
        while running.len() < workers {
            let Some(node) = ready.pop_front() else { break };
            started += 1;
            running.push(Reverse((now + time[node], started, node)));
        }
        let Some(Reverse((at, _, node))) = running.pop() else { return now };
        now = at;
        for successor in &successors[node] {
            remaining[*successor] -= 1;
            if remaining[*successor] == 0 {
                ready.push_back(*successor);
            }
        }
    }
}

fn topological(shape: &Shape) -> Vec<usize> {
    let mut successors = vec![Vec::new(); shape.len()];
    let mut remaining: Vec<usize> = shape.iter().map(Vec::len).collect();
    for (node, upstream) in shape.iter().enumerate() {
        upstream.iter().for_each(|upstream| successors[*upstream].push(node));
    }
    let mut order: Vec<usize> = (0..shape.len()).filter(|node| remaining[*node] == 0).collect();
    let mut next = 0;
    while let Some(node) = order.get(next).copied() {
        next += 1;
        for successor in &successors[node] {
            remaining[*successor] -= 1;
            if remaining[*successor] == 0 {
                order.push(*successor);
            }
        }
    }
    order
}
