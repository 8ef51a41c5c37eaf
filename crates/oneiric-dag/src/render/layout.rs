//! Where boxes and edges go: a layered layout after Sugiyama.
//!
//! The steps are files: layers, then chains of bends for long edges, then the order in each layer, then
//! positions. The work is bounded at each (see the constants there): a large graph gets fewer sweeps and
//! unbent edges rather than more time. The same picture always gives the same layout.

mod chains;
mod layers;
mod order;
mod place;

use chains::Mesh;

use super::Picture;

/// Size of the boxes, all alike, and the room around them, in the units the layout is wanted in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cells {
    /// Width of a box.
    pub width: f64,
    /// Height of a box.
    pub height: f64,
    /// Least distance of two boxes side by side in a layer.
    pub beside: f64,
    /// Least distance between layers; grows up to threefold where edges run far to the side.
    pub between: f64,
    /// A top-down layout wider than this is turned, if turning makes it narrower.
    pub comfortable_width: f64,
}

/// Which way the edges run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Layers are rows, from top to bottom.
    Down,
    /// Layers are columns, from left to right: for wide graphs, because pages scroll down.
    Right,
}

/// A position; x grows to the right, y downwards.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Distance from the left edge.
    pub x: f64,
    /// Distance from the top edge.
    pub y: f64,
}

/// Place of one node.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placed {
    /// Top left corner of its box.
    pub corner: Point,
    /// Its layer, counted from zero; greater than the layer of everything it depends on.
    pub layer: usize,
}

/// Course of one edge.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// Position of the node it leaves.
    pub from: usize,
    /// Position of the node that depends on it.
    pub to: usize,
    /// From the border of one box to that of the other, an even number of points. It bends between the
    /// first and the second, third and fourth, and so on, and is straight in between, past other boxes.
    pub points: Vec<Point>,
}

/// A [`Picture`] with a place for everything, from the origin on.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// Which way it runs.
    pub direction: Direction,
    /// Right edge of the rightmost box or bend.
    pub width: f64,
    /// Lower edge of the lowest box.
    pub height: f64,
    /// One for each node, in the same sequence.
    pub nodes: Vec<Placed>,
    /// One for each edge, ordered by node and its dependencies.
    pub routes: Vec<Route>,
}

/// Space an edge takes where it passes a layer, as a part of the distance between boxes.
const EDGE_ROOM: f64 = 0.5;
/// How much of an edge's way to the side is added to the distance of the layers.
const SLOPE: f64 = 0.08;
/// Boxes without any edge stand in a grid of their own with at least this many in a row.
const GRID: usize = 4;

/// Places the nodes of `picture` in layers, every edge leading at least one layer down.
///
/// The time is near linear in nodes and edges, whatever the graph looks like.
pub fn layout(picture: &Picture, cells: &Cells) -> Layout {
    let mesh = Mesh::new(picture, &layers::assign(picture));
    let orders = order::order(&mesh);
    let direction = direction(&mesh, &orders, cells);
    let lone: Vec<usize> = (0..picture.nodes().len()).filter(|node| mesh.is_lone(*node)).collect();
    Drawing { cells, mesh: &mesh, direction }.draw(picture, &orders, &lone)
}

fn direction(mesh: &Mesh, orders: &[Vec<usize>], cells: &Cells) -> Direction {
    let taken =
        |v: &usize| if mesh.is_bend(*v) { EDGE_ROOM * cells.beside } else { cells.width + cells.beside };
    let down = orders.iter().map(|layer| layer.iter().map(taken).sum::<f64>()).fold(0.0, f64::max);
    let right = orders.len() as f64 * (cells.width + cells.between);
    if down > cells.comfortable_width && right < down { Direction::Right } else { Direction::Down }
}

/// Positions are found along two axes, *across* the layers' direction of flow and *along* it; only the
/// last step turns them into x and y.
struct Drawing<'a> {
    cells: &'a Cells,
    mesh: &'a Mesh,
    direction: Direction,
}

