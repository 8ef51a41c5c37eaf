//! `exec:` with shell scripts.

use std::sync::Arc;

use oneiric_adapters::Limits;
use oneiric_adapters::exec::Exec;
use oneiric_core::{Blueprint, Clock, ComponentRuntime, Domain};
use oneiric_testkit::contract::runtime::{Behaviour, Site};
use serde_json::json;
use tempfile::TempDir;

use crate::support::{RealClock, parts};

struct Scripts(TempDir);

fn site() -> Arc<dyn Site> {
    Arc::new(Scripts(tempfile::tempdir().unwrap()))
}

impl Site for Scripts {
    fn runtime(&self) -> Arc<dyn ComponentRuntime> {
        Arc::new(Exec::new(&parts(Limits::STANDARD)))
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(RealClock)
    }

    fn component(&self, behaviour: Behaviour, domain: Domain) -> Result<Blueprint, &'static str> {
        let script = match behaviour {
            Behaviour::Echo => "exec cat",
            Behaviour::Capitals => "exec tr a-z A-Z",
            Behaviour::FailsToday => "echo 'not today' >&2; exit 1",
            Behaviour::FailsForEver => "echo 'not ever' >&2; exit 65",
            Behaviour::Waits => "echo $$ >pid; exec sleep 1000",
            Behaviour::Logs => "printf 'one\\ntwo\\nthree' >&2",
            Behaviour::Letters => {
                "read -r n; printf '\"'; head -c \"$n\" /dev/zero | tr '\\000' x; printf '\"'"
            }
            Behaviour::Dies => "read -r x; [ \"$x\" = '\"die\"' ] && kill -9 $$; printf %s \"$x\"",
            Behaviour::Settings => "printf %s \"$ONEIRIC_SETTINGS\"",
            Behaviour::Unhealthy => return Err("a program that is not running cannot be asked"),
        };
        let exec = json!({"args": ["-c", script], "cwd": self.0.path().to_str().unwrap()});
        Ok(super::blueprint(domain, "exec:sh", "exec", exec))
    }

    fn is_at_work(&self) -> bool {
        super::is_alive_in(&self.0.path().join("pid"))
    }
}

oneiric_testkit::runtime_contract!(site);
