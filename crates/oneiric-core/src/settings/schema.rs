//! Which keys there are, what they hold and what they are for: the JSON Schema of the structs, in the
//! form that checking needs. What the schema cannot say in this form is left to `serde`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::path::Path;
use super::walk::tidy_number;

/// A place where a value may stand.
#[derive(Debug, Clone)]
pub(super) struct Field {
    pub(super) kind: Kind,
    pub(super) nullable: bool,
    /// Its value is not shown.
    pub(super) secret: bool,
    pub(super) description: String,
    /// What it is where nobody says otherwise; unsaid for mappings and for keys of the writer's choice.
    pub(super) default: Option<Value>,
    /// It is a second name of this key.
    pub(super) alias: Option<Path>,
}

/// What may stand there.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// A mapping with keys that are known.
    Section(BTreeMap<String, Field>),
    /// A mapping with keys of the writer's choice.
    Map {
        names: Names,
        value: Box<Field>,
    },
    List(Box<Field>),
    Text(Names),
    Bool,
    Whole {
        least: i128,
        most: i128,
    },
    Number {
        least: f64,
        most: f64,
    },
    Choice(Choice),
    Any,
}

/// One of a few words.
#[derive(Debug, Clone)]
pub(super) struct Choice {
    pub(super) words: Vec<String>,
    ignore_case: bool,
    synonyms: BTreeMap<String, String>,
}

impl Choice {
    /// The word as the structs have it.
    pub(super) fn find(&self, given: &str) -> Option<&str> {
        let same = |word: &str| word == given || self.ignore_case && word.eq_ignore_ascii_case(given);
        let synonym = self.synonyms.iter().find(|(name, _)| same(name)).map(|(_, word)| word);
        synonym.or_else(|| self.words.iter().find(|word| same(word))).map(String::as_str)
    }
}

/// Which texts are names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    Free,
    Key,
    Provider,
    /// A domain that has no section of its own.
    Domain,
}

impl Names {
    fn read(value: Option<&Value>) -> Self {
        match value.and_then(Value::as_str) {
            Some("key") => Names::Key,
            Some("provider") => Names::Provider,
            Some("domain") => Names::Domain,
            _ => Names::Free,
        }
    }

    /// What is wrong with a text.
    pub(super) fn check(self, text: &str) -> Result<(), String> {
        match self {
            Names::Free => Ok(()),
            Names::Key => crate::Key::new(text).map(drop).map_err(|error| error.to_string()),
            Names::Provider => crate::Provider::new(text).map(drop).map_err(|error| error.to_string()),
            Names::Domain => match crate::Domain::new(text) {
                Ok(domain) if crate::Domain::WELL_KNOWN.contains(&domain) => {
                    Err(format!("domain `{domain}` has a section of its own: `{domain}s`"))
                }
                Ok(_) => Ok(()),
                Err(error) => Err(error.to_string()),
            },
        }
    }
}

impl Field {
    /// Reads a JSON Schema without references.
    pub(super) fn read(schema: &Value) -> Self {
        let empty = Map::new();
        let object = schema.as_object().unwrap_or(&empty);
        let (object, null_beside) = beside_null(object);
        let (kind, null_within) = kind(object);
        let of = |name| schema.get(name).or_else(|| object.get(name));
        Self {
            kind,
            nullable: null_beside || null_within,
            secret: of("x-secret").and_then(Value::as_bool).unwrap_or_default(),
            description: of("description").and_then(Value::as_str).unwrap_or_default().to_owned(),
            default: schema.get("default").map(tidy),
            alias: None,
        }
    }

