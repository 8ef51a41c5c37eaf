//! The decision table, the defects that must not come back, and the order against a naive sort.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::Factory;

fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

fn provider(text: &str) -> Provider {
    Provider::new(text).unwrap()
}

fn local(place: &str) -> Source {
    Source::LocalManifest(place.to_owned())
}

fn candidate(name: &str, priority: i32, stack_level: i32) -> Descriptor {
    let factory = Factory::new(format!("builtin:{name}"));
    let mut descriptor = Descriptor::new(Domain::TASK, key("k"), provider(name), factory, Source::Manual);
    (descriptor.priority, descriptor.stack_level) = (priority, stack_level);
    descriptor
}

fn able(name: &str, priority: i32, capabilities: &[&str]) -> Descriptor {
    let capabilities = capabilities.iter().map(|name| (*name).to_owned()).collect();
    Descriptor { capabilities, ..candidate(name, priority, 0) }
}

fn registry(descriptors: impl IntoIterator<Item = Descriptor>) -> Registry {
    let mut registry = Registry::new();
    descriptors.into_iter().for_each(|descriptor| registry.register(descriptor));
    registry
}

fn winner<'a>(registry: &'a Registry, query: &Query<'_>) -> Result<&'a str, ResolveError> {
    registry.resolve(&Domain::TASK, &key("k"), query).map(|found| found.provider().as_str())
}

#[test]
fn each_step_of_the_order_decides_before_the_next() {
    let wanted = ["x".to_owned(), "y".to_owned()];
    let b = provider("b");
    let any = Query::with_any(&wanted);
    // Candidate `a` is better in every later step, candidate `b` in the step that is looked at.
    let check =
        |step: Criterion, descriptors: [Descriptor; 2], selection: Option<&str>, query: &Query<'_>| {
            let mut registry = registry(descriptors);
            if let Some(selection) = selection {
                registry.select(&Domain::TASK, &key("k"), provider(selection));
            }
            assert_eq!(winner(&registry, query), Ok("b"), "{step:?}");
            let explanation = registry.explain(&Domain::TASK, &key("k"), query);
            assert_eq!(explanation.winner().unwrap().provider, b, "{step:?}");
            if let Some(loser) = explanation.ordered.get(1) {
                assert_eq!(loser.decided_by, Some(step.name()));
            } else {
                assert_eq!(explanation.excluded.len(), 1, "{step:?}");
            }
        };
    let strong = || Descriptor { stack_level: 9, ..able("a", 9, &["x", "y"]) };
    let asked = Query { provider: Some(&b), capabilities: &wanted, require_all: false };
    check(Criterion::Provider, [able("b", 0, &["x"]), strong()], Some("a"), &asked);
    check(Criterion::Selection, [able("b", 0, &["x"]), strong()], Some("b"), &any);
    let strong_but_less_able = Descriptor { capabilities: vec!["x".into()], ..strong() };
    check(Criterion::Capabilities, [able("b", 0, &["x", "y"]), strong_but_less_able], None, &any);
    check(Criterion::Priority, [candidate("b", 1, 0), candidate("a", 0, 9)], None, &Query::default());
    check(Criterion::StackLevel, [candidate("b", 0, 1), candidate("a", 0, 0)], None, &Query::default());
    check(Criterion::Registration, [candidate("a", 0, 0), candidate("b", 0, 0)], None, &Query::default());
}

#[test]
fn capabilities_filter_by_all_and_rank_by_any() {
    let registry = registry([
        able("none", 50, &[]),
        able("one", 20, &["x"]),
        able("both", 10, &["x", "y"]),
        Descriptor {
            metadata: [
                ("capabilities".to_owned(), json!("x")),
                ("capability_descriptors".to_owned(), json!([{ "name": "z" }])),
            ]
            .into_iter()
            .collect(),
            ..candidate("described", 0, 0)
        },
    ]);
    let check = |names: &[&str], require_all, expected: Option<&str>| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let query = Query { provider: None, capabilities: &names, require_all };
        assert_eq!(winner(&registry, &query).ok(), expected, "{names:?} {require_all}");
    };
    check(&["x", "y"], true, Some("both"));
    check(&["x", "y"], false, Some("both"));
    check(&["x"], true, Some("one"));
    check(&["x", "z"], true, Some("described"));
    check(&["x", "z", "y"], true, None);
    check(&["z", "q"], false, Some("described"));
    check(&["q"], false, None);
    check(&[" "], true, Some("none"));
}

