//! Options that every command has, before or after its name.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Args, ValueEnum};

/// Options that every command has.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// A manifest to load: YAML, TOML or JSON; may be repeated, a later one wins
    #[arg(long, value_name = "PATH", global = true, action = ArgAction::Append)]
    pub(crate) manifest: Vec<PathBuf>,
    /// A settings file, which goes before all others; else ONEIRIC_CONFIG names it
    #[arg(long, value_name = "PATH", global = true)]
    pub(crate) config: Option<PathBuf>,
    /// A profile: default, serverless, lite, standard, or one of a settings file; else ONEIRIC_PROFILE
    #[arg(long, value_name = "NAME", global = true)]
    pub(crate) profile: Option<String>,
    /// Sets one setting, before everything else: `--set execution.max_parallel=8`; may be repeated
    #[arg(long, value_name = "KEY=VALUE", global = true, action = ArgAction::Append)]
    pub(crate) set: Vec<String>,
    /// The folder of the state; else the setting `cache_dir` [default: .oneiric_cache]
    #[arg(long, value_name = "PATH", global = true, env = "ONEIRIC_CACHE_DIR")]
    // Not a path yet: a variable that is set and empty says nothing, and is no mistake.
    pub(crate) state_dir: Option<OsString>,
    /// The same as `--format json`
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// How results are printed [default: human] [possible values: human, json, yaml]
    // `workflow graph` has formats of its own under this name, so the text is checked later.
    #[arg(long, value_name = "FORMAT", global = true, conflicts_with = "json", value_parser = ["human", "json", "yaml"], hide_possible_values = true)]
    pub(crate) format: Option<String>,
    /// Without colour, like the environment's NO_COLOR
    #[arg(long, global = true)]
    pub(crate) no_color: bool,
    /// What is logged on standard error; else the setting `logging.level`
    #[arg(
        long,
        value_name = "LEVEL",
        global = true,
        env = "ONEIRIC_LOG_LEVEL",
        default_value = "warn",
        hide_possible_values = false,
        ignore_case = true
    )]
    pub(crate) log_level: LogLevel,
}

/// What is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogLevel {
    Off,
    Error,
    // A variable that is set and empty says nothing.
    #[value(aliases = ["warning", ""])]
    Warn,
    Info,
    Debug,
    Trace,
}
