//! What probes change.

use std::time::Duration;

use oneiric_core::probe::Question;
use oneiric_supervisor::service::{Health, Probe, Roster, State};
use oneiric_supervisor::supervisor::check_probes;

use crate::stage::{Act, Cast, Stage, cast, play, waits};

fn probe(name: &str) -> Probe {
    Probe { failure_threshold: 2, ..Probe::of(Question::Tcp(name.to_owned())) }
}

fn say(stage: &Stage, name: &str, well: bool) {
    stage.answers.0.lock().unwrap().insert(name.to_owned(), well);
}

#[test]
fn a_service_is_ready_when_its_probe_passes_and_not_after_a_nap() {
    let cast = vec![cast("a", &[Act::Steady]).with(|spec| {
        spec.ready = Some(probe("a"));
        spec.start_timeout = 60.0;
    })];
    play(cast, async |stage| {
        say(stage, "a", false);
        assert!(waits(stage, 25.0, stage.supervisor.up()).await);
        assert_eq!(stage.status("a").error.unwrap(), "its ready probe fails: refused");
        say(stage, "a", true);
        stage.supervisor.up().await;
        let status = stage.status("a");
        assert_eq!((status.status, status.healthy, status.error), (Health::Ok, true, None));
        assert!(status.last_check.is_some() && status.latency_ms.is_some());
        say(stage, "a", false);
        stage.pass(25.0).await;
        assert_eq!((stage.state("a"), stage.status("a").status), (State::Running, Health::Degraded));
        assert_eq!(stage.story(), "+a");
        assert!(stage.supervisor.figures()[0].probe_failures >= 4);
    });
}

#[test]
fn a_service_whose_live_probe_fails_is_started_anew() {
    let cast = vec![cast("a", &[Act::Steady]).with(|spec| spec.live = Some(probe("a")))];
    play(cast, async |stage| {
        say(stage, "a", true);
        stage.pass(15.0).await;
        say(stage, "a", false);
        stage.pass(16.0).await;
        assert_eq!(stage.story(), "+a ?a -a");
        assert_eq!(stage.status("a").error.unwrap(), "its live probe failed 2 times in a row: refused");
        say(stage, "a", true);
        stage.pass(2.0).await;
        assert_eq!((stage.state("a"), stage.status("a").restarts), (State::Running, 1));
    });
}

#[test]
fn a_question_without_an_answer_is_a_no_after_its_timeout() {
    let cast = vec![cast("a", &[Act::Steady]).with(|spec| {
        spec.ready = Some(probe("nobody"));
        spec.start_timeout = 5.0;
        spec.restart.limit = 0;
    })];
    play(cast, async |stage| {
        let gone = stage.supervisor.gone().await;
        let told = "it was not ready within 5s; given up after 0 restarts within 60s";
        assert_eq!(gone.reason, told);
        assert_eq!(stage.supervisor.figures()[0].probe_failures, 1);
    });
}

#[test]
fn a_component_is_asked_itself() {
    let ready = Probe { interval: Duration::from_secs(1), ..Probe::of(Question::Component) };
    play(vec![cast("a", &[Act::Steady]).with(|spec| spec.ready = Some(ready))], async |stage| {
        stage.supervisor.up().await;
        assert_eq!(stage.status("a").status, Health::Ok);
        assert_eq!(*stage.answers.1.lock().unwrap(), 0);
    });
}

#[test]
fn nobody_is_asked_where_nothing_was_declared() {
    play(vec![cast("a", &[Act::Steady]), cast("b", &[Act::SaysReady(1.0)])], async |stage| {
        stage.supervisor.up().await;
        stage.pass(0.5).await;
        // Nothing wakes it any more.
        assert!(stage.clock.next_wait().is_none());
    });
}

#[test]
fn a_probe_that_nobody_can_put_is_found_before_anything_starts() {
    let roster = |question| {
        let cast = cast("a", &[Act::Steady]).with(|spec| spec.ready = Some(Probe::of(question)));
        Roster::new([Cast::member(&cast)]).unwrap()
    };
    let answers = crate::stage::Answers::default();
    let exec = roster(Question::Exec(vec!["true".to_owned()]));
    assert_eq!(check_probes(&exec, Some(&answers)).unwrap_err().1.message, "only tcp here");
    assert_eq!(check_probes(&exec, None).unwrap_err().0.as_str(), "a");
    assert!(check_probes(&roster(Question::Component), None).is_ok());
}
