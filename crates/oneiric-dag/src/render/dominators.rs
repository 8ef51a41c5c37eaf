//! Which node every path to a node runs through: the nesting that a terminal can show by indentation.

use super::Picture;

/// For every node the nearest other node that lies on each path from any start to it; `None` where paths
/// from different starts meet.
///
/// One pass in topological order: the dominator of a node is the deepest common ancestor, in the tree
/// built so far, of everything it depends on (Cooper, Harvey and Kennedy, "A simple, fast dominance
/// algorithm", 2001; acyclic graphs need no iteration). Skip pointers keep a step logarithmic.
pub(super) fn dominators(picture: &Picture) -> Vec<Option<usize>> {
    let top = picture.nodes().len();
    let mut tree = Tree { parent: vec![top; top + 1], skip: vec![top; top + 1], depth: vec![0; top + 1] };
    for &index in picture.order() {
        let above = picture.nodes()[index].depends_on.iter().copied();
        let parent = above.reduce(|a, b| tree.meet(a, b)).unwrap_or(top);
        tree.hang(index, parent);
    }
    tree.parent.truncate(top);
    tree.parent.into_iter().map(|parent| (parent != top).then_some(parent)).collect()
}

struct Tree {
    parent: Vec<usize>,
    skip: Vec<usize>,
    depth: Vec<usize>,
}

impl Tree {
    /// Distances of `skip` follow the skew-binary numbers (Myers, "An applicative random-access stack",
    /// 1983), so any ancestor is O(log n) steps away.
    fn hang(&mut self, node: usize, parent: usize) {
        let (one, two) = (self.skip[parent], self.skip[self.skip[parent]]);
        let even = self.depth[parent] - self.depth[one] == self.depth[one] - self.depth[two];
        self.parent[node] = parent;
        self.depth[node] = self.depth[parent] + 1;
        self.skip[node] = if even { two } else { parent };
    }

    fn meet(&self, a: usize, b: usize) -> usize {
        let (mut high, mut low) = if self.depth[a] <= self.depth[b] { (a, b) } else { (b, a) };
        while self.depth[low] > self.depth[high] {
            let far = self.skip[low];
            low = if self.depth[far] >= self.depth[high] { far } else { self.parent[low] };
        }
        while high != low {
            let apart = self.skip[high] != self.skip[low];
            let next = if apart { &self.skip } else { &self.parent };
            (high, low) = (next[high], next[low]);
        }
        high
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::PictureNode;

    fn check(depends_on: &[&[usize]], expected: &[Option<usize>]) {
        let nodes = depends_on.iter().map(|d| PictureNode::new("n", "", d)).collect();
        assert_eq!(dominators(&Picture::new("", nodes).unwrap()), expected, "{depends_on:?}");
    }

    #[test]
    fn a_join_belongs_to_the_node_that_forked() {
        check(&[&[], &[0], &[0], &[1, 2]], &[None, Some(0), Some(0), Some(0)]);
        check(
            &[&[], &[0], &[1], &[1], &[2, 3], &[4, 0]],
            &[None, Some(0), Some(1), Some(1), Some(1), Some(0)],
        );
    }

    #[test]
    fn what_several_starts_feed_belongs_to_none() {
        check(&[&[], &[], &[0, 1], &[2]], &[None, None, None, Some(2)]);
    }

    #[test]
    fn a_long_chain_with_far_edges_is_walked_quickly() {
        let chain = (1..10_000).map(|i| vec![i - 1]);
        let joins = (0..10_000).map(|i| vec![9_999, i]);
        let nodes = std::iter::once(vec![]).chain(chain).chain(joins).map(|d| PictureNode::new("n", "", &d));
        let found = dominators(&Picture::new("", nodes.collect()).unwrap());
        assert_eq!(found[17_000], Some(7_000));
    }
}
