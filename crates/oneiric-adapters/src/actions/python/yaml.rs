//! `yaml.safe_dump` and `yaml.safe_load`, as PyYAML has them: block style, 80 columns, YAML 1.1's scalars.

mod analysis;
mod dump;
mod load;
mod scalar;
mod writer;

pub(in crate::actions) use dump::dump;
pub(in crate::actions) use load::load;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn value() -> impl Strategy<Value = Value> {
        let text = prop_oneof![
            "[ -~]{0,120}".prop_map(Value::from),
            "\\PC{0,40}".prop_map(Value::from),
            "[a \n'\":#\\-\t\u{85}]{0,12}".prop_map(Value::from),
        ];
        let whole = any::<i64>().prop_map(Value::from);
        let float = (-1e300..1e300_f64).prop_map(|f| json!(f.trunc()));
        let leaf = prop_oneof![text, whole, float, any::<bool>().prop_map(Value::from), Just(Value::Null)];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[ -~]{0,10}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_dumped_loads(value in value()) {
            let text = dump(&value);
            prop_assert!(text.is_ascii(), "{}", text);
            prop_assert_eq!(load(&text), Ok(value), "{}", text);
        }
    }

    #[test]
    fn a_long_text_takes_linear_time_and_loads_again() {
        let value =
            json!({"a": "word ".repeat(200_000), "b": "x".repeat(1_000_000), "c": "ä ".repeat(200_000)});
        assert_eq!(load(&dump(&value)), Ok(value));
    }
}
