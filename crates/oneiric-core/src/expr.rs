//! Expressions. (being written)
