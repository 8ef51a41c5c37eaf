//! What is and what is not a graph.

use oneiric_core::NodeId;
use oneiric_dag::{Draft, DraftNode, GraphError};

use crate::support::key;

fn draft(nodes: &[(&str, &[&str])]) -> Draft {
    let id = |text: &str| NodeId::new(text).unwrap();
    let nodes = nodes.iter().map(|(node, upstream)| {
        DraftNode::new(id(node), key("t")).after(upstream.iter().map(|upstream| id(upstream)))
    });
    Draft { nodes: nodes.collect(), ..Draft::default() }
}

fn check(nodes: &[(&str, &[&str])], message: &str, place: Option<(usize, Option<usize>)>) {
    let error = draft(nodes).build().unwrap_err();
    assert_eq!(error.to_string(), message);
    assert_eq!(error.place(), place, "{message}");
}

#[test]
fn defects_are_named_with_their_nodes_and_places() {
    check(&[], "the graph has no nodes", None);
    check(&[("a", &[]), ("a", &[])], "two nodes bear the id `a`", Some((1, None)));
    check(
        &[("load", &[]), ("b", &["laod"])],
        "node `b` depends on `laod`, which is not in the graph",
        Some((1, Some(0))),
    );
    check(&[("a", &["a"])], "node `a` depends on itself", Some((0, Some(0))));
    check(&[("a", &[]), ("b", &["a", "a"])], "node `b` depends on `a` twice", Some((1, Some(1))));
    check(
        &[("x", &[]), ("a", &["c", "x"]), ("b", &["a"]), ("c", &["b"])],
        "nodes wait for each other in a circle: `a` -> `c` -> `b` -> `a`",
        Some((1, None)),
    );
}

#[test]
fn the_nearest_node_is_suggested() {
    let error = draft(&[("load", &[]), ("b", &["laod"])]).build().unwrap_err();
    assert_eq!(error.help().unwrap(), "did you mean `load`?");
    assert_eq!(error.code(), "workflow-orchestrate-missing-dependency");
}

#[test]
fn a_circle_of_a_hundred_thousand_nodes_is_found_without_recursion() {
    let count = 100_000;
    let id = |n: usize| NodeId::new(format!("n{n}")).unwrap();
    let nodes = (0..count).map(|n| DraftNode::new(id(n), key("t")).after([id((n + 1) % count)]));
    let error = Draft { nodes: nodes.collect(), ..Draft::default() }.build().unwrap_err();
    let GraphError::Cycle { nodes, .. } = &error else { panic!("{error}") };
    assert_eq!(nodes.len(), count);
    assert!(error.to_string().len() < 300, "{error}");
}

#[test]
fn an_expression_may_read_only_what_has_ended_by_then() {
    let reads = |text: &str| {
        let mut draft = draft(&[("a", &[]), ("b", &["a"]), ("c", &["b"]), ("side", &[])]);
        draft.nodes[2].when = Some(text.to_owned());
        draft.build().map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(reads("nodes.a.output == 1 && inputs.go"), Ok(()));
    assert_eq!(
        reads("nodes.side.output == 1"),
        Err("node `c`: when reads `nodes.side`, which it does not depend on".to_owned())
    );
    assert!(reads("nodes.a.output ==").unwrap_err().starts_with("node `c`: when: "));
}

#[test]
fn levels_are_longest_paths() {
    let graph = draft(&[("d", &["b", "a"]), ("a", &[]), ("b", &["a"]), ("lone", &[])]).build().unwrap();
    let levels: Vec<_> = (0..4).map(|place| graph.level(place)).collect();
    assert_eq!(levels, [2, 0, 1, 0]);
    assert_eq!(graph.entries().collect::<Vec<_>>(), [1, 3]);
    assert_eq!(graph.dependencies(0), [2, 1]);
    assert_eq!(graph.successors(1), [0, 2]);
}
