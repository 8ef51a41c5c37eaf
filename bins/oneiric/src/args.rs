//! What can be written on the command line. Meaning is the commands'.

mod activity;
mod background;
mod components;
mod config;
mod doctor;
mod event;
mod global;
mod instances;
mod manifest;
mod names;
mod orchestrate;
mod run;
mod secrets;
mod service;
mod store;
mod token;
mod workflow;

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Parser, Subcommand};

pub(crate) use activity::{AcceptArgs, ActivityArgs, DrainArgs, PauseArgs};
pub(crate) use background::{ProcessStatusArgs, StartArgs, StopArgs};
pub(crate) use components::{ExplainArgs, ListArgs, PluginsArgs};
pub(crate) use config::{
    ConfigCommand, ExplainArgs as ConfigExplainArgs, SchemaArgs, ShowArgs as ConfigShowArgs,
    ValidateArgs as ConfigValidateArgs,
};
pub(crate) use doctor::DoctorArgs;
pub(crate) use event::{
    DeadDropArgs, DeadLettersArgs, DeadLettersCommand, DeadListArgs, DeadReplayArgs, DeadSelection, EmitArgs,
    EventCommand, ListArgs as EventListArgs, Pace, Promise, ReplayArgs, ShowArgs as EventShowArgs, TailArgs,
};
pub(crate) use global::{Global, LogLevel};
pub(crate) use instances::{
    HealthArgs, InvokeArgs, ReloadArgs, RemoteStatusArgs, StatusArgs, SupervisorInfoArgs, SwapArgs,
};
pub(crate) use manifest::{ManifestCommand, PackArgs, ShowArgs as ManifestShowArgs, ValidateArgs};
pub(crate) use orchestrate::{EventsArgs, OrchestrateArgs};
pub(crate) use run::{
    CancelArgs, ExplainArgs as RunExplainArgs, ExtendArgs, ForkArgs, ListArgs as RunListArgs, Patience,
    PauseArgs as RunPauseArgs, RerunArgs, ResumeArgs, RetryNowArgs, RunCommand, ShowArgs, WatchArgs,
};
pub(crate) use secrets::{RotateArgs, SecretsCommand};
pub(crate) use service::{LogsArgs, ServiceArgs, ServiceCommand, SupervisorCommand};
pub(crate) use store::{BackupArgs, StoreCommand};
pub(crate) use token::{
    CreateArgs as CreateTokenArgs, HashArgs as HashTokenArgs, RevokeArgs as RevokeTokenArgs, TokenCommand,
};
pub(crate) use workflow::{GraphArgs, PlanArgs, RunArgs, WorkflowCommand};

use crate::exit;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const EXAMPLES: &str = "\
Examples:
  oneiric --manifest shop.yaml list --domain task
  oneiric --manifest shop.yaml workflow run shop.checkout --context '{\"order\": 7}'
  oneiric run show latest
  oneiric run resume --all";

/// Resolve components, run durable workflows, see what happened.
///
/// The global options may stand before or after the subcommand. Results go to standard output,
/// everything else to standard error.
#[derive(Debug, Parser)]
#[command(
    name = "oneiric",
    version,
    styles = STYLES,
    max_term_width = 100,
    disable_help_subcommand = true,
    after_help = EXAMPLES,
    after_long_help = format!("{EXAMPLES}\n\n{}", exit::HELP)
)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    List(ListArgs),
    Explain(ExplainArgs),
    Status(StatusArgs),
    Health(HealthArgs),
    SupervisorInfo(SupervisorInfoArgs),
    RemoteStatus(RemoteStatusArgs),
    Swap(SwapArgs),
    Reload(ReloadArgs),
    Activity(ActivityArgs),
    Pause(PauseArgs),
    Drain(DrainArgs),
    Resume(AcceptArgs),
    ActionInvoke(InvokeArgs),
    Plugins(PluginsArgs),
    /// Check, show and convert manifests
    #[command(
        subcommand,
        arg_required_else_help = true,
        after_help = "Examples:
  oneiric manifest validate shop.yaml
  oneiric manifest pack -i shop.yaml --stdout"
    )]
    Manifest(ManifestCommand),
    /// Emit events, and see what became of them
    #[command(
        subcommand,
        arg_required_else_help = true,
        after_help = "Examples:
  oneiric --manifest shop.yaml event emit order.paid --payload '{\"order\": 7}'
  oneiric event list --topic 'order.*'
  oneiric event show latest
  oneiric event dead-letters"
    )]
    Event(EventCommand),
    /// Plan, draw and run workflows
    #[command(
        subcommand,
        arg_required_else_help = true,
        after_help = "Examples:
  oneiric --manifest shop.yaml workflow plan
  oneiric --manifest shop.yaml workflow run shop.checkout"
    )]
    Workflow(WorkflowCommand),
    /// See runs, follow them, and tell them what to do
    #[command(
        subcommand,
        arg_required_else_help = true,
        after_help = "Examples:
  oneiric run list --status failed
  oneiric run explain latest
  oneiric run watch
  oneiric run cancel latest"
    )]
    Run(RunCommand),
    Orchestrate(Box<OrchestrateArgs>),
    Start(Box<StartArgs>),
    Stop(StopArgs),
    ProcessStatus(ProcessStatusArgs),
    /// See services, start and stop them, and read what they wrote
    #[command(
        subcommand,
        arg_required_else_help = true,
        after_help = "Examples:
  oneiric service list
  oneiric service restart gateway
  oneiric service logs gateway --follow"
    )]
    Service(ServiceCommand),
    /// See what the supervisor goes by
    #[command(
        subcommand,
        arg_required_else_help = true,
        after_help = "Examples:
  oneiric --manifest shop.yaml supervisor critical-chain"
    )]
    Supervisor(SupervisorCommand),
    Doctor(DoctorArgs),
    /// Check and copy the state
    #[command(
        subcommand,
        arg_required_else_help = true,
        after_help = "Examples:
  oneiric store check
  oneiric store backup /backup/oneiric.sqlite"
    )]
    Store(StoreCommand),
    /// See where settings come from, and check them
    #[command(
        subcommand,
        arg_required_else_help = true,
        after_help = "Examples:
  oneiric config explain remote.enabled
  oneiric config show"
    )]
    Config(ConfigCommand),
    /// See which secrets are asked for, and forget cached ones
    #[command(
        subcommand,
        arg_required_else_help = true,
        after_help = "Examples:
  oneiric secrets list
  oneiric secrets rotate --all"
    )]
    Secrets(SecretsCommand),
    /// Make, list and take back tokens for HTTP
    #[command(
        subcommand,
        arg_required_else_help = true,
        after_help = "Examples:
  oneiric token create --scope operate --name ci --expires-in 90d
  oneiric token list
  oneiric token revoke ci"
    )]
    Token(TokenCommand),
    /// Print a completion script
    #[command(after_help = "Examples:
  oneiric completions bash > /etc/bash_completion.d/oneiric
  oneiric completions fish > ~/.config/fish/completions/oneiric.fish")]
    Completions {
        /// For which shell
        shell: clap_complete::Shell,
    },
    /// Print or write the manual pages
    ///
    /// Without a folder the page of `oneiric` itself is printed; into a folder goes a page for every
    /// command. The folder is made where it is not there.
    #[command(after_help = "Examples:
  oneiric man | man -l -
  oneiric man /usr/local/share/man/man1")]
    Man {
        /// Where to write all pages, such as oneiric-workflow-run.1
        #[arg(value_name = "DIR")]
        folder: Option<PathBuf>,
    },
}

