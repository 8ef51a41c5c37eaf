//! Questions to the outside, put for real: a program is run, an address asked, a port connected to.
//!
//! How often, for how long, and what follows from the answers, is the supervisor's. What a question may reach is not
//! bounded by the egress rules of components: a probe is about what runs beside this process, and its answer goes to
//! nobody but the operator.

mod exec;
mod http;
mod tcp;

use std::sync::Arc;

use async_trait::async_trait;
use oneiric_core::Fault;
use oneiric_core::probe::{Prober, Question};

use crate::Parts;

/// Who puts questions to programs ([`exec:`](crate::exec)'s environment, no input), addresses (as
/// [`http`](crate::http) does, private addresses included) and ports. A component is asked by whoever has it.
///
/// A program is well where it exits with 0. It is killed, with its group, when the question is dropped. An address is
/// well where it answers with the status that is asked for, and with the text in its first 64 KiB; certificates are
/// checked as for components behind addresses. A port is well where any address of its host takes a connection.
pub fn prober(parts: &Parts) -> Arc<dyn Prober> {
    Arc::new(Outside { programs: exec::Programs::new(parts), addresses: http::Addresses::new(parts) })
}

#[derive(Debug)]
struct Outside {
    programs: exec::Programs,
    addresses: http::Addresses,
}

#[async_trait]
impl Prober for Outside {
    fn check(&self, question: &Question) -> Result<(), Fault> {
        match question {
            Question::Exec(command) => self.programs.check(command),
            Question::Http(question) => http::check(question),
            Question::Tcp(address) => tcp::check(address),
            Question::Component => Err(not_mine()),
        }
    }

    async fn ask(&self, question: &Question) -> Result<(), Fault> {
        match question {
            Question::Exec(command) => self.programs.ask(command).await,
            Question::Http(question) => self.addresses.ask(question).await,
            Question::Tcp(address) => tcp::ask(address).await,
            Question::Component => Err(not_mine()),
        }
    }
}

fn not_mine() -> Fault {
    Fault::permanent("not-outside", "a component is no question to the outside; whoever has it asks it")
}
