//! The one executable: arguments, printing, exit codes. What it does is in the crates below it.

mod app;
mod args;
mod commands;
mod context;
mod exit;
mod failure;
mod fetch;
mod find;
mod google_keys;
mod known;
mod live;
mod logging;
mod notify;
mod output;
mod packaged;
mod panics;
mod peers;
mod pidfile;
mod problems;
mod report;
mod session;
mod signals;
mod wait;

fn main() -> std::process::ExitCode {
    panics::report_in_one_line();
    app::run(std::env::args_os()).into()
}
