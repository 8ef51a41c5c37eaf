//! How deep JSON is nested, before anything is built from it.

/// Whether the text opens more than `most` arrays and objects within each other. Text that is no JSON gets some
/// answer; the parser finds out.
pub(super) fn is_deeper(text: &[u8], most: usize) -> bool {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'[' | b'{' => {
                depth += 1;
                if depth > most {
                    return true;
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn depth_of(value: &Value) -> usize {
        match value {
            Value::Array(items) => 1 + items.iter().map(depth_of).max().unwrap_or(0),
            Value::Object(fields) => 1 + fields.values().map(depth_of).max().unwrap_or(0),
            _ => 0,
        }
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::from),
            r#"[\\"\[\]{}a]*"#.prop_map(Value::from)
        ];
        leaf.prop_recursive(12, 64, 4, |inner| {
            let key = r#"[\\"\[\]{}a]{0,4}"#;
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(key, inner, 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_scan_agrees_with_the_parser(value in json(), pretty in any::<bool>()) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
            let (text, depth) = (text.unwrap(), depth_of(&value));
            prop_assert!(!is_deeper(text.as_bytes(), depth));
            prop_assert!(depth == 0 || is_deeper(text.as_bytes(), depth - 1));
        }
    }

    #[test]
    fn what_is_no_json_does_not_confuse_it() {
        for text in ["", "]]]]", "\"", "\"\\", "}{"] {
            assert!(!is_deeper(text.as_bytes(), 1), "{text}");
        }
        assert!(is_deeper("[".repeat(100).as_bytes(), 99));
    }
}
