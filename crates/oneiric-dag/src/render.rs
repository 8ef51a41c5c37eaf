//! Drawings of workflow graphs: for a terminal, for documents, for a browser.
//!
//! A [`Picture`] is plain data, checked once; every renderer is a pure function of it and cannot fail.
//! Where the nodes and states come from (a plan, a run, a manifest) is the caller's business, and so
//! are files, terminals and the question whether colour is wanted.
//!
//! ```
//! use oneiric_dag::render::{Charset, NodeLook, Picture, PictureNode, Terminal, ascii};
//!
//! let node = |id: &str, depends_on: &[usize]| PictureNode {
//!     state: Some(NodeLook::Completed),
//!     ..PictureNode::new(id, "", depends_on)
//! };
//! let picture = Picture::new("release", vec![node("build", &[]), node("publish", &[0])])?;
//! let drawn = ascii(&picture, Terminal { width: 80, charset: Charset::Unicode, colour: false });
//! assert_eq!(drawn, "release\n┌ ✓ build\n└ ✓ publish\n✓ completed 2\n");
//! # Ok::<(), oneiric_dag::render::PictureError>(())
//! ```

mod ascii;
mod dominators;
mod dot;
mod layout;
mod look;
mod mermaid;
mod picture;
mod svg;
mod text;

#[cfg(test)]
mod tests;

pub use ascii::{Charset, Terminal, ascii};
pub use dot::dot;
pub use layout::{Cells, Direction, Layout, Placed, Point, Route, layout};
pub use look::NodeLook;
pub use mermaid::mermaid;
pub use picture::{Picture, PictureError, PictureNode};
pub use svg::svg;
