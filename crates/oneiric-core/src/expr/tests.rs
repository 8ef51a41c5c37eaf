//! What expressions yield, refuse and survive.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn scope() -> Values {
    Values::new(json!({
        "n": 3, "big": u64::MAX, "f": 2.5, "whole": 2.0, "none": null, "on": true, "name": "Ada",
        "list": [3, 1, 2], "map": { "b": 1, "a": { "c": [true] } }, "min": i64::MIN,
    }))
    .with_node("scan", "completed", json!({ "found": 5, "files": ["a.rs", "b.md"] }))
    .with_node("fetch-data", "failed", json!(null))
}

fn evaluate(text: &str) -> Result<Value, ExprError> {
    Expr::compile(text)?.evaluate(&scope())
}

#[test]
fn expressions_yield_values_of_their_type() {
    let check = |text: &str, expected: Value| assert_eq!(evaluate(text), Ok(expected), "{text}");
    check("inputs.n + 1", json!(4));
    check("inputs.big", json!(u64::MAX));
    check("inputs.min", json!(i64::MIN));
    check("inputs.whole", json!(2.0));
    check("inputs.f * 2.0", json!(5.0));
    check("inputs.none == null", json!(true));
    check("inputs", scope().inputs().clone());
    check("nodes.scan.output.files.filter(f, f.endsWith('.rs'))", json!(["a.rs"]));
    check("nodes['fetch-data'].status", json!("failed"));
    check("size(nodes)", json!(2));
    check("'scan' in nodes && !('gone' in nodes)", json!(true));
    check("has(inputs.map.a) && !has(inputs.map.z)", json!(true));
    check("inputs.map.?z.orValue('none')", json!("none"));
    check("nodes.?gone.?output.orValue(7)", json!(7));
    check("inputs.list.map(x, x * 2)", json!([6, 2, 4]));
    check("inputs.list.exists(x, x == 2) ? inputs.name : ''", json!("Ada"));
    check("{'a': [1, 2u, 3.5, b'x', null], 1: true}", json!({ "a": [1, 2, 3.5, "eA==", null], "1": true }));
    check("string(inputs.n) + '/' + inputs.name", json!("3/Ada"));
    check("inputs.name.matches('^A[a-z]+$')", json!(true));
    check("optional.of(inputs.n).value()", json!(3));
    check("type(inputs.n) == int", json!(true));
    check("[1, 2].map(nodes, nodes + 1)", json!([2, 3]));
    check("inputs.on || inputs.gone", json!(true));
}

#[test]
fn walking_a_map_has_an_order() {
    let fields: serde_json::Map<_, _> = (0..50).map(|n| (format!("k{n:02}"), json!(n))).collect();
    let names: Vec<_> = fields.keys().cloned().collect();
    let expr = Expr::compile("inputs.map(k, k)").unwrap();
    assert_eq!(expr.evaluate(&Values::new(Value::Object(fields))), Ok(json!(names)));
}

#[test]
fn errors_name_the_expression_and_the_place() {
    let check = |text: &str, expected: &str| {
        assert_eq!(evaluate(text).expect_err(text).to_string(), expected);
    };
    check("inputs.gone", "expression `inputs.gone`: there is no key `gone`");
    check("nodes.gone.output", "expression `nodes.gone.output`: there is no key `gone`");
    check("inputs.n + 'a'", "expression `inputs.n + 'a'`: `+` does not take int and string");
    check("inputs.n < 'a'", "expression `inputs.n < 'a'`: `<` does not take int and string");
    check("inputs.n / 0", "expression `inputs.n / 0`: division by zero");
    check("inputs.min - 1", "expression `inputs.min - 1`: `-` overflows");
    check("inputs.list[7]", "expression `inputs.list[7]`: the index is outside of the list");
    check("input.n", "expression `input.n`: unknown name `input`, did you mean `inputs`?");
    check(
        "nodes.fetch-data.status",
        "expression `nodes.fetch-data.status`: unknown name `data`; there are `inputs`, `nodes`",
    );
    check(
        "inputs.name.startswith('A')",
        "expression `inputs.name.startswith('A')`: unknown function `startswith`, did you mean `startsWith`?",
    );
    check("now()", "expression `now()`: unknown function `now`");
    check("timestamp('x')", "expression `timestamp('x')`: unknown function `timestamp`");
    check("inputs.f / 0.0", "expression `inputs.f / 0.0`: inf has no form in JSON");
    check("{1: 1, '1': 2}", "expression `{1: 1, '1': 2}`: two keys of a map are `1` in JSON");
    check("Point{x: 1}", "expression `Point{x: 1}`: a message cannot be used here");
    check(
        "inputs.?gone",
        "expression `inputs.?gone`: an optional value has no form in JSON; say `.orValue(...)`",
    );
}

