//! The work of one start, and one question.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use oneiric_core::gate::{Admission, Check as _, Purpose};
use oneiric_core::lifecycle::Handle;
use oneiric_core::probe::Question;
use oneiric_core::resolver::Query;
use oneiric_core::roles::{Service, ServiceContext, ServiceWatcher, Stream};
use oneiric_core::{Class, Domain, Fault, Key};
use tokio_util::sync::CancellationToken;

use super::board::Board;
use super::parts::{Lines, Parts};
use crate::service::machine::End;

/// What a start has said so far. The engine looks at it when its bell rings.
#[derive(Debug)]
pub(super) struct Said {
    key: Key,
    ready: AtomicBool,
    begun: Mutex<Option<Begun>>,
    lines: Arc<dyn Lines>,
    board: Arc<Board>,
}

/// An instance whose work has begun.
#[derive(Debug, Clone)]
pub(super) struct Begun {
    pub(super) instance: Handle<dyn Service>,
    pub(super) says_ready: bool,
}

impl Said {
    pub(super) fn new(key: Key, lines: Arc<dyn Lines>, board: Arc<Board>) -> Self {
        Self { key, ready: AtomicBool::new(false), begun: Mutex::default(), lines, board }
    }

    /// Whether it said that it is ready.
    pub(super) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// That its work has begun, where that was not told yet.
    pub(super) fn begun(&self) -> Option<Begun> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn begin(&self, begun: Begun) {
        *self.begun.lock().unwrap_or_else(PoisonError::into_inner) = Some(begun);
        self.board.news.notify_one();
    }
}

impl ServiceWatcher for Said {
    fn ready(&self) {
        if !self.ready.swap(true, Ordering::AcqRel) {
            self.board.news.notify_one();
        }
    }

    fn line(&self, stream: Stream, line: &str) {
        self.lines.line(&self.key, stream, line);
    }
}

/// Brings the instance of a service up and has it work, to the end.
pub(super) async fn run(parts: Parts, said: Arc<Said>, attempt: u32, stop: CancellationToken) -> End {
    let key = &said.key;
    // In flight from here on, so that a drain waits for its end. It is not asked whether it may be: what operators
    // said is heeded by whoever started this.
    let admission = Admission {
        purpose: Purpose::Resume,
        domain: &Domain::SERVICE,
        key,
        descriptor: None,
        run: None,
        deadline: None,
        now: parts.clock.now(),
    };
    let _in_flight = parts.activity.ask(&admission);
    let query = Query::default();
    let coming = parts.lifecycle.handle::<dyn Service>(&Domain::SERVICE, key, &query);
    let instance = tokio::select! {
        biased;
        () = stop.cancelled() => return End::Well,
        came = coming => match came {
            Ok(instance) => instance,
            Err(error) => return not_come(error.into()),
        },
    };
    let serving = match instance.current() {
        Ok(serving) => serving,
        Err(fault) => return not_come(fault),
    };
    said.begin(Begun { instance: instance.clone(), says_ready: serving.says_ready() });
    let watcher = Arc::clone(&said) as Arc<dyn ServiceWatcher>;
    let worked = serving.run(ServiceContext::new(key.clone(), attempt, stop, watcher)).await;
    match worked {
        Ok(()) => End::Well,
        Err(fault) => End::Failed(fault.to_string()),
    }
}

fn not_come(fault: Fault) -> End {
    match fault.class {
        Class::Permanent | Class::Denied => End::Hopeless(fault.to_string()),
        Class::Transient | Class::UnknownOutcome | Class::Shutdown => End::Failed(fault.to_string()),
    }
}

/// Puts a question, and gives up after `limit`.
pub(super) async fn ask(parts: Parts, key: Key, question: Question, limit: Duration) -> Result<(), String> {
    let asking = async {
        match (&question, &parts.prober) {
            (Question::Component, _) => {
                let probes = parts.lifecycle.probe(Some(&Domain::SERVICE), Some(&key)).await;
                probes.into_iter().filter_map(|probe| probe.answer).collect::<Result<(), Fault>>()
            }
            (_, Some(prober)) => prober.ask(&question).await,
            (_, None) => Err(Fault::permanent("no-prober", "nothing here can put this question")),
        }
    };
    tokio::select! {
        biased;
        answer = asking => answer.map_err(|fault| fault.to_string()),
        () = parts.clock.sleep(limit) => Err(format!("no answer within {limit:?}")),
    }
}
