//! One condition of a rule.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::actions::python::{equal, number, text, truthy};

/// Compares a field of the context with a value.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Condition {
    /// The way to the field: `order.lines[0].sku`. A field that is not there is `null`.
    field: String,
    /// How it is compared.
    operator: Operator,
    /// What it is compared with.
    #[serde(default)]
    value: Value,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Operator {
    Equals,
    NotEquals,
    Contains,
    In,
    GreaterThan,
    GreaterOrEqual,
    LessThan,
    LessOrEqual,
    Exists,
    Absent,
    Truthy,
    Falsy,
}

impl Condition {
    /// Whether it holds for the context.
    pub(super) fn holds(&self, context: &Value) -> bool {
        let (actual, expected) = (look(context, &self.field), &self.value);
        let compare = |holds: fn(f64, f64) -> bool| match (number::float(actual), number::float(expected)) {
            (Some(actual), Some(expected)) => holds(actual, expected),
            _ => false,
        };
        match self.operator {
            Operator::Equals => equal(actual, expected),
            Operator::NotEquals => !equal(actual, expected),
            Operator::Contains => contains(actual, expected),
            Operator::In => {
                expected.as_array().is_some_and(|list| list.iter().any(|item| equal(actual, item)))
            }
            Operator::GreaterThan => compare(|a, b| a > b),
            Operator::GreaterOrEqual => compare(|a, b| a >= b),
            Operator::LessThan => compare(|a, b| a < b),
            Operator::LessOrEqual => compare(|a, b| a <= b),
            Operator::Exists => !actual.is_null(),
            Operator::Absent => actual.is_null(),
            Operator::Truthy => truthy(actual),
            Operator::Falsy => !truthy(actual),
        }
    }
}

fn contains(actual: &Value, expected: &Value) -> bool {
    match actual {
        Value::String(actual) => actual.contains(&text::str(expected)),
        Value::Object(fields) => fields.contains_key(&text::str(expected)),
        Value::Array(items) => items.iter().any(|item| equal(item, expected)),
        _ => false,
    }
}

/// The field at the end of the path; `null` where the path leads nowhere or is empty.
fn look<'v>(context: &'v Value, path: &str) -> &'v Value {
    static NULL: Value = Value::Null;
    if path.is_empty() {
        return &NULL;
    }
    let mut at = context;
    for segment in path.split(['.', '[', ']']).map(str::trim).filter(|segment| !segment.is_empty()) {
        let next = match at {
            Value::Object(fields) => fields.get(segment),
            Value::Array(items) => index(segment).and_then(|index| items.get(index)),
            _ => None,
        };
        match next {
            Some(next) => at = next,
            None => return &NULL,
        }
    }
    at
}

fn index(segment: &str) -> Option<usize> {
    usize::try_from(number::int(&segment.into())?).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_leads_through_objects_and_lists() {
        let context = json!({"a": {"b": [10, {"c": true}]}, "a.b": 1, " ": 2});
        let check = |path, expected: Value| assert_eq!(look(&context, path), &expected, "{path:?}");
        check("a.b[0]", json!(10));
        check("a.b.1.c", json!(true));
        check(" a . b [ 1 ] . c ", json!(true));
        check("a.b[2]", json!(null));
        check("a.b[-1]", json!(null));
        check("a.b.x", json!(null));
        check("a.b[0].c", json!(null));
        check("", json!(null));
        check(".", context.clone());
    }

    #[test]
    fn operators_compare_as_python_does() {
        let check = |operator: &str, actual: Value, value: Value, expected: bool| {
            let condition = json!({"field": "f", "operator": operator, "value": value});
            let condition: Condition = serde_json::from_value(condition).unwrap();
            assert_eq!(condition.holds(&json!({ "f": actual })), expected, "{actual} {operator} {value}");
        };
        check("equals", json!(1), json!(true), true);
        check("not_equals", json!("1"), json!(1), true);
        check("contains", json!("is 5.0"), json!(5.0), true);
        check("contains", json!("None of it"), json!(null), true);
        check("contains", json!({"5": 0}), json!(5), true);
        check("contains", json!([1.0]), json!(1), true);
        check("contains", json!(55), json!(5), false);
        check("in", json!(1), json!([true]), true);
        check("in", json!("a"), json!("abc"), false);
        check("greater_than", json!("10"), json!(9), true);
        check("greater_than", json!("ten"), json!(9), false);
        check("less_or_equal", json!(true), json!("1"), true);
        check("less_than", json!(null), json!(1), false);
        check("exists", json!(0), json!(null), true);
        check("absent", json!(null), json!(null), true);
        check("truthy", json!("no"), json!(null), true);
        check("falsy", json!([]), json!(null), true);
    }
}