impl Drawing<'_> {
    fn draw(&self, picture: &Picture, orders: &[Vec<usize>], lone: &[usize]) -> Layout {
        let (across, along) = match self.direction {
            Direction::Down => (self.cells.width, self.cells.height),
            Direction::Right => (self.cells.height, self.cells.width),
        };
        let room = |v: usize| if self.mesh.is_bend(v) { 0.0 } else { across };
        let gap = |v: usize, w: usize| {
            let bends = usize::from(self.mesh.is_bend(v)) + usize::from(self.mesh.is_bend(w));
            (room(v) + room(w)) / 2.0 + self.cells.beside * if bends == 0 { 1.0 } else { EDGE_ROOM }
        };
        let mut centre = place::place(self.mesh, orders, gap);
        let drawn: Vec<usize> = orders.iter().flatten().copied().collect();
        let least = drawn.iter().map(|v| centre[*v] - room(*v) / 2.0).fold(f64::INFINITY, f64::min);
        drawn.iter().for_each(|v| centre[*v] -= least);
        let mut extent = drawn.iter().map(|v| centre[*v] + room(*v) / 2.0).fold(0.0, f64::max);

        let mut tops = self.tops(&centre, orders.len(), along);
        let mut rank = self.mesh.rank.clone();
        let step = across + self.cells.beside;
        let per_row = (((extent + self.cells.beside) / step) as usize).max(GRID).max(lone.len().isqrt());
        for (row, nodes) in lone.chunks(per_row).enumerate() {
            let top = tops.last().map_or(0.0, |top| top + along + self.cells.beside);
            tops.push(top);
            for (column, node) in nodes.iter().enumerate() {
                centre[*node] = column as f64 * step + across / 2.0;
                extent = extent.max(centre[*node] + across / 2.0);
                rank[*node] = orders.len() + row;
            }
        }

        let nodes = (0..picture.nodes().len())
            .map(|v| Placed { corner: self.point(centre[v] - across / 2.0, tops[rank[v]]), layer: rank[v] });
        let end = self.point(extent, tops.last().map_or(0.0, |top| top + along));
        Layout {
            direction: self.direction,
            width: end.x,
            height: end.y,
            nodes: nodes.collect(),
            routes: self.routes(&centre, &tops, along),
        }
    }

    /// Where each layer begins. Edges that run far to the side get a longer way to do it in.
    fn tops(&self, centre: &[f64], layers: usize, along: f64) -> Vec<f64> {
        let mut reach = vec![0.0_f64; layers];
        for (v, below) in self.mesh.down.iter().enumerate() {
            for w in below {
                let rank = self.mesh.rank[v];
                reach[rank] = reach[rank].max((centre[v] - centre[*w]).abs());
            }
        }
        let mut top = 0.0;
        let next = |reach: &f64| {
            let here = top;
            let between = self.cells.between;
            top += along + between + (SLOPE * (reach - 2.0 * between)).min(2.0 * between).max(0.0);
            here
        };
        reach.iter().map(next).collect()
    }

    fn routes(&self, centre: &[f64], tops: &[f64], along: f64) -> Vec<Route> {
        let route = |chain: &chains::Chain| {
            let mut points = vec![self.point(centre[chain.from], tops[self.mesh.rank[chain.from]] + along)];
            let straight = chain.bends.chunk_by(|v, w| (centre[*v] - centre[*w]).abs() < 0.01);
            for bends in straight {
                let (first, last) = (bends[0], bends[bends.len() - 1]);
                points.push(self.point(centre[first], tops[self.mesh.rank[first]]));
                points.push(self.point(centre[first], tops[self.mesh.rank[last]] + along));
            }
            points.push(self.point(centre[chain.to], tops[self.mesh.rank[chain.to]]));
            Route { from: chain.from, to: chain.to, points }
        };
        self.mesh.chains.iter().map(route).collect()
    }

    fn point(&self, across: f64, along: f64) -> Point {
        match self.direction {
            Direction::Down => Point { x: across, y: along },
            Direction::Right => Point { x: along, y: across },
        }
    }
}
