//! Random sequences of operations against a model that says in a few lines what should serve.

use oneiric_core::lifecycle::Current;
use oneiric_core::{Handle, Registry};
use oneiric_testkit::virtual_time;
use proptest::prelude::*;

use super::world::{DOMAIN, Does, Ping, World, key, provider, versioned};

const KEYS: [&str; 2] = ["k", "l"];
const PROVIDERS: [&str; 3] = ["a", "b", "c"];

#[derive(Debug, Clone)]
enum Op {
    Handle(usize),
    HandleBy(usize, usize),
    Use(usize),
    LetGo,
    DropHandles,
    Swap(usize, usize, bool),
    Register(usize, usize),
    Unregister(usize),
    Select(usize, usize),
    Deselect(usize),
    Refresh,
    GiveUpSwap(usize, usize, usize),
    Tend,
    Stop,
}

fn op() -> impl Strategy<Value = Op> {
    let (k, p) = (0..KEYS.len(), 0..PROVIDERS.len());
    prop_oneof![
        4 => k.clone().prop_map(Op::Handle),
        2 => (k.clone(), p.clone()).prop_map(|(k, p)| Op::HandleBy(k, p)),
        4 => k.clone().prop_map(Op::Use),
        2 => Just(Op::LetGo),
        1 => Just(Op::DropHandles),
        4 => (k.clone(), p.clone(), any::<bool>()).prop_map(|(k, p, well)| Op::Swap(k, p, well)),
        3 => (k.clone(), p.clone()).prop_map(|(k, p)| Op::Register(k, p)),
        1 => k.clone().prop_map(Op::Unregister),
        1 => (k.clone(), p.clone()).prop_map(|(k, p)| Op::Select(k, p)),
        1 => k.clone().prop_map(Op::Deselect),
        2 => Just(Op::Refresh),
        2 => (k, p, 0..30_usize).prop_map(|(k, p, polls)| Op::GiveUpSwap(k, p, polls)),
        1 => Just(Op::Tend),
        1 => Just(Op::Stop),
    ]
}

/// Who serves which key to everybody, as `provider version`, as far as the model can tell.
#[derive(Debug, Default)]
struct Model {
    serves: [Option<String>; KEYS.len()],
    registered: u32,
    is_over: bool,
}

struct Run {
    world: World,
    model: Model,
    handles: Vec<(usize, Handle<dyn Ping>)>,
    uses: Vec<Current<dyn Ping>>,
}

fn named(of: &oneiric_core::Descriptor) -> String {
    format!("{} {}", of.provider, of.version.as_deref().unwrap_or_default())
}

fn meant(registry: &Registry, of: usize, by: Option<usize>) -> Option<String> {
    let by = by.map(|by| provider(PROVIDERS[by]));
    let query = oneiric_core::Query { provider: by.as_ref(), ..Default::default() };
    registry.resolve(&DOMAIN, &key(KEYS[of]), &query).ok().map(|found| named(found.descriptor()))
}

