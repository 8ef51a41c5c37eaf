//! What is stuck, and how it gets going again.

use clap::Args;

/// Find what is stuck, and say how it gets going again
///
/// Looks for runs that nobody moves, processes that died or stand still, what they left behind, and damage in
/// the store; tells what each finding means and what to type. Creates and changes nothing, except with
/// `--fix`. Exits with 0 where there is no finding, 1 where there is one, 2 where the store is damaged; hints
/// do not count.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oneiric doctor
  oneiric doctor --fix
  oneiric doctor --metrics > /var/lib/node_exporter/oneiric.prom")]
pub(crate) struct DoctorArgs {
    /// Bury dead processes: free what they own, remove what they left. Doing it twice does it once
    #[arg(long)]
    pub(crate) fix: bool,
    /// Print how many rows are stuck, by kind, and what live processes have counted, as Prometheus reads it: the same
    /// that they show under `/metrics`; the store is not examined
    #[arg(long, conflicts_with_all = ["json", "format", "fix"])]
    pub(crate) metrics: bool,
}