#[test]
fn a_syntax_error_has_its_position() {
    let check = |text: &str, expected| {
        let error = Expr::compile(text).unwrap_err();
        let ExprError::Syntax { position, .. } = &error else { panic!("{text}: {error}") };
        assert_eq!(*position, Some(expected), "{error}");
    };
    check("inputs.n +", (1, 11));
    check("inputs.n\n  == == 1", (2, 6));
    check("(1", (1, 3));
    check("1 2", (1, 3));
    assert!(matches!(Expr::compile(""), Err(ExprError::Syntax { .. })));
}

#[test]
fn a_condition_must_be_a_bool() {
    let check = |text: &str, expected: Result<bool, &str>| {
        let found = Expr::compile(text).unwrap().evaluate_bool(&scope());
        assert_eq!(found.map_err(|error| error.to_string()), expected.map_err(str::to_owned));
    };
    check("inputs.n > 2", Ok(true));
    check("inputs.n", Err("condition `inputs.n` must be a bool, it is a number"));
    check("inputs.none", Err("condition `inputs.none` must be a bool, it is null"));
}

#[test]
fn references_name_what_is_used() {
    let check = |text: &str, inputs: bool, nodes: Option<&[&str]>| {
        let expr = Expr::compile(text).unwrap();
        let names = |ids: &[&str]| Nodes::Named(ids.iter().map(|id| (*id).to_owned()).collect());
        let nodes = nodes.map_or(Nodes::All, names);
        assert_eq!((expr.references().inputs, &expr.references().nodes), (inputs, &nodes), "{text}");
    };
    check("true", false, Some(&[]));
    check("inputs.a == nodes.b.output", true, Some(&["b"]));
    check("nodes['a-b'].output.x + nodes.c.output", false, Some(&["a-b", "c"]));
    check("has(nodes.a) || 'b' in nodes || nodes.?c.hasValue()", false, Some(&["a", "b", "c"]));
    check("nodes[inputs.id].output", true, None);
    check("nodes.exists(id, nodes[id].status == 'failed')", false, None);
    check("size(nodes) > 1 && nodes.a.output", false, None);
    check("['x'].map(nodes, nodes.size())", false, Some(&[]));
    check("[nodes.a.output].map(nodes, nodes)", false, Some(&["a"]));
}

#[test]
fn only_what_is_named_is_asked_for() {
    struct Strict;
    impl Scope for Strict {
        fn inputs(&self) -> &Value {
            panic!("not named");
        }
        fn node(&self, id: &str) -> Option<NodeView<'_>> {
            assert_eq!(id, "a");
            Some(NodeView { output: &Value::Null, status: "completed" })
        }
        fn nodes(&self) -> Box<dyn Iterator<Item = (&str, NodeView<'_>)> + '_> {
            panic!("not named");
        }
    }
    assert_eq!(Expr::compile("nodes.a.status == 'completed'").unwrap().evaluate_bool(&Strict), Ok(true));
}

