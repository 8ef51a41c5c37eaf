//! Contracts and virtual time.
//!
//! A port has one executable contract, and every implementation of it, ours or not, runs the whole of
//! it: [`contract::store`] for [`oneiric_store::Store`].

pub mod contract;
