//! Texts that nobody writes by mistake. Tests run on two megabytes of stack, so that a text that nests
//! too deep for that would abort here.

use proptest::prelude::*;

use super::super::*;

fn first_line(name: &str, text: &str) -> String {
    match parse(name, text.as_bytes()) {
        Ok(_) => "ok".to_owned(),
        Err(error) => error.to_string().lines().next().unwrap_or_default().to_owned(),
    }
}

/// The end of the first problem's message.
fn check(name: &str, text: &str, expected: &str) {
    let found = first_line(name, text);
    assert!(found.ends_with(expected), "{found}\n{}", &text[..text.len().min(200)]);
}

const DEEP: &str = "nested more than 64 levels deep";
const MANY: &str = "more than 1000000 values in one file";

/// A manifest whose one metadata nests `levels` lists, which stand four levels deep themselves.
fn nested(levels: usize) -> String {
    let (open, close) = ("[".repeat(levels), "]".repeat(levels));
    format!(
        r#"{{"entries": [{{"domain": "task", "key": "k", "provider": "p", "factory": "f:x", "metadata": {{"a": {open}1{close}}}}}]}}"#
    )
}

#[test]
fn sixty_four_levels_are_read_and_more_are_refused() {
    for name in ["m.yaml", "m.json"] {
        check(name, &nested(60), "ok");
        check(name, &nested(61), DEEP);
        check(name, &nested(100_000), DEEP);
    }
    for open in ["- ", "[", "{a: "] {
        assert_ne!(first_line("m.yaml", &open.repeat(100_000)), "ok");
    }
    check("m.yaml", &"? ".repeat(100_000), DEEP);
    let deep = format!("a = {}1{}", "[".repeat(70), "]".repeat(70));
    check("m.toml", &deep, DEEP);
    assert_ne!(first_line("m.toml", &format!("a{} = 1", ".a".repeat(100_000))), "ok");
    assert_ne!(first_line("m.toml", &format!("a = {}", "[".repeat(100_000))), "ok");
}

#[test]
fn aliases_cannot_nest_deeper_or_unfold_further_than_text() {
    let chain = |first: &str, next: &dyn Fn(usize) -> String| {
        (1..3_000)
            .fold(format!("x0: &a0 {first}\n"), |text, i| text + &format!("x{i}: &a{i} {}\n", next(i - 1)))
    };
    check("m.yaml", &chain("[1]", &|i| format!("[*a{i}]")), DEEP);
    check("m.yaml", &chain("{k: 1}", &|i| format!("{{k: *a{i}}}")), DEEP);
    check("m.yaml", &chain("{k: 1}", &|i| format!("{{<<: *a{i}, k{i}: *a{i}}}")), MANY);
    check("m.yaml", &chain("{k: 1}", &|i| format!("{{<<: *a{i}, k{i}: 1}}")), MANY);
    let laughs =
        chain("[1, 1, 1, 1, 1, 1, 1, 1]", &|i| format!("[{}]", vec![format!("*a{i}"); 8].join(", ")));
    check("m.yaml", &laughs, MANY);
}

#[test]
fn bounds_are_kept() {
    check("m.json", &format!("[{}0]", "0,".repeat(MAX_VALUES)), MANY);
    check("m.yaml", &" ".repeat(MAX_TEXT_BYTES + 1), "16777217 bytes long, at most 16777216 are allowed");
    check("m.toml", &"#".repeat(MAX_TOML_BYTES + 1), "(write it as YAML or JSON)");
    let nodes = format!("{{\"entries\": [{{\"dag\": {{\"nodes\": [{}0]}}}}]}}", "0,".repeat(MAX_NODES));
    check("m.json", &nodes, "entry has no `domain`");
    let error = parse("m.json", nodes.as_bytes()).unwrap_err();
    assert_eq!(error.problems.last().unwrap().message, "more than 200000 nodes in one file");
}

/// One valid manifest per format, to be damaged.
const VALID: [(&str, &str); 3] = [
    (
        "m.yaml",
        "source: é\nentries:\n- &e {domain: workflow, key: k, provider: p, factory: 'f:x', priority: -3}\n- <<: *e\n  dag:\n    nodes:\n    - id: a\n      task: \"t\\x41\"\n      depends_on: [b, c]\n      payload: |\n        text\n",
    ),
    (
        "m.json",
        "{\"source\": \"\\ud83d\\ude00\", \"entries\": [{\"domain\": \"task\", \"key\": \"k\", \"provider\": \"p\", \"factory\": \"f:x\", \"timeout_seconds\": 1.5e0, \"metadata\": {\"a\": [null, true, -1]}}]}",
    ),
    (
        "m.toml",
        "source = \"é\"\nsigned_at = 2025-01-01T00:00:00Z\n[[entries]]\ndomain = 'event'\nkey = 'k'\nprovider = 'p'\nfactory = 'f:x'\nevent_topics = ['a', 'b']\nmetadata.a.b = { c = 1_000 }\n",
    ),
];

/// Reads a text in every format and by every door; whatever comes out has to hold together.
fn survives(bytes: &[u8]) {
    for name in ["m.yaml", "m.json", "m.toml", "m"] {
        match parse(name, bytes) {
            Ok(_) => {
                let canonical = canonical(name, bytes).unwrap();
                assert!(canonical.is_ascii());
                let again = super::super::canonical("m.json", canonical.as_bytes()).unwrap();
                assert_eq!(again, canonical);
            }
            Err(error) => {
                assert!((1..=MAX_PROBLEMS).contains(&error.problems.len()));
                assert!(error.problems.is_sorted_by_key(|problem| problem.place.offset));
                assert!(error.problems.iter().all(|problem| problem.place.line > 0));
                assert_eq!(
                    error.to_string().lines().count(),
                    error.problems.len() + usize::from(error.more > 0)
                );
            }
        }
        let _ = to_json(name, bytes, Layout::Pretty);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_are_an_error_and_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        survives(&bytes);
    }

    #[test]
    fn arbitrary_punctuation_is_no_panic(text in "[-\\[\\]{}:,&*!|>'\"%@`#?<=a0é.\n\t ]{0,60}") {
        survives(text.as_bytes());
    }

    #[test]
    fn a_damaged_manifest_is_no_panic(
        which in 0..VALID.len(),
        edits in proptest::collection::vec((any::<proptest::sample::Index>(), 0..3u8, any::<u8>()), 1..6),
    ) {
        let mut bytes = VALID[which].1.as_bytes().to_vec();
        for (place, kind, byte) in edits {
            if bytes.is_empty() {
                break;
            }
            let at = place.index(bytes.len());
            match kind {
                0 => bytes[at] = byte & 0x7F,
                1 => drop(bytes.remove(at)),
                _ => bytes.truncate(at.max(1)),
            }
        }
        survives(&bytes);
    }
}

#[test]
fn the_manifests_to_be_damaged_are_valid() {
    for (name, text) in VALID {
        assert_eq!(first_line(name, text), "ok");
        survives(text.as_bytes());
    }
}
