//! The document about everything that a process answers, without a process:
//! `cargo run -p oneiric-server --example openapi > openapi.json`
#![expect(clippy::print_stdout, reason = "printing is what it is for")]

fn main() {
    println!("{:#}", oneiric_server::document());
}