#[test]
fn other_variables_are_the_callers() {
    let expr = Expr::compile_with("topic == 'a' && payload.n > 1", &["topic", "payload"]).unwrap();
    assert_eq!(expr.references().variables.len(), 2);
    let scope =
        Values::default().with_variable("topic", json!("a")).with_variable("payload", json!({ "n": 2 }));
    assert_eq!(expr.evaluate_bool(&scope), Ok(true));
    let error = expr.evaluate(&Values::default()).unwrap_err().to_string();
    assert!(error.contains("unknown name `"), "{error}");
    assert!(Expr::compile_with("inputs.n", &["topic"]).is_err());
}

/// Shapes that recurse in the parser, in the evaluator or when they are dropped.
fn nested(shape: usize, n: usize) -> String {
    let x = "inputs";
    match shape {
        0 => format!("1{}", "+1".repeat(n)),
        1 => format!("{x}{}", "[0]".repeat(n)),
        2 => format!("{x}{}", ".a".repeat(n)),
        3 => format!("{x}{}", ".size()".repeat(n)),
        4 => format!("{}{x}", "!".repeat(n)),
        5 => format!("{}{x}", "-".repeat(n)),
        6 => format!("{x}{}", format!("&&{x}").repeat(n)),
        7 => format!("{}{x}", format!("{x}?{x}:").repeat(n)),
        8 => format!("{}{x}{}", "(".repeat(n), ")".repeat(n)),
        9 => format!("{}1{}", "[".repeat(n), "]".repeat(n)),
        10 => format!("{}1{}", "{1:".repeat(n), "}".repeat(n)),
        11 => format!("{x}{}", ".map(x,x)".repeat(n)),
        12 => format!("{}{x}{}", "-(!".repeat(n), ")".repeat(n)),
        13 => format!("{}{x}{}", "[1].map(x,".repeat(n), ")".repeat(n)),
        14 => "(".repeat(n),
        15 => "[".repeat(n),
        16 => "{1:".repeat(n),
        17 => format!("({x}?").repeat(n),
        18 => format!("{x}{}", "<1".repeat(n)),
        _ => format!("{}{x}{}", "size(".repeat(n), ")".repeat(n)),
    }
}

#[test]
fn nesting_ends_in_a_value_or_an_error_never_in_an_overflow() {
    let run = || {
        for shape in 0..20 {
            for n in [1, 20, 47, 90, 96, 200, 400, 1300] {
                let text = nested(shape, n);
                match Expr::compile(&text) {
                    Ok(expr) => drop(expr.evaluate(&scope())),
                    Err(error) => assert!(!matches!(error, ExprError::Panicked { .. }), "{shape} {n}"),
                }
            }
        }
    };
    // The stack that a thread of a runtime or of a test has.
    std::thread::Builder::new().stack_size(2 << 20).spawn(run).unwrap().join().unwrap();
}

#[test]
fn ninety_terms_are_no_nesting_error() {
    assert_eq!(evaluate(&nested(0, 90)), Ok(json!(91)));
    assert!(matches!(evaluate(&nested(0, 200)), Err(ExprError::TooDeep { .. })));
    assert!(matches!(evaluate(&nested(0, 600)), Err(ExprError::TooManyTokens { .. })));
    assert!(matches!(evaluate(&"a".repeat(5000)), Err(ExprError::TooLong { bytes: 5000 })));
}

