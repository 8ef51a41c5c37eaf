//! One file per command; here only which is which.

mod activity;
mod background;
mod completions;
mod conduct;
mod config;
mod doctor;
mod event;
mod explain;
mod health;
mod here;
mod invoke;
mod life;
mod list;
mod man;
mod manifest;
mod orchestrate;
mod plugins;
mod reload;
mod remote_status;
mod run;
mod secrets;
mod service;
mod status;
mod store;
mod supervisor;
mod supervisor_info;
mod swap;
mod token;
mod workflow;

use oneiric_runtime::control::ServiceAction;

pub(crate) use background::is_background;

use crate::args::{
    Command, ConfigCommand, EventCommand, ManifestCommand, RunCommand, SecretsCommand, ServiceCommand,
    StoreCommand, SupervisorCommand, TokenCommand, WorkflowCommand,
};
use crate::exit::Code;
use crate::failure::Failure;
use crate::session::Session;

/// Does what is wanted.
pub(crate) fn dispatch(session: &mut Session, wanted: Command) -> Result<Code, Failure> {
    match wanted {
        Command::List(args) => list::list(session, &args),
        Command::Explain(args) => explain::explain(session, &args),
        Command::Status(args) => status::status(session, &args),
        Command::Health(args) => health::health(session, &args),
        Command::SupervisorInfo(_) => supervisor_info::supervisor_info(session),
        Command::RemoteStatus(_) => remote_status::remote_status(session),
        Command::Swap(args) => swap::swap(session, &args),
        Command::Reload(_) => reload::reload(session),
        Command::Activity(args) => activity::activity(session, &args),
        Command::Pause(args) => activity::pause(session, &args),
        Command::Drain(args) => activity::drain(session, &args),
        Command::Resume(args) => activity::resume(session, &args),
        Command::ActionInvoke(args) => invoke::invoke(session, &args),
        Command::Plugins(_) => plugins::plugins(session),
        Command::Completions { shell } => completions::completions(session, shell),
        Command::Man { folder } => man::man(session, folder.as_deref()),
        Command::Manifest(wanted) => match wanted {
            ManifestCommand::Validate(args) => manifest::validate(session, args),
            ManifestCommand::Show(args) => manifest::show(session, args),
            ManifestCommand::Pack(args) => manifest::pack(session, args),
            ManifestCommand::Schema => manifest::schema(session),
        },
        Command::Workflow(wanted) => match wanted {
            WorkflowCommand::List => workflow::list(session),
            WorkflowCommand::Plan(args) => workflow::plan(session, &args),
            WorkflowCommand::Run(args) => workflow::run(session, args),
            WorkflowCommand::Graph(args) => workflow::graph(session, &args),
            WorkflowCommand::Runs(args) => run::list(session, args),
            WorkflowCommand::Show(args) => run::show(session, &args),
            WorkflowCommand::Resume(args) => run::resume(session, &args),
            WorkflowCommand::Cancel(args) => run::cancel(session, &args),
        },
        Command::Run(wanted) => match wanted {
            RunCommand::List(args) => run::list(session, args),
            RunCommand::Show(args) => run::show(session, &args),
            RunCommand::Explain(args) => run::explain(session, &args),
            RunCommand::Watch(args) => run::watch(session, &args),
            RunCommand::Pause(args) => run::pause(session, &args),
            RunCommand::Resume(args) => run::resume(session, &args),
            RunCommand::Cancel(args) => run::cancel(session, &args),
            RunCommand::RetryNow(args) => run::retry_now(session, &args),
            RunCommand::Extend(args) => run::extend(session, &args),
            RunCommand::Rerun(args) => run::rerun(session, args),
            RunCommand::Fork(args) => run::fork(session, &args),
        },
        Command::Event(wanted) => match wanted {
            EventCommand::Emit(args) => event::emit(session, &args),
            EventCommand::List(args) => event::list(session, args),
            EventCommand::Show(args) => event::show(session, &args),
            EventCommand::Tail(args) => event::tail(session, args),
            EventCommand::Replay(args) => event::replay(session, args),
            EventCommand::DeadLetters(args) => event::dead_letters(session, args),
        },
        Command::Orchestrate(args) => orchestrate::orchestrate(session, &args),
        Command::Start(args) => background::start(session, &args),
        Command::Stop(args) => background::stop(session, &args),
        Command::ProcessStatus(args) => background::status(session, &args),
        Command::Service(wanted) => match wanted {
            ServiceCommand::List => service::list(session),
            ServiceCommand::Start(args) => service::act(session, &args, ServiceAction::Start),
            ServiceCommand::Stop(args) => service::act(session, &args, ServiceAction::Stop),
            ServiceCommand::Restart(args) => service::act(session, &args, ServiceAction::Restart),
            ServiceCommand::Logs(args) => service::logs(session, &args),
        },
        Command::Supervisor(SupervisorCommand::CriticalChain) => supervisor::critical_chain(session),
        Command::Doctor(args) => doctor::doctor(session, &args),
        Command::Config(wanted) => match wanted {
            ConfigCommand::Explain(args) => config::explain(session, &args),
            ConfigCommand::Show(args) => config::show(session, &args),
            ConfigCommand::Validate(args) => config::validate(session, args),
            ConfigCommand::Schema(args) => config::schema(session, &args),
        },
        Command::Secrets(wanted) => match wanted {
            SecretsCommand::List => secrets::list(session),
            SecretsCommand::Rotate(args) => secrets::rotate(session, &args),
        },
        Command::Store(wanted) => match wanted {
            StoreCommand::Check => store::check(session),
            StoreCommand::Backup(args) => store::backup(session, &args),
        },
        Command::Token(wanted) => match wanted {
            TokenCommand::Create(args) => token::create(session, &args),
            TokenCommand::List => token::list(session),
            TokenCommand::Revoke(args) => token::revoke(session, &args),
            TokenCommand::Hash(args) => token::hash(session, &args),
        },
    }
}