/// The arguments as clap is to see them.
///
/// A leading `cli` is dropped: `python -m oneiric.cli` became `oneiric cli` in many scripts. Every
/// `--manifest` and `--set` is moved to the front: clap would forget those before the subcommand where others
/// stand behind it.
pub(crate) fn normalize(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut args = args.into_iter().peekable();
    let mut front: Vec<OsString> = args.next().into_iter().collect();
    if args.peek().is_some_and(|first| first == "cli") {
        args.next();
    }
    let mut rest = Vec::new();
    while let Some(arg) = args.next() {
        if arg == "--" {
            rest.push(arg);
            rest.extend(args);
            break;
        } else if REPEATED.iter().any(|name| arg == *name) {
            let value = args.next_if(|value| !is_option(value));
            front.push(arg);
            if let Some(value) = value {
                front.push(value);
            } else {
                // Its value is missing: here clap says so, in front it would swallow the next word.
                rest.extend(front.pop());
            }
        } else if REPEATED.iter().any(|name| is_option_with_value(&arg, name)) {
            front.push(arg);
        } else {
            rest.push(arg);
        }
    }
    front.extend(rest);
    front
}

/// Global options that may be repeated.
const REPEATED: [&str; 2] = ["--manifest", "--set"];

fn is_option_with_value(arg: &OsStr, name: &str) -> bool {
    arg.as_encoded_bytes().strip_prefix(name.as_bytes()).is_some_and(|rest| rest.starts_with(b"="))
}

fn is_option(text: &OsStr) -> bool {
    text.len() > 1 && text.as_encoded_bytes().starts_with(b"-")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn arguments_are_brought_into_one_dialect() {
        let check = |given: &str, expected: &str| {
            let given = given.split(' ').map(OsString::from);
            let expected: Vec<_> = expected.split(' ').map(OsString::from).collect();
            assert_eq!(normalize(given), expected);
        };
        check("o cli list", "o list");
        check("o list cli", "o list cli");
        check("o --manifest a list --manifest b", "o --manifest a --manifest b list");
        check("o list --manifest=b --json", "o --manifest=b list --json");
        check("o --set a=1 list --set=b=2 --settle", "o --set a=1 --set=b=2 list --settle");
        check("o list --manifest", "o list --manifest");
        check("o list --manifest --json", "o list --manifest --json");
        check("o x -- --manifest a", "o x -- --manifest a");
    }

    fn help_of(command: &mut clap::Command, path: &str, out: &mut String) {
        let width = 100;
        *command = std::mem::take(command).term_width(width);
        out.push_str(&format!("━━━ {path}\n{}\n", command.render_long_help()));
        let names: Vec<_> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
        for name in names {
            if let Some(sub) = command.find_subcommand_mut(&name) {
                help_of(sub, &format!("{path} {name}"), out);
            }
        }
    }

    #[test]
    fn help_teaches() {
        let mut command = Args::command();
        command.build();
        let mut out = String::new();
        help_of(&mut command, "oneiric", &mut out);
        // Taken from the environment of whoever runs the tests.
        insta::with_settings!({filters => vec![(r"\[env: (\w+)=[^\]]*\]", "[env: $1=]")]}, {
            insta::assert_snapshot!("help", out);
        });
    }
}