#[test]
fn an_explicit_provider_is_its_latest_registration_not_its_oldest() {
    let version = |text: &str, source: Source| Descriptor {
        version: Some(text.into()),
        source,
        ..candidate("p", 0, 0)
    };
    let (p, mut registry) = (provider("p"), Registry::new());
    for (text, source) in [("v0", local("a")), ("v1", local("b")), ("v2", local("a"))] {
        registry.register(version(text, source));
    }
    let found = registry.resolve(&Domain::TASK, &key("k"), &Query::of_provider(&p)).unwrap();
    assert_eq!(found.descriptor().version.as_deref(), Some("v2"));
    // The best-ranked of the provider, so priority still counts before the order of registration.
    registry.register(Descriptor { priority: 1, ..version("v3", local("b")) });
    registry.register(version("v4", local("c")));
    let found = registry.resolve(&Domain::TASK, &key("k"), &Query::of_provider(&p)).unwrap();
    assert_eq!(found.descriptor().version.as_deref(), Some("v3"));
}

#[test]
fn an_explicit_provider_without_the_capability_is_an_error() {
    let registry = registry([able("a", 0, &["x"]), able("b", 0, &["y"])]);
    let (a, wanted) = (provider("a"), ["y".to_owned()]);
    let query = Query { provider: Some(&a), capabilities: &wanted, require_all: true };
    let error = winner(&registry, &query).unwrap_err();
    assert_eq!(error.to_string(), "no candidate of task `k` offers all of `y`; offered are `x`");
}

#[test]
fn a_refreshed_manifest_does_not_grow_the_registry() {
    let mut registry = Registry::new();
    let source = local("m.yaml");
    let say = |version: &str| {
        vec![Descriptor { version: Some(version.to_owned()), ..candidate("a", 0, 0) }, candidate("b", 0, 0)]
    };
    registry.replace_source(&source, say("1"));
    for round in 2..20 {
        let done = registry.replace_source(&source, say(&round.to_string()));
        assert_eq!((done.registered, done.unchanged, done.removed), (1, 1, 0));
        assert_eq!(registry.len(), 2);
        assert_eq!(registry.shadowed(&Domain::TASK).count(), 1);
    }
    let a = provider("a");
    let found = registry.resolve(&Domain::TASK, &key("k"), &Query::of_provider(&a)).unwrap();
    assert_eq!(found.descriptor().version.as_deref(), Some("19"));
}

#[test]
fn an_entry_that_left_the_manifest_leaves_the_registry() {
    let mut registry = registry([candidate("manual", -1, 0)]);
    let source = local("m.yaml");
    registry.replace_source(&source, vec![candidate("a", 5, 0), candidate("b", 3, 0)]);
    assert_eq!(winner(&registry, &Query::default()), Ok("a"));
    let done = registry.replace_source(&source, vec![candidate("b", 3, 0)]);
    assert_eq!((done.registered, done.unchanged, done.removed), (0, 1, 1));
    assert_eq!(done.changed, BTreeSet::from([(Domain::TASK, key("k"))]));
    assert_eq!(winner(&registry, &Query::default()), Ok("b"));
    registry.replace_source(&source, vec![]);
    assert_eq!(winner(&registry, &Query::default()), Ok("manual"));
    registry.replace_source(&Source::Manual, vec![]);
    assert!(registry.is_empty() && registry.domains().next().is_none());
}

#[test]
fn an_unchanged_manifest_changes_no_winner() {
    let mut registry = Registry::new();
    let entries = || vec![candidate("from-manifest", 0, 0)];
    registry.replace_source(&local("m.yaml"), entries());
    registry.register(candidate("later", 0, 0));
    assert_eq!(registry.replace_source(&local("m.yaml"), entries()).changed, BTreeSet::new());
    assert_eq!(winner(&registry, &Query::default()), Ok("later"));
}

#[test]
fn a_removed_selection_is_forgotten_by_resolve_and_explain() {
    let mut registry = registry([candidate("old", 0, 0), candidate("best", 10, 0)]);
    registry.select(&Domain::TASK, &key("k"), provider("old"));
    assert_eq!(winner(&registry, &Query::default()), Ok("old"));
    let explanation = registry.explain(&Domain::TASK, &key("k"), &Query::default());
    assert_eq!(explanation.ordered[0].score, [1, 0, 0, 0, 1]);
    assert_eq!(
        explanation.ordered[0].reasons,
        ["matched selection override old", "priority=0", "stack_level=0", "registration_order=1"]
    );
    assert_eq!(explanation.ordered[1].reasons[0], "selection override prefers old");

    registry.deselect(&Domain::TASK, &key("k"));
    assert_eq!(winner(&registry, &Query::default()), Ok("best"));
    let explanation = registry.explain(&Domain::TASK, &key("k"), &Query::default());
    assert_eq!(explanation.ordered[0].reasons, ["priority=10", "stack_level=0", "registration_order=2"]);
    assert_eq!(registry.selection(&Domain::TASK, &key("k")), None);
}

