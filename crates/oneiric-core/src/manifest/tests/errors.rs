//! The same mistakes in the three formats, with their places.

use super::super::*;

/// What is wrong with a text, one problem per line.
fn check(name: &str, text: &str, expected: &str) {
    let found = match parse(name, text.as_bytes()) {
        Ok(manifest) => format!("{manifest:?}"),
        Err(error) => error.to_string(),
    };
    assert_eq!(found, expected, "\n{text}");
}

#[test]
fn all_problems_of_a_file_are_found_at_once_in_the_order_of_the_text() {
    let text = r#"source: 1.0
entries:
  - domain: workfow
    key: a b
    provider: ../p
    factroy: x
    sha256: abc
    priority: 1001
    stack_level: 1.5
    uri: ../up
    requires_secrets: no
    requires: one
    event_fanout_policy: exclusiv
    event_filters: [{pth: topic, any_of: []}, {path: topic}, 1]
    capabilities: [{nam: x}, "", 7]
    timeout_seconds: 0
    dag:
      on_failure: stop
      max_parallel: 0
      nodes:
      - id: x
        task: t
        depends_on: y
        payload: {a: 010}
      - id: 7
        tsk: t
      - {key: a, id: b, task: t, retry_policy: {attempts: 0, max_attempts: 2}}
"#;
    let error = parse("release.yaml", text.as_bytes()).unwrap_err();
    insta::assert_snapshot!(error);
}

#[test]
fn yaml_that_cannot_be_read_says_where() {
    check("m.yaml", "a: [1, 2", "m.yaml:1:4: unclosed bracket '['");
    check(
        "m.yaml",
        "source: é\nsource: b\nsource: c\n",
        "m.yaml:2:1: key `source` is given twice\nm.yaml:3:1: key `source` is given twice",
    );
    check("m.yaml", "entries: [*nobody]", "m.yaml:1:11: while parsing node, found unknown anchor");
    check("m.yaml", "entries: &a [*a]", "m.yaml:1:14: an alias names a value that it is part of");
    check("m.yaml", "? [a]\n: b", "m.yaml:1:3: a key must be text, found a list");
    check(
        "m.yaml",
        "<<: 1\nsource: x",
        "m.yaml:1:5: `<<` must be a mapping or a list of mappings, found a number",
    );
    check("m.yaml", "source: !!int x", "m.yaml:1:15: `x` is not what its tag `!!int` says");
    check(
        "m.yaml",
        "source: x\nentries: {a: b: c}",
        "m.yaml:2:15: while parsing a flow mapping, did not find expected ',' or '}'",
    );
    check(
        "m.yaml",
        "source: x\n---\nsource: y",
        "m.yaml:2:1: a second document starts here (a file is one document)",
    );
    check("m.yaml", "- a", "m.yaml:1:1: manifest must be a mapping, found a list");
    check("m.yaml", "source: !py x", "m.yaml:1:13: tag `!py` is not supported");
}

#[test]
fn json_that_cannot_be_read_says_where() {
    check(
        "m.json",
        "{\n  \"source\": \"x\",\n}",
        "m.json:3:1: a comma with nothing after it (remove the comma)",
    );
    check("m.json", "{\"source\": \"x\", \"source\": 1}", "m.json:1:17: key `source` is given twice");
    check("m.json", "{\"source\": 'x'}", "m.json:1:12: expected value");
    check("m.json", "{\"source\": \"x\"} # no", "m.json:1:17: trailing characters");
    check("m.json", "{\n\"a\": [", "m.json:2:6: the text ends while parsing a list");
    check("m.json", "{\"a\" 1}", "m.json:1:6: expected `:`");
    check("m.json", "{\"é\": tru}", "m.json:1:10: expected ident");
    check("m.json", "{\"a\": 1e999}", "m.json:1:7: `1e999` does not fit in 64 bits");
    check(
        "m.json",
        "{\"a\": \"\\ud800\"}",
        "m.json:1:7: an escape is no character (both halves of a surrogate pair have to be there)",
    );
    check("m.json", "[1]", "m.json:1:1: manifest must be a mapping, found a list");
}

#[test]
fn toml_that_cannot_be_read_says_where() {
    check("m.toml", "source = 'x'\nsource = 'y'\n", "m.toml:2:1: key `source` is given twice");
    check("m.toml", "x = nan\n", "m.toml:1:5: `nan` is not a finite number");
}

#[test]
fn what_is_no_text_is_said_to_be_none() {
    check("m.yaml", "", "m.yaml:1:1: the file is empty");
    check("m.yaml", " \n# only a comment\n", "m.yaml:1:1: manifest must be a mapping, found nothing");
    check("m.yaml", "a: \u{0}", "m.yaml:1:4: the file holds a zero byte, it is not text");
    let error = parse("m.yaml", b"source: \xff\xfe").unwrap_err();
    assert_eq!(error.to_string(), "m.yaml:1:9: byte 8 is not UTF-8 text");
}

/// The same mistakes, written three times; only the places differ.
#[test]
fn the_formats_agree_on_what_is_wrong() {
    let messages = |name: &str, text: &str| -> Vec<(u32, u32, String, Option<String>)> {
        let problems = parse(name, text.as_bytes()).unwrap_err().problems;
        problems.into_iter().map(|p| (p.place.line, p.place.column, p.message, p.help)).collect()
    };
    let yaml = "entries:\n- domain: task\n  key: 5\n  providr: p\n  factory: ''\n  requires: é\n";
    let json = r#"{"entries": [{
  "domain": "task", "key": 5, "providr": "p",
  "factory": "", "requires": "é"}]}"#;
    let toml = "[[entries]]\ndomain = 'task'\nkey = 5\nprovidr = 'p'\nfactory = ''\nrequires = 'é'\n";
    let found = [messages("m.yaml", yaml), messages("m.json", json), messages("m.toml", toml)];
    let places = |list: &[(u32, u32, String, Option<String>)]| {
        list.iter().map(|(line, column, ..)| (*line, *column)).collect::<Vec<_>>()
    };
    assert_eq!(places(&found[0]), [(2, 3), (3, 8), (4, 3), (5, 12), (6, 13)]);
    assert_eq!(places(&found[1]), [(1, 14), (2, 28), (2, 31), (3, 14), (3, 30)]);
    assert_eq!(places(&found[2]), [(1, 1), (3, 7), (4, 1), (5, 11), (6, 12)]);
    let [yaml, json, toml] = found.map(|list| list.into_iter().map(|(.., m, h)| (m, h)).collect::<Vec<_>>());
    assert_eq!(yaml, json);
    assert_eq!(yaml, toml);
    assert_eq!(yaml[4].1.as_deref(), Some("write a list: [é]"));
}

#[test]
fn a_problem_names_the_bytes_that_it_is_about() {
    let text = "source: é\nentries:\n- {domain: tsk, key: k, provider: p, factory: f:x}\n";
    let error = parse("m.yaml", format!("\u{feff}{text}").as_bytes()).unwrap_err();
    let place = &error.problems[0].place;
    assert_eq!(&text[place.offset as usize..][..place.length as usize], "tsk");
    assert_eq!((place.line, place.column), (3, 12));
}

#[test]
fn a_file_full_of_mistakes_is_cut_short() {
    let error = parse("m.json", format!("{{\"entries\": [{}0]}}", "0,".repeat(99)).as_bytes()).unwrap_err();
    assert_eq!((error.problems.len(), error.more), (MAX_PROBLEMS, 50));
    assert!(error.to_string().ends_with("\nand 50 more"), "{error}");
}
