//! How a file is opened.

/// What the opener may do to the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Access {
    /// Reads and writes; a missing file is created in a folder that exists.
    #[default]
    ReadWrite,
    /// Reads what is there; a missing file is an error, and nothing is created.
    ReadOnly,
}

/// When a commit is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Synchronous {
    /// When it is on the disk: an answered commit survives a power failure.
    #[default]
    Full,
    /// When the system has it: survives the death of the process; a power failure may take the last
    /// answered commits, never a part of one.
    Normal,
    /// Like `Normal`, and a power failure may damage the file. For scratch data.
    Off,
}

impl Synchronous {
    /// The word that SQLite knows it by.
    pub(super) const fn pragma(self) -> &'static str {
        match self {
            Synchronous::Full => "FULL",
            Synchronous::Normal => "NORMAL",
            Synchronous::Off => "OFF",
        }
    }
}

/// How a file is opened. The default reads and writes and promises durability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// What the opener may do to the file.
    pub access: Access,
    /// When a commit is answered.
    pub synchronous: Synchronous,
}

impl Options {
    /// For inspection: creates nothing, refuses every commit.
    pub const READ_ONLY: Options = Options { access: Access::ReadOnly, synchronous: Synchronous::Full };
}
