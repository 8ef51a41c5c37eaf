//! The sequence of vertices in each layer, with few crossings.

use super::chains::Mesh;

/// Sweeps for a small graph; later ones seldom find anything.
const MAX_SWEEPS: usize = 24;
/// Looks at an edge or a vertex that all sweeps together may take; past it a graph gets fewer sweeps, at
/// least one. Up to some ten thousand edges and bends nothing is saved.
const BUDGET: usize = 1_500_000;

/// Vertices of every layer from one side to the other. Nodes without any edge are left out.
///
/// Starts from a depth-first walk, which draws trees without crossings, then sorts layers by the mean
/// position of the neighbours, down and up in turn, and keeps the best state seen.
pub(super) fn order(mesh: &Mesh) -> Vec<Vec<usize>> {
    let mut layers = initial(mesh);
    let edges: usize = mesh.down.iter().map(Vec::len).sum();
    let sweeps = (BUDGET / (mesh.len() + edges).max(1)).clamp(1, MAX_SWEEPS);
    let mut position = vec![0; mesh.len()];
    layers.iter().for_each(|layer| number(layer, &mut position));
    let mut fewest = crossings(mesh, &layers, &position);
    let mut best = layers.clone();
    for sweep in 0..sweeps {
        if fewest == 0 {
            break;
        }
        if sweep % 2 == 0 {
            layers.iter_mut().skip(1).for_each(|layer| sort(layer, &mesh.up, &mut position));
        } else {
            layers.iter_mut().rev().skip(1).for_each(|layer| sort(layer, &mesh.down, &mut position));
        }
        let found = crossings(mesh, &layers, &position);
        if found < fewest {
            fewest = found;
            best.clone_from(&layers);
        }
    }
    best
}

fn initial(mesh: &Mesh) -> Vec<Vec<usize>> {
    let count = (0..mesh.len()).filter(|v| !mesh.is_lone(*v)).map(|v| mesh.rank[v] + 1).max().unwrap_or(0);
    let mut layers = vec![Vec::new(); count];
    let mut met = vec![false; mesh.len()];
    let mut waiting = Vec::new();
    for start in (0..mesh.len()).filter(|v| !mesh.is_lone(*v) && mesh.up[*v].is_empty()) {
        waiting.push(start);
        while let Some(vertex) = waiting.pop() {
            if !std::mem::replace(&mut met[vertex], true) {
                layers[mesh.rank[vertex]].push(vertex);
                waiting.extend(mesh.down[vertex].iter().rev().filter(|below| !met[**below]));
            }
        }
    }
    layers
}

fn number(layer: &[usize], position: &mut [usize]) {
    for (at, vertex) in layer.iter().enumerate() {
        position[*vertex] = at;
    }
}

/// Sorts by barycentre; a vertex without neighbours on that side keeps its share of the layer.
fn sort(layer: &mut [usize], neighbours: &[Vec<usize>], position: &mut [usize]) {
    let mean = |vertex: usize| {
        let near = &neighbours[vertex];
        match near.len() {
            0 => position[vertex] as f64,
            count => near.iter().map(|other| position[*other]).sum::<usize>() as f64 / count as f64,
        }
    };
    let mut keyed: Vec<(f64, usize)> = layer.iter().map(|vertex| (mean(*vertex), *vertex)).collect();
    keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
    for (slot, (_, vertex)) in layer.iter_mut().zip(keyed) {
        *slot = vertex;
    }
    number(layer, position);
}

/// Pairs of edges that cross, counted per pair of layers with a Fenwick tree over the lower positions
/// (Barth, Mutzel and Jünger, "Simple and efficient bilayer cross counting", 2004).
fn crossings(mesh: &Mesh, layers: &[Vec<usize>], position: &[usize]) -> u64 {
    let mut total = 0;
    for pair in layers.windows(2) {
        let mut tree = vec![0_u64; pair[1].len() + 1];
        let mut seen = 0;
        for vertex in &pair[0] {
            let mut ends: Vec<usize> = mesh.down[*vertex].iter().map(|below| position[*below]).collect();
            ends.sort_unstable();
            // Edges of one vertex do not cross each other: all are compared before any is added.
            total += ends.iter().map(|end| seen - up_to(&tree, *end)).sum::<u64>();
            ends.iter().for_each(|end| add(&mut tree, *end));
            seen += ends.len() as u64;
        }
    }
    total
}

fn add(tree: &mut [u64], at: usize) {
    let mut slot = at + 1;
    while slot < tree.len() {
        tree[slot] += 1;
        slot += slot & slot.wrapping_neg();
    }
}

fn up_to(tree: &[u64], at: usize) -> u64 {
    let (mut slot, mut sum) = (at + 1, 0);
    while slot > 0 {
        sum += tree[slot];
        slot &= slot - 1;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::layout::layers;
    use crate::render::{Picture, PictureNode};

    fn check(depends_on: &[&[usize]], expected: u64) {
        let nodes = depends_on.iter().map(|d| PictureNode::new("n", "", d)).collect();
        let picture = Picture::new("", nodes).unwrap();
        let mesh = Mesh::new(&picture, &layers::assign(&picture));
        let layers = order(&mesh);
        let mut position = vec![0; mesh.len()];
        layers.iter().for_each(|layer| number(layer, &mut position));
        assert_eq!(crossings(&mesh, &layers, &position), expected, "{depends_on:?}");
    }

    #[test]
    fn a_tree_is_drawn_without_crossings() {
        check(&[&[], &[0], &[0], &[2], &[1], &[2], &[1]], 0);
    }

    #[test]
    fn crossings_that_can_be_avoided_are() {
        check(&[&[], &[], &[1], &[0], &[2, 0], &[3, 1]], 1);
        check(&[&[], &[], &[], &[2], &[1], &[0]], 0);
    }

    #[test]
    fn crossings_that_cannot_be_avoided_are_counted() {
        check(&[&[], &[], &[0, 1], &[0, 1]], 1);
        check(&[&[], &[], &[], &[0, 1, 2], &[0, 1, 2], &[0, 1, 2]], 9);
    }
}