impl Run {
    async fn step(&mut self, op: &Op) {
        let registry = self.world.lifecycle.registry();
        let model = &mut self.model;
        match *op {
            Op::Handle(of) => {
                let expected = if model.is_over {
                    None
                } else {
                    model.serves[of].clone().or_else(|| meant(&registry, of, None))
                };
                let handle = self.world.handle(KEYS[of]).await.ok();
                let serves = handle.as_ref().map(|handle| named(handle.current().unwrap().descriptor()));
                assert_eq!(serves, expected);
                model.serves[of] = expected;
                self.handles.extend(handle.map(|handle| (of, handle)));
            }
            Op::HandleBy(of, by) => {
                let handle = self.world.handle_by(KEYS[of], PROVIDERS[by]).await;
                let expected = meant(&registry, of, Some(by)).is_some() && !model.is_over;
                assert_eq!(handle.is_ok(), expected, "{handle:?}");
                if let Ok(handle) = handle {
                    assert_eq!(handle.current().unwrap().descriptor().provider, provider(PROVIDERS[by]));
                }
            }
            Op::Use(of) => {
                for (_, handle) in self.handles.iter().filter(|(held, _)| *held == of).take(2) {
                    match handle.current() {
                        Ok(current) => {
                            assert_eq!(Some(named(current.descriptor())), model.serves[of]);
                            current.call(Does::Well).await.unwrap();
                            self.uses.push(current);
                        }
                        Err(_) => assert!(model.is_over),
                    }
                }
            }
            Op::LetGo => {
                self.uses.pop();
            }
            Op::DropHandles => self.handles.clear(),
            Op::Swap(of, by, well) => {
                self.world.script(PROVIDERS[by], |script| {
                    script.start = if well { Does::Well } else { Does::Fails };
                });
                let expected = meant(&registry, of, Some(by)).filter(|_| well && !model.is_over);
                let swapped = self.world.swap(KEYS[of], PROVIDERS[by]).await;
                assert_eq!(swapped.is_ok(), expected.is_some(), "{swapped:?}");
                if let Ok(swapped) = swapped {
                    assert_eq!(swapped.previous.is_some(), model.serves[of].is_some());
                    model.serves[of] = expected;
                }
                self.world.script(PROVIDERS[by], |script| script.start = Does::Well);
            }
            Op::Register(of, by) => {
                model.registered += 1;
                let newest = versioned(KEYS[of], PROVIDERS[by], &model.registered.to_string());
                self.world.lifecycle.register(|registry| registry.register(newest));
            }
            Op::Unregister(of) => self.world.lifecycle.register(|registry| {
                let rest = (0..KEYS.len()).filter(|other| *other != of).flat_map(|other| {
                    let kept = registry.candidates(&DOMAIN, &key(KEYS[other]));
                    kept.iter().map(|kept| kept.descriptor().as_ref().clone()).collect::<Vec<_>>()
                });
                let rest = rest.collect();
                registry.replace_source(&oneiric_core::Source::Manual, rest);
            }),
            Op::Select(of, by) => self.world.lifecycle.register(|registry| {
                registry.select(&DOMAIN, &key(KEYS[of]), provider(PROVIDERS[by]));
            }),
            Op::Deselect(of) => {
                self.world.lifecycle.register(|registry| registry.deselect(&DOMAIN, &key(KEYS[of])));
            }
            Op::Refresh => {
                self.world.lifecycle.refresh().await;
                if !model.is_over {
                    for of in 0..KEYS.len() {
                        let is_held = self.handles.iter().any(|(held, _)| *held == of);
                        let best = meant(&registry, of, None);
                        if model.serves[of].is_some() && (best.is_some() || !is_held) {
                            model.serves[of] = best;
                        }
                    }
                }
            }
            Op::GiveUpSwap(of, by, polls) => {
                let mut swap = Box::pin(self.world.swap(KEYS[of], PROVIDERS[by]));
                for _ in 0..polls {
                    let poll = std::future::poll_fn(|cx| std::task::Poll::Ready(swap.as_mut().poll(cx)));
                    if poll.await.is_ready() {
                        break;
                    }
                }
                drop(swap);
                // Done or not done: there is no third.
                let now = self
                    .world
                    .lifecycle
                    .statuses()
                    .into_iter()
                    .find(|status| status.pinned.is_none() && status.key == key(KEYS[of]));
                let now = now.and_then(|status| status.current_provider);
                if now.as_ref() == Some(&provider(PROVIDERS[by])) && !model.is_over {
                    let registry = self.world.lifecycle.registry();
                    let is_selected = registry.selection(&DOMAIN, &key(KEYS[of])) == now.as_ref();
                    let handle = self.world.handle(KEYS[of]).await.unwrap();
                    let serves = named(handle.current().unwrap().descriptor());
                    let offered = meant(&registry, of, Some(by)).filter(|_| is_selected);
                    assert!(Some(&serves) == model.serves[of].as_ref() || Some(&serves) == offered.as_ref());
                    model.serves[of] = Some(serves);
                } else {
                    let before = model.serves[of].as_ref().map(|serves| serves.split(' ').next().unwrap());
                    assert_eq!(now.as_ref().map(|now| now.as_str()), before);
                }
            }
            Op::Tend => {
                let time = oneiric_core::Clock::sleep(&self.world.clock, std::time::Duration::from_secs(60));
                self.world.while_tended(time).await;
            }
            Op::Stop => {
                self.uses.clear();
                assert!(self.world.lifecycle.stop(std::time::Duration::from_secs(1)).await);
                model.is_over = true;
                model.serves = Default::default();
                self.world.check_only(&[]);
            }
        }
        self.world.check();
        self.agree();
    }

    /// What is told agrees with the model, and what is in use or in service is not stopped.
    fn agree(&self) {
        for status in self.world.lifecycle.statuses() {
            let of = KEYS.iter().position(|of| status.key == key(of)).unwrap();
            if status.pinned.is_none() {
                let expected = self.model.serves[of].as_ref().map(|serves| serves.split(' ').next().unwrap());
                assert_eq!(status.current_provider.as_ref().map(|by| by.as_str()), expected);
            }
        }
        for current in &self.uses {
            assert_eq!(current.probe().stops.load(std::sync::atomic::Ordering::SeqCst), 0);
        }
        for (of, handle) in &self.handles {
            let serves = handle.current().ok().map(|current| named(current.descriptor()));
            assert_eq!(serves, self.model.serves[*of]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_operations_agrees_with_the_model(ops in prop::collection::vec(op(), 1..60)) {
        let world = World::new([versioned("k", "a", "0"), versioned("k", "b", "0"), versioned("l", "c", "0")]);
        for by in PROVIDERS {
            world.script(by, |script| {
                (script.build, script.health, script.stop) = (Does::Yields(1), Does::Yields(1), Does::Yields(2));
            });
        }
        world.hook(Does::Yields(1), Does::Yields(1));
        let mut run = Run { world, model: Model::default(), handles: Vec::new(), uses: Vec::new() };
        let clock = run.world.clock.clone();
        virtual_time(&clock, async {
            for op in &ops {
                run.step(op).await;
            }
            run.uses.clear();
            assert!(run.world.lifecycle.stop(std::time::Duration::from_secs(1)).await);
            run.world.check_only(&[]);
            assert_eq!(run.world.stops(), vec![1; run.world.probes().len()]);
        });
    }
}
