//! Positions across the layers: long edges straight, parents centred over children.
//!
//! After Brandes and Köpf, "Fast and simple horizontal coordinate assignment" (2001): four alignments, each
//! greedy from another corner, and the mean of the middle two. Compaction is the two-pass longest path over
//! the blocks' graph, which does not have the defects of the original's shift of classes.

use std::collections::HashSet;

use super::chains::Mesh;

/// The centre of every vertex, so that neighbours in a layer are at least `gap` apart. Vertices that
/// `orders` leaves out are at zero.
pub(super) fn place(mesh: &Mesh, orders: &[Vec<usize>], gap: impl Fn(usize, usize) -> f64) -> Vec<f64> {
    let conflicts = conflicts(mesh, orders);
    let mut found: Vec<Vec<f64>> = Vec::with_capacity(4);
    for (up, mirrored) in [(true, false), (true, true), (false, false), (false, true)] {
        let mut layers = orders.to_vec();
        if mirrored {
            layers.iter_mut().for_each(|layer| layer.reverse());
        }
        if !up {
            layers.reverse();
        }
        let near = if up { &mesh.up } else { &mesh.down };
        let blocks = align(mesh, &layers, near, &conflicts);
        let mut at = compact(&layers, &blocks, &gap);
        if mirrored {
            at.iter_mut().for_each(|at| *at = -*at);
        }
        found.push(at);
    }
    balance(orders, &mut found)
}

/// Edges that cross a piece of a long edge; they must give way, so that the long one can stay straight.
fn conflicts(mesh: &Mesh, orders: &[Vec<usize>]) -> HashSet<(usize, usize)> {
    let mut found = HashSet::new();
    let mut position = vec![0; mesh.len()];
    for pair in orders.windows(2) {
        pair[0].iter().enumerate().for_each(|(at, vertex)| position[*vertex] = at);
        let inner = |v: usize| {
            let above = mesh.up[v].first().copied().filter(|above| mesh.is_bend(*above));
            above.filter(|_| mesh.is_bend(v))
        };
        let (mut low, mut scanned) = (0, 0);
        for (at, vertex) in pair[1].iter().enumerate() {
            let straight = inner(*vertex);
            if straight.is_none() && at + 1 < pair[1].len() {
                continue;
            }
            let high = straight.map_or(pair[0].len(), |above| position[above]);
            for between in &pair[1][scanned..=at] {
                for above in &mesh.up[*between] {
                    let crosses = position[*above] < low || position[*above] > high;
                    if crosses && inner(*between).is_none() {
                        found.insert((*above, *between));
                    }
                }
            }
            (low, scanned) = (high, at + 1);
        }
    }
    found
}

/// For every vertex the first vertex of the block that stands in one line with it.
fn align(
    mesh: &Mesh,
    layers: &[Vec<usize>],
    near: &[Vec<usize>],
    conflicts: &HashSet<(usize, usize)>,
) -> Vec<usize> {
    let mut root: Vec<usize> = (0..mesh.len()).collect();
    let mut taken = vec![false; mesh.len()];
    let mut position = vec![0; mesh.len()];
    for layer in layers {
        layer.iter().enumerate().for_each(|(at, vertex)| position[*vertex] = at);
        let mut free_from = 0;
        for &vertex in layer {
            let mut others = near[vertex].clone();
            others.sort_by_key(|other| position[*other]);
            let Some(last) = others.len().checked_sub(1) else {
                continue;
            };
            for &other in &others[last / 2..=last.div_ceil(2)] {
                let gives_way = conflicts.contains(&(other, vertex)) || conflicts.contains(&(vertex, other));
                if root[vertex] == vertex && !taken[other] && position[other] >= free_from && !gives_way {
                    root[vertex] = root[other];
                    taken[other] = true;
                    free_from = position[other] + 1;
                }
            }
        }
    }
    root
}

/// Places blocks as far to the beginning as their neighbours allow, then draws each towards the next.
fn compact(layers: &[Vec<usize>], root: &[usize], gap: impl Fn(usize, usize) -> f64) -> Vec<f64> {
    let mut after: Vec<Vec<(usize, f64)>> = vec![Vec::new(); root.len()];
    let mut before = vec![0; root.len()];
    for pair in layers.iter().flat_map(|layer| layer.windows(2)) {
        after[root[pair[0]]].push((root[pair[1]], gap(pair[0], pair[1])));
        before[root[pair[1]]] += 1;
    }
    let mut at = vec![0.0_f64; root.len()];
    let mut sorted: Vec<usize> = (0..root.len()).filter(|v| root[*v] == *v && before[*v] == 0).collect();
    let mut next = 0;
    while let Some(&block) = sorted.get(next) {
        next += 1;
        for &(other, gap) in &after[block] {
            at[other] = at[other].max(at[block] + gap);
            before[other] -= 1;
            if before[other] == 0 {
                sorted.push(other);
            }
        }
    }
    for &block in sorted.iter().rev() {
        let room = after[block].iter().map(|(other, gap)| at[*other] - gap).fold(f64::INFINITY, f64::min);
        if room.is_finite() {
            at[block] = at[block].max(room);
        }
    }
    root.iter().map(|root| at[*root]).collect()
}

/// Moves the four to the narrowest one's side (left ones to its left edge, right ones to its right) and
/// takes, for each vertex, the mean of the middle two, which keeps every distance they all keep.
fn balance(orders: &[Vec<usize>], found: &mut [Vec<f64>]) -> Vec<f64> {
    let bounds = |at: &Vec<f64>| {
        let ends = orders.iter().flatten().map(|vertex| at[*vertex]);
        ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), at| (least.min(at), most.max(at)))
    };
    let spans: Vec<(f64, f64)> = found.iter().map(bounds).collect();
    let width = |(least, most): &(f64, f64)| most - least;
    let narrowest = spans.iter().copied().min_by(|a, b| width(a).total_cmp(&width(b)));
    let narrowest = narrowest.filter(|span| width(span).is_finite()).unwrap_or_default();
    for (index, (at, span)) in found.iter_mut().zip(&spans).enumerate() {
        let shift = if index % 2 == 0 { narrowest.0 - span.0 } else { narrowest.1 - span.1 };
        at.iter_mut().for_each(|at| *at += if shift.is_finite() { shift } else { 0.0 });
    }
    let middle = |vertex: usize| {
        let mut four: Vec<f64> = found.iter().map(|at| at[vertex]).collect();
        four.sort_by(f64::total_cmp);
        (four[1] + four[2]) / 2.0
    };
    let mut at = vec![0.0; found[0].len()];
    orders.iter().flatten().for_each(|vertex| at[*vertex] = middle(*vertex));
    at
}