#[test]
fn a_selection_of_an_unknown_provider_is_reported_and_the_ranking_decides() {
    let mut registry = registry([candidate("a", 0, 0), candidate("b", 1, 0)]);
    registry.select(&Domain::TASK, &key("k"), provider("gone"));
    registry.select(&Domain::TASK, &key("nothing"), provider("gone"));
    assert_eq!(winner(&registry, &Query::default()), Ok("b"));
    let unmet: Vec<_> = registry.unmet_selections().map(|one| (one.key.as_str(), one.known)).collect();
    assert_eq!(unmet, [("k", vec![&provider("b"), &provider("a")]), ("nothing", vec![])]);
    let explanation = registry.explain(&Domain::TASK, &key("k"), &Query::default());
    assert_eq!(explanation.unmet_selection, Some(provider("gone")));
    assert_eq!(explanation.ordered[0].reasons[0], "selection override prefers gone");
    // As soon as it is there, it counts.
    registry.register(candidate("gone", -5, 0));
    assert_eq!(winner(&registry, &Query::default()), Ok("gone"));
    assert_eq!(registry.unmet_selections().count(), 1);
}

#[test]
fn an_explanation_has_upstreams_shape_and_more() {
    let registry = registry([
        Descriptor { source: Source::RemoteManifest("https://x/m".into()), ..able("a", 10, &["x"]) },
        Descriptor { stack_level: 5, ..able("b", 10, &["x", "y"]) },
        able("c", 99, &[]),
    ]);
    let wanted = ["x".to_owned(), "y".to_owned()];
    let explanation = registry.explain(&Domain::TASK, &key("k"), &Query::with_any(&wanted));
    let expected = json!({
        "domain": "task", "key": "k",
        "ordered": [
            { "provider": "b", "score": [0, 2, 10, 5, 2], "selected": true,
              "reasons": ["priority=10", "capability_match=2/2", "stack_level=5", "registration_order=2"],
              "source": "manual", "factory": "builtin:b", "priority": 10, "stack_level": 5,
              "capabilities": [{"name": "x"}, {"name": "y"}] },
            { "provider": "a", "score": [0, 1, 10, 0, 1], "selected": false,
              "reasons": ["priority=10", "capability_match=1/2", "stack_level=0", "registration_order=1"],
              "source": "remote_manifest", "place": "https://x/m", "factory": "builtin:a", "priority": 10,
              "stack_level": 0, "shadowed_by": "b", "decided_by": "capability_match",
              "capabilities": [{"name": "x"}] },
        ],
        "excluded": [{ "provider": "c", "source": "manual", "reason": "capability_match=0/2" }],
    });
    assert_eq!(serde_json::to_value(&explanation).unwrap(), expected);
    let nothing = registry.explain(&Domain::EVENT, &key("k"), &Query::default());
    let expected = json!({ "domain": "event", "key": "k", "ordered": [] });
    assert_eq!(serde_json::to_value(&nothing).unwrap(), expected);
}

#[test]
fn an_unknown_name_is_met_with_the_nearest_known_one() {
    let registry = registry([candidate("redis", 0, 0), candidate("sqlite", 1, 0)]);
    let check = |domain: &str, name: &str, asked: Option<&str>, expected: &str| {
        let asked = asked.map(provider);
        let query = Query { provider: asked.as_ref(), ..Query::default() };
        let error = registry.resolve(&Domain::new(domain).unwrap(), &key(name), &query).unwrap_err();
        assert_eq!(error.to_string(), expected);
    };
    check(
        "tasks",
        "k",
        None,
        "tasks `k` is unknown: nothing is registered in domain `tasks`, did you mean `task`?",
    );
    check("event", "k", None, "event `k` is unknown: nothing is registered in domain `event`");
    check("task", "K", None, "task `K` is unknown, did you mean `k`?");
    check("task", "k", Some("reds"), "task `k` has no provider `reds`; it has `sqlite`, `redis`");
}

