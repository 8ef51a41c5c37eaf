//! Edges: smooth lines, and one arrow head for each box they arrive at.

use std::fmt::Write as _;

use crate::render::{Direction, Layout, NodeLook, Picture, Point, Route};

/// Length of an arrow head; lines end where it begins.
const HEAD: f64 = 8.0;

pub(super) fn write(picture: &Picture, layout: &Layout, out: &mut String) -> std::fmt::Result {
    for route in &layout.routes {
        let class = class(picture, route);
        writeln!(out, r#"<path class="edge{class}" d="{}"/>"#, line(route, layout.direction))?;
    }
    // All edges of a box arrive at one point: one head each would only be drawn over and over.
    let mut tip = None;
    for route in &layout.routes {
        if tip.replace(route.to) != Some(route.to) {
            let Some(end) = route.points.last() else { continue };
            writeln!(out, r#"<path class="head" d="{}"/>"#, head(*end, layout.direction))?;
        }
    }
    Ok(())
}

/// Lines along which something has already passed are drawn stronger, those that never will be fainter.
fn class(picture: &Picture, route: &Route) -> &'static str {
    let state = |node: usize| picture.nodes()[node].state;
    match (state(route.from), state(route.to)) {
        (_, Some(NodeLook::Skipped | NodeLook::Cancelled)) => " idle",
        (Some(NodeLook::Completed), _) => " done",
        _ => "",
    }
}

/// How far along an edge's piece its control points lie: more than half, so that edges that run far to the
/// side still visibly leave and arrive in the direction of flow.
const EASE: f64 = 0.6;

fn line(route: &Route, direction: Direction) -> String {
    let mut points = route.points.clone();
    if let Some(end) = points.last_mut() {
        *end = along(*end, direction, -HEAD + 1.0);
    }
    let mut d = String::new();
    for (index, pair) in points.chunks_exact(2).enumerate() {
        let [from, to] = [pair[0], pair[1]];
        let reach = EASE
            * match direction {
                Direction::Down => to.y - from.y,
                Direction::Right => to.x - from.x,
            };
        let (first, second) = (along(from, direction, reach), along(to, direction, -reach));
        let start = if index == 0 { 'M' } else { 'L' };
        // Writing to a string cannot fail.
        let _ = write!(d, "{start}{}C{} {} {}", at(from), at(first), at(second), at(to));
    }
    d
}

fn head(tip: Point, direction: Direction) -> String {
    match direction {
        Direction::Down => format!("M{}l-4-{HEAD}h8z", at(tip)),
        Direction::Right => format!("M{}l-{HEAD}-4v8z", at(tip)),
    }
}

fn along(point: Point, direction: Direction, by: f64) -> Point {
    match direction {
        Direction::Down => Point { y: point.y + by, ..point },
        Direction::Right => Point { x: point.x + by, ..point },
    }
}

fn at(point: Point) -> String {
    format!("{:.1} {:.1}", point.x, point.y)
}
