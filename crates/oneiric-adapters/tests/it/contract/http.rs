//! `http://` with a server on this machine.

use std::sync::Arc;

use oneiric_adapters::Limits;
use oneiric_adapters::endpoint::Http;
use oneiric_core::{Blueprint, Clock, ComponentRuntime, Domain};
use oneiric_testkit::contract::runtime::{Behaviour, Site};
use serde_json::{Value, json};

use crate::server::{Reaction, Seen, Server};
use crate::support::{RealClock, parts};

struct Addresses(Server);

fn site() -> Arc<dyn Site> {
    Arc::new(Addresses(Server::start(react)))
}

fn react(request: &Seen) -> Reaction {
    let input = || serde_json::from_slice::<Value>(&request.body).unwrap();
    match request.path.as_str() {
        "Capitals" => Reaction::json(input().to_string().to_uppercase()),
        "FailsToday" => Reaction::Answer(503, String::new(), b"not today".to_vec()),
        "FailsForEver" => Reaction::Answer(410, String::new(), b"not ever".to_vec()),
        "Waits" => Reaction::Wait,
        "Letters" => {
            let letters = "x".repeat(input().as_u64().unwrap().try_into().unwrap());
            Reaction::json(format!("\"{letters}\""))
        }
        "Dies" if request.body == b"\"die\"" => Reaction::HangUp,
        "sick" => Reaction::Answer(500, String::new(), b"no pulse".to_vec()),
        _ => Reaction::json(request.body.clone()),
    }
}

impl Site for Addresses {
    fn runtime(&self) -> Arc<dyn ComponentRuntime> {
        let mut parts = parts(Limits::STANDARD);
        parts.http.allow_private = true;
        Arc::new(Http::new(&parts))
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(RealClock)
    }

    fn component(&self, behaviour: Behaviour, domain: Domain) -> Result<Blueprint, &'static str> {
        let mut http = json!({});
        match behaviour {
            Behaviour::Logs => return Err("a server keeps its own log"),
            Behaviour::Settings => return Err("a server has its own settings, and must not see ours"),
            Behaviour::Unhealthy => http["health"] = json!(self.0.url("sick")),
            _ => {}
        }
        let mut blueprint = super::blueprint(domain, &self.0.url(&format!("{behaviour:?}")), "http", http);
        blueprint.settings.clear();
        Ok(blueprint)
    }

    fn is_at_work(&self) -> bool {
        self.0.waiting() > 0
    }
}

oneiric_testkit::runtime_contract!(site);
