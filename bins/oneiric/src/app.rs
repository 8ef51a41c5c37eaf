//! From arguments to an exit code.

use std::ffi::OsString;
use std::io::{self, Write as _};

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{CommandFactory as _, FromArgMatches as _};
use oneiric_core::resolver::ResolveError;
use oneiric_runtime::Error;

use crate::args::{self, Args, Command};
use crate::exit::Code;
use crate::failure::{self, Failure};
use crate::session::{self, Said, Session};
use crate::{commands, logging};

/// Does what the arguments say and tells what went wrong.
pub(crate) fn run(args: impl IntoIterator<Item = OsString>) -> Code {
    let args = args::normalize(args);
    if let [_, only] = args.as_slice()
        && (only == "--version" || only == "-V")
    {
        return version();
    }
    let plain = args.iter().any(|arg| arg == "--no-color");
    if plain {
        anstream::ColorChoice::Never.write_global();
    }
    let mut command = Args::command();
    if plain {
        command = command.color(clap::ColorChoice::Never);
    }
    let parsed = command.try_get_matches_from_mut(&args).and_then(|matches| {
        // Whoever set the variable has it set for the next command, too.
        let said = Said {
            state_dir: matches.value_source("state_dir") == Some(ValueSource::CommandLine),
            log_level: matches.value_source("log_level") != Some(ValueSource::DefaultValue),
        };
        Args::from_arg_matches(&matches).map(|parsed| (parsed, said))
    });
    let (parsed, said) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return usage(&error, args.iter().any(|arg| arg == "--json")),
    };
    let log = match &parsed.command {
        // Its log is its result, and begins once the settings are read: they say how and where to.
        Some(Command::Orchestrate(args)) if args.serves() => None,
        Some(Command::Start(_)) if commands::is_background() => None,
        _ => logging::to_stderr(parsed.global.log_level),
    };
    let Some(wanted) = parsed.command else {
        // A reader that went away is no failure.
        let _ = command.print_help();
        return Code::Ok;
    };
    let mut session = Session::new(parsed.global, said, log);
    match commands::dispatch(&mut session, wanted) {
        Ok(code) => code,
        Err(failure) => {
            let json = session.asked == Some(crate::output::Format::Json);
            let told = failure::tell(
                &failure,
                hint(&failure, &session),
                session::manner(json),
                &mut io::stderr().lock(),
            );
            // Nothing is left to be done where even this cannot be written.
            drop(told);
            failure.code()
        }
    }
}

fn version() -> Code {
    // A reader that went away is no failure.
    let _ = writeln!(io::stdout(), "oneiric {}", env!("CARGO_PKG_VERSION"));
    Code::Ok
}

/// Help and versions are results; everything else is a mistake in the arguments.
fn usage(error: &clap::Error, json: bool) -> Code {
    let asked = matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    );
    if asked {
        let text = error.render();
        let mut stdout = anstream::stdout();
        // A reader that went away is no failure.
        let _ = write!(stdout, "{}", text.ansi()).and_then(|()| stdout.flush());
        return Code::Ok;
    }
    if json {
        let text = error.render().to_string();
        let (first, rest) = text.split_once("\n\n").unwrap_or((&text, ""));
        let failure = Failure::said(Code::Configuration, first.trim_start_matches("error: ").trim())
            .help(rest.split_whitespace().collect::<Vec<_>>().join(" "));
        let _ = failure::tell(&failure, None, session::manner(true), &mut io::stderr().lock());
    } else {
        let _ = error.print();
    }
    Code::Configuration
}

/// The way out that only the command line knows: the most frequent reason for an unknown component is
/// that no manifest was named.
fn hint(failure: &Failure, session: &Session) -> Option<String> {
    let Failure::Runtime(error) = failure else { return None };
    match error.as_ref() {
        Error::Unknown(_) if session.manifests.is_empty() => {
            Some("no manifest was named; name one with `--manifest PATH`".to_owned())
        }
        Error::Unknown(
            ResolveError::UnknownKey { domain, .. } | ResolveError::UnknownDomain { domain, .. },
        ) => Some(format!("`oneiric list --domain {domain}` with the same manifests shows what there is")),
        _ => None,
    }
}
