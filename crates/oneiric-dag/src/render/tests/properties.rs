//! Any acyclic graph with any texts: renderers terminate, leave nothing out and stay within bounds.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::render::text::{clean, columns};

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[a-z_]{1,12}", 1 => "\\PC{0,12}", 1 => prop::collection::vec(any::<char>(), 0..8).prop_map(String::from_iter), 1 => "[A-Za-z.]{40,60}"]
}

prop_compose! {
    fn rows()(
        id in texts(),
        label in prop_oneof![Just(String::new()), texts()],
        state in prop::option::of(prop::sample::select(NodeLook::ALL.to_vec())),
        detail in prop::option::of(texts()),
        above in prop::collection::vec(any::<Index>(), 0..4),
    ) -> (PictureNode, Vec<Index>) {
        (PictureNode { state, detail, ..PictureNode::new(id, label, &[]) }, above)
    }
}

/// Each node depends on some before it; `mirrored` reverses the list, so that positions say nothing.
fn picture(rows: Vec<(PictureNode, Vec<Index>)>, title: &str, mirrored: bool) -> Picture {
    let count = rows.len();
    let name = |index: usize| if mirrored { count - 1 - index } else { index };
    let mut nodes = Vec::with_capacity(count);
    for (index, (mut node, above)) in rows.into_iter().enumerate() {
        let above = above.iter().filter(|_| index > 0);
        node.depends_on = above.map(|above| name(above.index(index))).collect();
        nodes.push(node);
    }
    if mirrored {
        nodes.reverse();
    }
    Picture::new(title, nodes).unwrap()
}

pub(super) fn pictures() -> impl Strategy<Value = Picture> {
    (prop::collection::vec(rows(), 0..40), texts(), any::<bool>())
        .prop_map(|(rows, title, mirrored)| picture(rows, &title, mirrored))
}

proptest! {
    #[test]
    fn no_line_exceeds_the_width(picture in pictures(), width in 20_usize..140, colour: bool, plain: bool) {
        let charset = if plain { Charset::Ascii } else { Charset::Unicode };
        let drawn = ascii(&picture, Terminal { width, charset, colour });
        for line in drawn.lines() {
            prop_assert!(columns(&without_colour(line)) <= width, "{line}");
        }
        prop_assert!(!plain || drawn.is_ascii());
    }

    #[test]
    fn every_node_has_one_row_after_what_it_depends_on(picture in pictures()) {
        let drawn = ascii(&picture, Terminal { width: 400, charset: Charset::Unicode, colour: false });
        for node in picture.nodes() {
            prop_assert!(drawn.contains(clean(&node.id).trim_end()));
        }
        let numbered = picture.nodes().iter().enumerate();
        let numbered = numbered.map(|(i, node)| PictureNode::new(format!("<{i}>"), "", &node.depends_on));
        let numbered = Picture::new("", numbered.collect()).unwrap();
        let drawn = ascii(&numbered, Terminal { width: 400, charset: Charset::Unicode, colour: false });
        prop_assert_eq!(drawn.lines().count(), picture.nodes().len());
        let row = |i: usize| {
            let own = |line: &str| line.split('←').next().unwrap().contains(&format!("<{i}>"));
            drawn.lines().position(own).unwrap()
        };
        for (from, to) in picture.edges() {
            prop_assert!(row(from) < row(to), "{drawn}");
        }
    }

    #[test]
    fn text_formats_name_every_node_and_edge(picture in pictures()) {
        let (mermaid, dot) = (mermaid(&picture), dot(&picture));
        for index in 0..picture.nodes().len() {
            let named = format!("    n{index}[\"");
            prop_assert!(mermaid.contains(&named), "{}", mermaid);
            let named = format!("  n{index} [label=\"");
            prop_assert!(dot.contains(&named), "{}", dot);
        }
        prop_assert_eq!(mermaid.matches(" --> n").count(), picture.edges().count());
        prop_assert_eq!(dot.matches(" -> n").count(), picture.edges().count());
        // One statement a line: no text may end its line or its quotes.
        for line in dot.lines().filter(|line| line.starts_with("  n") && line.contains("label=")) {
            let open = line.replace("\\\\", "").replace("\\\"", "");
            prop_assert_eq!(open.matches('"').count() % 2, 0);
        }
    }
}