#[test]
fn work_is_bounded() {
    let many: Vec<u64> = (0..2000).collect();
    let scope = Values::new(json!({ "xs": many, "s": "x".repeat(1000), "m": { "a": 1 } }));
    let check = |text: &str| {
        let expr = Expr::compile(text).unwrap();
        let error = expr.evaluate(&scope).expect_err(text);
        assert!(matches!(error, ExprError::TooMuchWork { .. }), "{text}: {error}");
    };
    check("inputs.xs.all(a, inputs.xs.all(b, inputs.xs.all(c, a + b + c >= 0)))");
    check("inputs.xs.map(a, inputs.xs.map(b, inputs.xs))");
    check(&format!("[inputs.s]{}", ".map(a, a + a + a + a + a + a + a + a)".repeat(12)));
    check(&format!("[inputs.xs]{}", ".map(a, [a, a, a, a, a, a, a, a])".repeat(12)));
    check(&format!("[inputs.xs]{}", ".map(a, {'a': a, 'b': a, 'c': a, 'd': a})".repeat(12)));
    check(&format!("[optional.of(inputs.s)]{}", ".map(a, optional.of([a, a, a, a, a, a]))".repeat(12)));
    check("inputs.xs.exists(a, inputs.xs == inputs.xs.filter(b, b > a - a))");
    check("inputs.xs.map(a, inputs.?xs).size() > 0");
    check(r"inputs.xs.exists(a, inputs.s.matches('(\\w{20}){20}' + string(a)))");
    // A swallowed error does not hide it.
    check("inputs.xs.all(a, inputs.xs.all(b, inputs.xs.all(c, a + b + c >= 0))) || inputs.m.a == 1");
}

#[test]
fn a_filter_over_many_records_is_within_bounds() {
    let records: Vec<_> =
        (0..20_000).map(|n| json!({ "id": n, "state": "open", "tags": ["a", "b"] })).collect();
    let expr = Expr::compile("inputs.filter(r, r.state == 'open' && r.id % 2 == 0 && 'a' in r.tags).size()");
    assert_eq!(expr.unwrap().evaluate(&Values::new(json!(records))), Ok(json!(10_000)));
}

