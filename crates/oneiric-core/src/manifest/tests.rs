//! The module seen from outside: the formats together, hostile texts, and files of the field.

mod canonical;
mod errors;
mod hostile;
mod samples;