    /// The fields of a section; none elsewhere.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&String, &Field)> {
        let fields = if let Kind::Section(fields) = &self.kind { Some(fields) } else { None };
        fields.into_iter().flatten()
    }

    /// Adds a second name of a key.
    pub(super) fn alias(&mut self, names: &[String], of: &Path, target: Field) {
        let (Kind::Section(fields), Some((first, rest))) = (&mut self.kind, names.split_first()) else {
            return;
        };
        if rest.is_empty() {
            fields.insert(first.clone(), Field { alias: Some(of.clone()), ..target });
            return;
        }
        let section = Field {
            kind: Kind::Section(BTreeMap::new()),
            nullable: false,
            secret: false,
            description: String::new(),
            default: None,
            alias: Some(Path::default()),
        };
        fields.entry(first.clone()).or_insert(section).alias(rest, of, target);
    }

    /// Whether it is a secret, or something below it may be.
    pub(super) fn guards_secrets(&self) -> bool {
        self.secret
            || match &self.kind {
                Kind::Section(fields) => fields.values().any(Field::guards_secrets),
                Kind::Map { value, .. } => matches!(value.kind, Kind::Any) || value.guards_secrets(),
                Kind::List(item) => item.guards_secrets(),
                _ => false,
            }
    }

    /// Whether it is a second name, or leads to second names only.
    pub(super) fn is_alias(&self) -> bool {
        self.alias.is_some()
    }

    /// Every key with its own name below this one: no section, no second name.
    pub(super) fn leaves(&self) -> Vec<(Path, &Field)> {
        let mut found = Vec::new();
        self.collect(&mut Path::default(), &mut found);
        found
    }

    fn collect<'s>(&'s self, at: &mut Path, found: &mut Vec<(Path, &'s Field)>) {
        match &self.kind {
            Kind::Section(fields) => {
                for (name, field) in fields.iter().filter(|(_, field)| !field.is_alias()) {
                    at.push(name);
                    field.collect(at, found);
                    at.pop();
                }
            }
            _ => found.push((at.clone(), self)),
        }
    }

    /// What may stand there, for a person: `a whole number from 1 to 100`.
    pub(super) fn expected(&self) -> String {
        let text = match &self.kind {
            Kind::Section(_) | Kind::Map { .. } => "a mapping".to_owned(),
            Kind::List(_) => "a list".to_owned(),
            Kind::Text(_) => "text".to_owned(),
            Kind::Bool => "true or false".to_owned(),
            Kind::Whole { least, most } => bounds("a whole number", *least, *most, i128::from(u64::MAX)),
            Kind::Number { least, most } => bounds("a number", *least, *most, f64::MAX),
            Kind::Choice(choice) => format!("one of {}", choice.words.join(", ")),
            Kind::Any => "any value".to_owned(),
        };
        if self.nullable { format!("{text}, or null") } else { text }
    }
}

/// Defaults are written as values are read: whole numbers without a fraction.
fn tidy(value: &Value) -> Value {
    value.as_f64().filter(|_| value.is_f64()).map_or_else(|| value.clone(), tidy_number)
}

fn bounds<T: PartialOrd + std::fmt::Display>(what: &str, least: T, most: T, endless: T) -> String {
    if most < endless {
        format!("{what} from {least} to {most}")
    } else {
        format!("{what} of at least {least}")
    }
}

/// `anyOf` of something and null.
fn beside_null(object: &Map<String, Value>) -> (&Map<String, Value>, bool) {
    let Some(Value::Array(either)) = object.get("anyOf") else { return (object, false) };
    match either.as_slice() {
        [Value::Object(one), null] | [null, Value::Object(one)] if null["type"] == "null" => (one, true),
        _ => (object, false),
    }
}

