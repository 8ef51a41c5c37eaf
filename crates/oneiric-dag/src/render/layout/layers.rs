//! Which layer a node stands in.

use crate::render::Picture;

/// One layer below the lowest dependency ("longest path"); then what only feeds something further down
/// sinks next to it, because a short edge is easier to follow than a start in the first row.
pub(super) fn assign(picture: &Picture) -> Vec<usize> {
    let mut layer = vec![0; picture.nodes().len()];
    for &node in picture.order() {
        let above = picture.nodes()[node].depends_on.iter().map(|from| layer[*from] + 1);
        layer[node] = above.max().unwrap_or(0);
    }
    for &node in picture.order().iter().rev() {
        let below = picture.dependants(node);
        // With as many edges above as below, sinking would shorten nothing in total.
        if picture.nodes()[node].depends_on.len() < below.len() {
            layer[node] = below.iter().map(|to| layer[*to] - 1).min().unwrap_or(layer[node]);
        }
    }
    layer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::PictureNode;

    fn check(depends_on: &[&[usize]], expected: &[usize]) {
        let nodes = depends_on.iter().map(|d| PictureNode::new("n", "", d)).collect();
        assert_eq!(assign(&Picture::new("", nodes).unwrap()), expected, "{depends_on:?}");
    }

    #[test]
    fn a_node_stands_below_everything_it_depends_on() {
        check(&[&[], &[0], &[0], &[1, 2]], &[0, 1, 1, 2]);
        check(&[&[], &[0], &[1, 0]], &[0, 1, 2]);
    }

    #[test]
    fn a_start_that_is_needed_late_stands_late() {
        check(&[&[], &[0], &[1, 3], &[]], &[0, 1, 2, 1]);
        check(&[&[1], &[], &[1], &[2, 4], &[]], &[1, 0, 1, 2, 1]);
    }
}
