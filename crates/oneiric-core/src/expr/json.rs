//! JSON and CEL, without loss: integers stay integers, unsigned ones beyond `i64` unsigned.

use std::collections::HashMap;

use cel::common::types::{
    CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelUInt,
};
use cel::common::value::Val;
use serde_json::{Map, Value};

use super::error::ConversionError;

/// The deepest nesting of a value on its way in or out. Parsers of JSON stop at 128.
const MAX_NESTING: usize = 256;

/// What holds a value of CEL that borrows from JSON.
pub(super) type Boxed<'v> = Box<dyn Val + 'v>;

/// The word for the type of a value.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a bool",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

/// JSON as CEL. Strings are borrowed.
pub(super) fn to_cel(value: &Value) -> Result<Boxed<'_>, ConversionError> {
    to_cel_at(value, 0)
}

fn to_cel_at<'v>(value: &'v Value, depth: usize) -> Result<Boxed<'v>, ConversionError> {
    check_depth(depth)?;
    Ok(match value {
        Value::Null => Box::new(CelNull),
        Value::Bool(value) => Box::new(CelBool::from(*value)),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(value), _) => Box::new(CelInt::from(value)),
            (None, Some(value)) => Box::new(CelUInt::from(value)),
            (None, None) => Box::new(CelDouble::from(number.as_f64().unwrap_or(f64::NAN))),
        },
        Value::String(text) => Box::new(CelString::from(text.as_str())),
        Value::Array(items) => {
            let items: Result<Vec<_>, _> = items.iter().map(|item| to_cel_at(item, depth + 1)).collect();
            Box::new(CelList::from(items?))
        }
        Value::Object(fields) => {
            let entry = |(name, value): (&'v String, &'v Value)| {
                Ok((CelMapKey::from(name.as_str()), to_cel_at(value, depth + 1)?))
            };
            let entries: Result<HashMap<_, _>, _> = fields.iter().map(entry).collect();
            Box::new(CelMap::from(entries?))
        }
    })
}

/// CEL as JSON. Keys of maps become text; what JSON has no form for is an error.
pub(super) fn from_cel(value: &cel::Value) -> Result<Value, ConversionError> {
    from_cel_at(value, 0)
}

fn from_cel_at(value: &cel::Value, depth: usize) -> Result<Value, ConversionError> {
    check_depth(depth)?;
    Ok(match value {
        cel::Value::Null => Value::Null,
        cel::Value::Bool(value) => Value::Bool(*value),
        cel::Value::Int(value) => Value::from(*value),
        cel::Value::UInt(value) => Value::from(*value),
        cel::Value::Float(value) => serde_json::Number::from_f64(*value)
            .map(Value::Number)
            .ok_or_else(|| ConversionError(format!("{value} has no form in JSON")))?,
        cel::Value::String(text) => Value::String(text.as_str().to_owned()),
        cel::Value::Bytes(_) => {
            value.json().map_err(|_| ConversionError("the bytes have no form in JSON".to_owned()))?
        }
        cel::Value::List(items) => {
            items.iter().map(|item| from_cel_at(item, depth + 1)).collect::<Result<_, _>>()?
        }
        cel::Value::Map(map) => {
            let mut fields = Map::new();
            for (key, value) in map.map.iter() {
                let name = key.to_string();
                if fields.contains_key(&name) {
                    return Err(ConversionError(format!("two keys of a map are `{name}` in JSON")));
                }
                fields.insert(name, from_cel_at(value, depth + 1)?);
            }
            Value::Object(fields)
        }
        // The only opaque values of the standard library.
        cel::Value::Opaque(_) => {
            let text = "an optional value has no form in JSON; say `.orValue(...)`";
            return Err(ConversionError(text.to_owned()));
        }
        cel::Value::Function(..) | cel::Value::Struct(_) => {
            return Err(ConversionError(format!("a {} has no form in JSON", value.type_of())));
        }
    })
}

fn check_depth(depth: usize) -> Result<(), ConversionError> {
    if depth > MAX_NESTING {
        return Err(ConversionError(format!("a value is nested deeper than {MAX_NESTING}")));
    }
    Ok(())
}
