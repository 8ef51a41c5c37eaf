//! The resolver. (being written)