fn words(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn kind(object: &Map<String, Value>) -> (Kind, bool) {
    let (types, nullable): (Vec<&str>, bool) = match object.get("type") {
        Some(Value::String(one)) => (vec![one.as_str()], false),
        Some(many) => {
            let all: Vec<&str> = words(many).collect();
            let nullable = all.contains(&"null");
            (all.into_iter().filter(|name| *name != "null").collect(), nullable)
        }
        None => (Vec::new(), false),
    };
    let kind = match (types.as_slice(), object.get("enum")) {
        (["string"] | [], Some(list)) => Kind::Choice(Choice {
            words: words(list).map(str::to_owned).collect(),
            ignore_case: object.get("x-ignore-case").and_then(Value::as_bool).unwrap_or_default(),
            synonyms: object
                .get("x-synonyms")
                .and_then(|value| serde_json::from_value(value.clone()).ok())
                .unwrap_or_default(),
        }),
        (["string"], None) => Kind::Text(Names::read(object.get("x-name"))),
        (["boolean"], None) => Kind::Bool,
        (["integer"], None) => {
            let bound = |name| object.get(name).and_then(Value::as_f64).map(|bound| bound as i128);
            let (least, most) = width(object.get("format").and_then(Value::as_str));
            Kind::Whole { least: bound("minimum").unwrap_or(least), most: bound("maximum").unwrap_or(most) }
        }
        (["number"], None) => {
            let bound = |name| object.get(name).and_then(Value::as_f64);
            Kind::Number {
                least: bound("minimum").unwrap_or(f64::MIN),
                most: bound("maximum").unwrap_or(f64::MAX),
            }
        }
        (["array"], None) => {
            Kind::List(Box::new(object.get("items").map_or_else(|| Field::read(&Value::Null), Field::read)))
        }
        (["object"], None) => mapping(object),
        _ => Kind::Any,
    };
    (kind, nullable)
}

/// What fits in a type of Rust.
fn width(format: Option<&str>) -> (i128, i128) {
    match format {
        Some("int8") => (i8::MIN.into(), i8::MAX.into()),
        Some("int16") => (i16::MIN.into(), i16::MAX.into()),
        Some("int32") => (i32::MIN.into(), i32::MAX.into()),
        Some("int64" | "int") => (i64::MIN.into(), i64::MAX.into()),
        Some("uint8") => (0, u8::MAX.into()),
        Some("uint16") => (0, u16::MAX.into()),
        Some("uint32") => (0, u32::MAX.into()),
        Some("uint64" | "uint") => (0, u64::MAX.into()),
        _ => (i64::MIN.into(), u64::MAX.into()),
    }
}

fn mapping(object: &Map<String, Value>) -> Kind {
    if let Some(Value::Object(properties)) = object.get("properties") {
        let fields = properties.iter().map(|(name, schema)| (name.clone(), Field::read(schema)));
        return Kind::Section(fields.collect());
    }
    let mut value = object.get("additionalProperties").map_or_else(|| Field::read(&Value::Null), Field::read);
    if let Kind::Text(names) = &mut value.kind {
        *names = Names::read(object.get("x-values"));
    }
    Kind::Map { names: Names::read(object.get("x-names")), value: Box::new(value) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schema_says_what_may_stand_somewhere() {
        let check = |schema: Value, expected: &str| {
            assert_eq!(Field::read(&schema).expected(), expected, "{schema}");
        };
        check(json!({"type": "string"}), "text");
        check(json!({"type": ["string", "null"]}), "text, or null");
        check(json!({"type": "boolean"}), "true or false");
        check(json!({"type": "integer", "minimum": 1, "maximum": 9}), "a whole number from 1 to 9");
        check(json!({"type": "integer", "minimum": 0}), "a whole number of at least 0");
        check(json!({"type": "number", "minimum": 0.1}), "a number of at least 0.1");
        check(json!({"type": "array", "items": {"type": "string"}}), "a list");
        check(json!({"type": "object", "additionalProperties": {"type": "string"}}), "a mapping");
        check(json!({"type": "string", "enum": ["a", "b"]}), "one of a, b");
        check(json!({"anyOf": [{"enum": ["a"]}, {"type": "null"}]}), "one of a, or null");
        check(json!({"oneOf": [{"type": "string"}, {"type": "integer"}]}), "any value");
        check(json!(true), "any value");
    }

    #[test]
    fn a_choice_knows_its_synonyms() {
        let schema =
            json!({"enum": ["WARNING", "OFF"], "x-ignore-case": true, "x-synonyms": {"WARN": "WARNING"}});
        let Kind::Choice(choice) = Field::read(&schema).kind else { panic!("no choice") };
        let check = |given, expected| assert_eq!(choice.find(given), expected);
        check("warn", Some("WARNING"));
        check("off", Some("OFF"));
        check("wrn", None);
    }
}
