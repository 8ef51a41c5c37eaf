//! Priorities of packages, as the environment states them.

use std::collections::BTreeMap;

/// What a path says about the priority of what lies under it, strongest claim first (upstream's
/// table). The first folder name found counts, less one for each part of the path, up to ten.
const PATH_HINTS: [(&str, i32); 6] =
    [("adapters", 80), ("services", 70), ("tasks", 60), ("events", 60), ("workflows", 60), ("vendor", 90)];

/// The priorities of packages by name: the value of `ONEIRIC_STACK_ORDER`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StackOrder(BTreeMap<String, i32>);

/// An item of `ONEIRIC_STACK_ORDER` that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StackOrderError {
    /// The text behind the colon is no integer of 32 bits.
    #[error("`{item}` in ONEIRIC_STACK_ORDER: `{value}` is not an integer; expected `name:10` or `name`")]
    NotAnInteger {
        /// The item as written.
        item: String,
        /// What stands behind the colon.
        value: String,
    },
    /// There is no name in front of the colon.
    #[error("`{item}` in ONEIRIC_STACK_ORDER has no name in front of the colon")]
    NoName {
        /// The item as written.
        item: String,
    },
}

impl StackOrder {
    /// Reads a comma separated list of `name:priority` and bare `name`. A bare name gets ten times
    /// the number of names before it, so that later names win: `base,team,site:500` is 0, 10, 500.
    /// Empty items are skipped; of two items with one name the later counts.
    ///
    /// # Errors
    /// [`StackOrderError`] names the item.
    pub fn parse(text: &str) -> Result<Self, StackOrderError> {
        let mut order = BTreeMap::new();
        for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            let (name, priority) = match item.split_once(':') {
                None => (item, i32::try_from(order.len()).unwrap_or(i32::MAX).saturating_mul(10)),
                Some((name, value)) => {
                    let value = value.trim();
                    let priority = value.parse().map_err(|_| StackOrderError::NotAnInteger {
                        item: item.to_owned(),
                        value: value.to_owned(),
                    })?;
                    (name.trim(), priority)
                }
            };
            if name.is_empty() {
                return Err(StackOrderError::NoName { item: item.to_owned() });
            }
            order.insert(name.to_owned(), priority);
        }
        Ok(Self(order))
    }

    /// The priority of a candidate that states none: of its package by exact name, otherwise what
    /// its path hints at, otherwise 0.
    pub fn infer_priority(&self, package: Option<&str>, path: Option<&str>) -> i32 {
        if let Some(priority) = package.and_then(|package| self.0.get(package)) {
            return *priority;
        }
        let Some(path) = path else { return 0 };
        // As Python counts them: the leading slash is a part.
        let root = usize::from(path.starts_with('/'));
        let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        let depth = i32::try_from((parts.len() + root).min(10)).unwrap_or(10);
        PATH_HINTS.iter().find(|(folder, _)| parts.contains(folder)).map_or(0, |(_, most)| most - depth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_bare_names_win_and_numbers_are_taken_as_written() {
        let check = |text, expected: &[(&str, i32)]| {
            let order = StackOrder::parse(text).unwrap();
            for (name, priority) in expected {
                assert_eq!(order.infer_priority(Some(name), None), *priority, "{text}: {name}");
            }
        };
        check("base,team,site", &[("base", 0), ("team", 10), ("site", 20), ("base.sub", 0)]);
        check(" base : 500 , team ,, ", &[("base", 500), ("team", 10)]);
        check("base:-5", &[("base", -5)]);
        check("", &[("base", 0)]);
    }

    #[test]
    fn a_bad_item_is_named() {
        let check = |text, expected: &str| {
            assert_eq!(StackOrder::parse(text).unwrap_err().to_string(), expected);
        };
        check(
            "a,b:high",
            "`b:high` in ONEIRIC_STACK_ORDER: `high` is not an integer; expected `name:10` or `name`",
        );
        check(":5", "`:5` in ONEIRIC_STACK_ORDER has no name in front of the colon");
    }

    #[test]
    fn a_path_hints_where_no_package_is_named() {
        let order = StackOrder::parse("app:7").unwrap();
        let check = |path, expected| assert_eq!(order.infer_priority(None, Some(path)), expected, "{path}");
        check("oneiric/adapters/cache", 77);
        check("/opt/oneiric/adapters", 76);
        check("a/b/c/d/e/f/g/h/i/j/k/tasks", 50);
        check("src/lib", 0);
        assert_eq!(order.infer_priority(Some("app"), Some("x/adapters")), 7);
    }
}