#[test]
fn payloads_keep_types_and_interpolate_text() {
    let check = |payload: Value, expected: Value| {
        let template = Template::compile(&payload).unwrap().expect("it has expressions");
        assert_eq!(template.render(&scope()), Ok(expected), "{payload}");
    };
    check(json!("${{ inputs.n }}"), json!(3));
    check(json!("${{inputs.map}}"), json!({ "b": 1, "a": { "c": [true] } }));
    check(json!(" ${{ inputs.n }}"), json!(" 3"));
    check(json!("${{ inputs.n }}${{ inputs.name }}"), json!("3Ada"));
    check(json!("a ${{ inputs.list }} b ${{ inputs.none }}!"), json!("a [3,1,2] b null!"));
    check(json!("$${{ inputs.n }}"), json!("${{ inputs.n }}"));
    check(json!("$${{ x }} ${{ inputs.n }}"), json!("${{ x }} 3"));
    check(json!("$$${{ x }}"), json!("$${{ x }}"));
    check(json!("cost: $${{ inputs.n }} $5"), json!("cost: ${{ inputs.n }} $5"));
    check(json!(r#"${{ "}}" }}"#), json!("}}"));
    check(json!("${{ {'a': {'b': inputs.n}} }}"), json!({ "a": { "b": 3 } }));
    check(json!("${{{'a': {'b': 1}}}}"), json!({ "a": { "b": 1 } }));
    check(json!("${{ inputs.n }} }}"), json!("3 }}"));
    check(
        json!({ "a": [1, { "b": "${{ nodes.scan.output.found }}" }], "${{ key }}": "plain" }),
        json!({ "a": [1, { "b": 5 }], "${{ key }}": "plain" }),
    );
}

#[test]
fn a_payload_without_expressions_is_no_template() {
    let check = |payload: Value| assert_eq!(Template::compile(&payload), Ok(None), "{payload}");
    check(json!({ "a": ["${ x }", "{{ x }}", "$", 1, null, { "${{ key }}": "}}" }] }));
    check(json!(null));
}

#[test]
fn errors_in_payloads_name_the_string() {
    let check = |payload: Value, expected: &str| {
        let found = Template::compile(&payload).and_then(|template| template.unwrap().render(&scope()));
        assert_eq!(found.unwrap_err().to_string(), expected);
    };
    check(
        json!({ "a/b": ["x", "${{ inputs.gone }}"] }),
        "payload at `/a~1b/1`: expression `inputs.gone`: there is no key `gone`",
    );
    check(
        json!({ "a": "x ${{ inputs.n + }}" }),
        "payload at `/a`: expression `inputs.n +`, line 1, column 11: mismatched input '<EOF>' expecting expression",
    );
    check(
        json!("x ${{ '}}' "),
        "payload at ``: `${{` at byte 2 is not closed; write `$${{` for the characters themselves",
    );
    check(
        json!("${{ }}"),
        "payload at ``: expression ``, line 1, column 1: mismatched input '<EOF>' expecting expression",
    );
}

#[test]
fn the_references_of_a_template_are_those_of_its_expressions() {
    let payload = json!(["${{ nodes.a.output }}", { "x": "t ${{ inputs.n }} ${{ nodes.b.status }}" }]);
    let template = Template::compile(&payload).unwrap().unwrap();
    let ids = ["a".to_owned(), "b".to_owned()].into_iter().collect();
    let expected = References { inputs: true, nodes: Nodes::Named(ids), ..References::default() };
    assert_eq!(*template.references(), expected);
}

fn arbitrary_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        proptest::num::f64::NORMAL.prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map(".{0,6}", inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Text that looks like CEL: tokens in any order.
fn almost_cel() -> impl Strategy<Value = String> {
    let tokens = [
        "inputs",
        "nodes",
        "nodes.scan.output",
        ".n",
        ".list",
        ".map(x, ",
        ".all(x, ",
        ".filter(x, ",
        "has(",
        "x",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        "?",
        "?.",
        "[?",
        ".",
        "+",
        "-",
        "*",
        "/",
        "%",
        "!",
        "==",
        "<",
        "&&",
        "||",
        " in ",
        "1",
        "-1",
        "9223372036854775807",
        "-9223372036854775808",
        "18446744073709551615u",
        "1.5",
        "1e308",
        "0",
        "0x7f",
        "'a'",
        "\"b\"",
        "r'\\'",
        "b'\\xff'",
        "'''",
        "'\\u12'",
        "'\\U00110000'",
        "null",
        "true",
        "int(",
        "uint(",
        "string(",
        "bytes(",
        "double(",
        "size(",
        "type(",
        "dyn(",
        "optional.of(",
        "optional.none()",
        ".value()",
        ".orValue(",
        ".matches(",
        ".contains(",
        ".size()",
        "//",
        "\n",
        "@result",
        "`a`",
        "\u{1F980}",
        ";",
    ];
    proptest::collection::vec(proptest::sample::select(tokens.to_vec()), 0..24)
        .prop_map(|parts| parts.concat())
}

fn survives(text: &str) -> Result<(), TestCaseError> {
    let outcome = Expr::compile(text).and_then(|expr| expr.evaluate(&scope()));
    if let Err(error) = outcome {
        prop_assert!(!matches!(error, ExprError::Panicked { .. }), "{text:?} panics");
        prop_assert!(!error.to_string().is_empty());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_a_value_or_an_error(text in "\\PC{0,60}") {
        survives(&text)?;
    }

    #[test]
    fn almost_cel_is_a_value_or_an_error(text in almost_cel()) {
        survives(&text)?;
    }

    #[test]
    fn any_payload_string_is_a_value_or_an_error(text in "(\\$|\\{|\\}|'|\"|r|/|\n|\\\\|inputs|é){0,24}") {
        if let Ok(Some(template)) = Template::compile(&json!(text)) {
            let _ = template.render(&scope());
        }
    }
}

proptest! {
    #[test]
    fn json_survives_the_way_through_cel(value in arbitrary_json()) {
        let scope = Values::new(value.clone());
        prop_assert_eq!(Expr::compile("inputs").unwrap().evaluate(&scope), Ok(value));
    }

    #[test]
    fn literal_strings_stay_as_they_are(text in "[^$]{0,40}", value in arbitrary_json()) {
        let payload = json!({ "text": text, "value": "${{ inputs }}" });
        let template = Template::compile(&payload).unwrap().unwrap();
        let rendered = template.render(&Values::new(value.clone())).unwrap();
        prop_assert_eq!(rendered, json!({ "text": text, "value": value }));
    }
}
