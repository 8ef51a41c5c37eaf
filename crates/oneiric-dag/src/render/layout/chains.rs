//! Edges cut into pieces of one layer each, so that the other steps only ever look at neighbours.

use crate::render::Picture;

/// Bends per node at most; the shortest edges get theirs first, and edges beyond that run unbent, which
/// may lead them behind boxes. Dense graphs have quadratically many, and nobody can follow those anyway.
const BENDS_PER_NODE: usize = 6;
/// Small graphs get all the bends they could need.
const FREE_BENDS: usize = 5_000;

/// An edge with the vertices it passes.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) from: usize,
    pub(super) to: usize,
    /// One vertex for each layer in between; empty for neighbours and for unbent edges.
    pub(super) bends: Vec<usize>,
}

/// The graph in which every edge leads exactly one layer down. Vertices are the nodes, by their position
/// in the picture, followed by the bends.
#[derive(Debug)]
pub(super) struct Mesh {
    nodes: usize,
    pub(super) rank: Vec<usize>,
    pub(super) up: Vec<Vec<usize>>,
    pub(super) down: Vec<Vec<usize>>,
    pub(super) chains: Vec<Chain>,
    lone: Vec<bool>,
}

impl Mesh {
    pub(super) fn new(picture: &Picture, layers: &[usize]) -> Self {
        let nodes = layers.len();
        let mut mesh = Self {
            nodes,
            rank: layers.to_vec(),
            up: vec![Vec::new(); nodes],
            down: vec![Vec::new(); nodes],
            chains: picture.edges().map(|(from, to)| Chain { from, to, bends: Vec::new() }).collect(),
            lone: (0..nodes)
                .map(|v| picture.nodes()[v].depends_on.is_empty() && picture.dependants(v).is_empty())
                .collect(),
        };
        let mut by_length: Vec<usize> = (0..mesh.chains.len()).collect();
        by_length.sort_by_key(|chain| mesh.length(*chain));
        let mut left = FREE_BENDS.max(BENDS_PER_NODE * nodes);
        let mut bent = vec![false; mesh.chains.len()];
        for chain in by_length {
            match left.checked_sub(mesh.length(chain) - 1) {
                Some(rest) => (left, bent[chain]) = (rest, true),
                None => break,
            }
        }
        // In the picture's sequence, so that vertices made together stand together.
        (0..mesh.chains.len()).filter(|chain| bent[*chain]).for_each(|chain| mesh.bend(chain));
        mesh
    }

    fn length(&self, chain: usize) -> usize {
        let Chain { from, to, .. } = self.chains[chain];
        self.rank[to] - self.rank[from]
    }

    fn bend(&mut self, chain: usize) {
        let Chain { from, to, .. } = self.chains[chain];
        let mut above = from;
        for rank in self.rank[from] + 1..self.rank[to] {
            let bend = self.rank.len();
            self.rank.push(rank);
            self.up.push(Vec::new());
            self.down.push(Vec::new());
            self.chains[chain].bends.push(bend);
            self.link(above, bend);
            above = bend;
        }
        self.link(above, to);
    }

    fn link(&mut self, above: usize, below: usize) {
        self.down[above].push(below);
        self.up[below].push(above);
    }

    pub(super) fn len(&self) -> usize {
        self.rank.len()
    }

    /// Whether the vertex is a bend of an edge rather than a node.
    pub(super) fn is_bend(&self, vertex: usize) -> bool {
        vertex >= self.nodes
    }

    /// Whether the vertex is a node without any edge.
    pub(super) fn is_lone(&self, vertex: usize) -> bool {
        self.lone.get(vertex).copied().unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::PictureNode;
    use crate::render::layout::layers;

    fn bends(count: usize, depends_on: impl Fn(usize) -> Vec<usize>) -> usize {
        let nodes = (0..count).map(|i| PictureNode::new("n", "", &depends_on(i)));
        let picture = Picture::new("", nodes.collect()).unwrap();
        let mesh = Mesh::new(&picture, &layers::assign(&picture));
        assert_eq!(mesh.chains.len(), picture.edges().count());
        mesh.len() - count
    }

    #[test]
    fn a_long_edge_has_a_bend_in_each_layer_it_passes() {
        assert_eq!(
            bends(5, |i| if i == 4 { vec![0, 3] } else { (0..i).skip(i.saturating_sub(1)).collect() }),
            3
        );
    }

    #[test]
    fn bends_stay_linear_where_edges_would_need_quadratically_many() {
        let all_to_first = |i: usize| if i == 0 { vec![] } else { vec![0, i - 1] };
        assert!(bends(3_000, all_to_first) <= BENDS_PER_NODE * 3_000);
    }
}
