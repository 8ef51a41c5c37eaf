//! A program that knows whether something is well.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use oneiric_core::{Clock, Environment, Fault};

use crate::process::group::Group;
use crate::process::launch::Launch;
use crate::process::lines::Lines;
use crate::process::pump::pump;
use crate::process::reaper::Reaper;
use crate::process::spawning::{refused, unless_torn_down};
use crate::process::status;
use crate::{Limits, Parts};

/// How long the last words of a program are waited for once its group is dead.
const DRAIN: Duration = Duration::from_secs(1);

/// Runs programs and looks how they end.
#[derive(Debug)]
pub(super) struct Programs {
    clock: Arc<dyn Clock>,
    environment: Arc<dyn Environment>,
    limits: Limits,
    reaper: Arc<Reaper>,
}

impl Programs {
    pub(super) fn new(parts: &Parts) -> Self {
        Self {
            clock: parts.clock.clone(),
            environment: parts.environment.clone(),
            // Nothing is kept but the last line.
            limits: Limits { log_bytes: 0, ..parts.limits },
            reaper: Arc::default(),
        }
    }

    fn launch(&self, command: &[String]) -> Result<Launch, Fault> {
        let Some((name, args)) = command.split_first() else {
            return Err(Fault::permanent("bad-question", "`exec` names no program"));
        };
        if command.iter().any(|word| word.contains('\0')) {
            return Err(Fault::permanent("bad-question", format!("`exec` `{name}`: a word contains a NUL")));
        }
        Ok(Launch::plain(name, args, self.environment.as_ref()))
    }

    pub(super) fn check(&self, command: &[String]) -> Result<(), Fault> {
        self.launch(command)?.locate().map(|_| ())
    }

    /// Runs it to its end. Dropping the future kills its group.
    pub(super) async fn ask(&self, command: &[String]) -> Result<(), Fault> {
        let launch = self.launch(command)?;
        let name = launch.name.as_str();
        let spawned = Group::spawn_without_input(launch.command()?, self.reaper.clone());
        let (mut group, (stdout, stderr)) = spawned.map_err(|error| refused(name, &error))?;
        let (mut output, mut errors) = (Lines::new(self.limits), Lines::new(self.limits));
        let status = {
            let streams = async {
                tokio::join!(
                    pump(stdout, |chunk| output.push(chunk, &mut |_| {})),
                    pump(stderr, |chunk| errors.push(chunk, &mut |_| {})),
                );
            };
            let (mut streams, mut open) = (pin!(streams), true);
            let status = loop {
                tokio::select! {
                    biased;
                    status = group.wait() => break status,
                    () = &mut streams, if open => open = false,
                }
            };
            group.kill();
            if open {
                tokio::select! {
                    biased;
                    () = streams => {}
                    () = self.clock.sleep(DRAIN) => {}
                }
            }
            status
        };
        output.finish(&mut |_| {});
        errors.finish(&mut |_| {});
        let status = status.map_err(|error| {
            unless_torn_down(&error, || {
                Fault::transient("status-lost", format!("cannot tell how `{name}` ended: {error}"))
            })
        })?;
        let said = if errors.last().is_empty() { output.last() } else { errors.last() };
        status::judge(name, status.into(), said)
    }
}
