//! Stories told to the real binary, one file each, and the rules of the house.
#![expect(clippy::unwrap_used, reason = "a story that cannot be told ends here")]

mod activity;
mod arrows;
mod bad_input;
mod cli;
mod components;
mod downstream;
mod entry;
mod event_defects;
mod events;
mod fixture;
mod foreign;
mod guards;
mod health;
mod hot_reload;
mod killing;
mod live;
mod metrics;
mod outcomes;
mod ownership;
mod pages;
mod release;
mod reload;
mod resume;
mod runbook;
mod services;
mod settings;
mod support;
mod tokens;
mod verbs;
mod wall;
mod web;
