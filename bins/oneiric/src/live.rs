//! What is told while runs are under way: rows that come and go on a terminal, lines elsewhere.
//!
//! The executor and the tasks tell the [`Board`], which never blocks; one thread of [`Live`] draws it
//! ten times a second, however many nodes there are.

mod board;
mod echo;
mod painter;
mod rows;

use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

pub(crate) use board::{Board, TAIL, Tails};
use echo::Quiet;
use painter::Painter;

use crate::failure::Manner;

/// How much is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Telling {
    /// Rows for what runs, lines for what failed.
    Rows,
    /// A line for every node that ended.
    Lines,
    /// A line for what failed, for programs that read the result elsewhere.
    Failures,
}

/// The board that is shown at the moment: the log goes there rather than through its rows.
static SHOWN: OnceLock<Arc<Board>> = OnceLock::new();

/// The board that is shown, where one is.
pub(crate) fn shown() -> Option<&'static Arc<Board>> {
    SHOWN.get().filter(|board| board.is_open())
}

/// A board and the thread that draws it.
#[derive(Debug)]
pub(crate) struct Live {
    board: Arc<Board>,
    thread: Option<JoinHandle<()>>,
    // Put back when the rows are gone.
    echo: Option<Quiet>,
}

impl Live {
    /// Begins to tell.
    pub(crate) fn open(telling: Telling, manner: Manner) -> Self {
        let board = Arc::new(Board::new(telling));
        let echo = (telling == Telling::Rows).then(Quiet::begin).flatten();
        let painter = Painter::new(Arc::clone(&board), manner);
        // Without a thread nothing is told on the way; the report at the end is complete all the same.
        let thread =
            std::thread::Builder::new().name("oneiric-live".to_owned()).spawn(move || painter.run()).ok();
        // One at a time in a process; a second one is told by its own thread, only its log is not.
        let _ = SHOWN.set(Arc::clone(&board));
        Self { board, thread, echo }
    }

    /// What is told to.
    pub(crate) fn board(&self) -> &Arc<Board> {
        &self.board
    }

    /// Tells the rest, takes the rows away and hands out the last lines of what failed.
    pub(crate) fn close(mut self) -> Tails {
        self.stop();
        self.board.take_tails()
    }

    fn stop(&mut self) {
        self.board.close();
        if let Some(thread) = self.thread.take() {
            // A painter that panicked has said so; the run is none the worse for it.
            let _ = thread.join();
        }
        self.echo = None;
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.stop();
    }
}
