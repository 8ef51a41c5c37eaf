//! The drawing for browsers and the layout below it.

use proptest::prelude::*;

use super::properties::pictures;
use super::*;
use crate::render::text::clean;

const CELLS: Cells =
    Cells { width: 100.0, height: 40.0, beside: 20.0, between: 40.0, comfortable_width: 600.0 };

#[test]
fn svg_is_complete_in_itself() {
    insta::assert_snapshot!("svg_diamond", svg(&diamond()));
    // The style sheet is the same in each; one snapshot shows it.
    insta::assert_snapshot!("svg_disconnected", without_style(&svg(&disconnected())));
    insta::assert_snapshot!("svg_nasty", without_style(&svg(&nasty())));
}

fn without_style(svg: &str) -> String {
    let (before, rest) = svg.split_once("<style>").unwrap();
    format!("{before}{}", rest.split_once("</style>\n").unwrap().1)
}

#[test]
fn an_empty_drawing_is_still_one() {
    let empty = Picture::new("", vec![]).unwrap();
    assert!(roxmltree::Document::parse(&svg(&empty)).is_ok());
}

#[test]
fn what_is_too_wide_runs_to_the_right() {
    let fan = |count: usize| {
        let branches = (1..=count).map(|i| PictureNode::new(format!("n{i}"), "", &[0]));
        let nodes = std::iter::once(PictureNode::new("n0", "", &[])).chain(branches).collect();
        layout(&Picture::new("", nodes).unwrap(), &CELLS)
    };
    assert_eq!(fan(3).direction, Direction::Down);
    let wide = fan(30);
    assert_eq!(wide.direction, Direction::Right);
    assert!(wide.width < 600.0 && wide.nodes[0].corner.x < wide.nodes[1].corner.x);
}

#[test]
fn a_parent_stands_in_the_middle_of_its_children() {
    let found = layout(&diamond(), &CELLS);
    let x: Vec<f64> = found.nodes.iter().map(|node| node.corner.x).collect();
    assert_eq!(x[0], (x[1] + x[2]) / 2.0);
}

proptest! {
    #[test]
    fn svg_is_well_formed_and_shows_every_node(picture in pictures()) {
        let drawn = svg(&picture);
        let document = roxmltree::Document::parse(&drawn).unwrap();
        let boxes = document.descendants().filter(|n| n.attribute("class").is_some_and(|c| c.starts_with("node ")));
        let tips: Vec<_> = boxes.map(|n| n.first_element_child().unwrap().text().unwrap_or_default()).collect();
        prop_assert_eq!(tips.len(), picture.nodes().len());
        for (tip, node) in tips.iter().zip(picture.nodes()) {
            prop_assert!(tip.starts_with(&*clean(&node.id)));
        }
        let edges = document.descendants().filter(|n| n.attribute("class").is_some_and(|c| c.starts_with("edge")));
        prop_assert_eq!(edges.count(), picture.edges().count());
        for number in document.descendants().flat_map(|n| n.attributes()).filter(|a| a.name() != "class") {
            prop_assert!(!number.value().contains("NaN") && !number.value().contains("inf"));
        }
    }

    #[test]
    fn edges_lead_down_and_boxes_stay_apart(picture in pictures()) {
        let found = layout(&picture, &CELLS);
        prop_assert_eq!(&found, &layout(&picture, &CELLS));
        for (from, to) in picture.edges() {
            prop_assert!(found.nodes[from].layer < found.nodes[to].layer);
        }
        for (index, a) in found.nodes.iter().enumerate() {
            prop_assert!(a.corner.x >= -0.01 && a.corner.x + CELLS.width <= found.width + 0.01);
            prop_assert!(a.corner.y >= -0.01 && a.corner.y + CELLS.height <= found.height + 0.01);
            for b in &found.nodes[..index] {
                let beside = (a.corner.x - b.corner.x).abs() >= CELLS.width - 0.01;
                let above = (a.corner.y - b.corner.y).abs() >= CELLS.height - 0.01;
                prop_assert!(beside || above);
            }
        }
        for (route, edge) in found.routes.iter().zip(picture.edges()) {
            prop_assert_eq!((route.from, route.to), edge);
            prop_assert!(route.points.len() >= 2 && route.points.len() % 2 == 0);
        }
    }
}