#[test]
fn listings_are_sorted_by_key() {
    let mut registry = Registry::new();
    for name in ["m", "a", "z", "a"] {
        let provider_name = format!("p{}", registry.len());
        registry.register(Descriptor { key: key(name), ..candidate(&provider_name, 0, 0) });
    }
    registry.select(&Domain::TASK, &key("b"), provider("nobody"));
    let of = |found: &Candidate| format!("{}/{}", found.descriptor().key, found.provider());
    let active: Vec<_> = registry.active(&Domain::TASK).map(of).collect();
    assert_eq!(active, ["a/p3", "m/p0", "z/p2"]);
    let shadowed: Vec<_> = registry.shadowed(&Domain::TASK).map(of).collect();
    assert_eq!(shadowed, ["a/p1"]);
    assert_eq!(registry.active(&Domain::EVENT).count(), 0);
}

const NAMES: [&str; 3] = ["x", "y", "z"];

fn arbitrary_descriptor() -> impl Strategy<Value = Descriptor> {
    let capabilities = proptest::sample::subsequence(NAMES.to_vec(), 0..=3);
    (0..5u8, 0..3u8, -2..3i32, -1..2i32, capabilities).prop_map(
        |(name, source, priority, stack_level, capabilities)| {
            let source = if source == 0 { Source::Manual } else { local(&source.to_string()) };
            let base = able(&format!("p{name}"), priority, &capabilities);
            Descriptor { stack_level, source, ..base }
        },
    )
}

proptest! {
    #[test]
    fn resolve_and_explain_agree_with_a_naive_sort(
        descriptors in proptest::collection::vec(arbitrary_descriptor(), 1..24),
        selection in proptest::option::of(0..7u8),
        asked in proptest::option::of(0..6u8),
        wanted in proptest::sample::subsequence(NAMES.to_vec(), 0..=3),
        require_all: bool,
        select_first: bool,
    ) {
        let wanted: Vec<String> = wanted.into_iter().map(str::to_owned).collect();
        let selection = selection.map(|n| provider(&format!("p{n}")));
        let asked = asked.map(|n| provider(&format!("p{n}")));
        let query = Query { provider: asked.as_ref(), capabilities: &wanted, require_all };
        let mut registry = Registry::new();
        let select = |registry: &mut Registry| {
            if let Some(selection) = &selection {
                registry.select(&Domain::TASK, &key("k"), selection.clone());
            }
        };
        if select_first {
            select(&mut registry);
        }
        descriptors.iter().cloned().for_each(|descriptor| registry.register(descriptor));
        select(&mut registry);

        // The model: the last registration of each provider and source, sorted by the rank.
        let mut last: Vec<Candidate> = Vec::new();
        for (index, descriptor) in descriptors.iter().enumerate() {
            last.retain(|old| {
                let old = old.descriptor();
                (&old.provider, &old.source) != (&descriptor.provider, &descriptor.source)
            });
            last.push(Candidate::new(descriptor.clone(), index as u64 + 1));
        }
        let mut model: Vec<(Rank, u64)> = last
            .iter()
            .filter_map(|one| Some((rank(one, selection.as_ref(), &query).ok()?, one.sequence())))
            .collect();
        model.sort_by_key(|(rank, _)| std::cmp::Reverse(*rank));

        let found = registry.resolve(&Domain::TASK, &key("k"), &query);
        prop_assert_eq!(found.ok().map(Candidate::sequence), model.first().map(|(_, n)| *n));
        let explanation = registry.explain(&Domain::TASK, &key("k"), &query);
        let scores: Vec<_> = model.iter().map(|(rank, _)| rank.score()).collect();
        prop_assert_eq!(explanation.ordered.iter().map(|one| one.score).collect::<Vec<_>>(), scores);
        prop_assert_eq!(explanation.ordered.len() + explanation.excluded.len(), registry.len());
    }

    #[test]
    fn the_order_of_registration_matters_only_between_equals(
        priorities in proptest::collection::hash_set(-50..50i32, 1..12),
        seed: u64,
    ) {
        let mut descriptors: Vec<_> =
            priorities.iter().enumerate().map(|(n, priority)| candidate(&format!("p{n}"), *priority, 0)).collect();
        let order = |registry: &Registry| -> Vec<Provider> {
            registry.candidates(&Domain::TASK, &key("k")).iter().map(|one| one.provider().clone()).collect()
        };
        let before = order(&registry(descriptors.clone()));
        let middle = (seed as usize) % descriptors.len();
        descriptors.rotate_left(middle);
        descriptors.reverse();
        prop_assert_eq!(before, order(&registry(descriptors)));
    }
}
