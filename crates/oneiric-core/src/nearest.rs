//! "Did you mean ...?"

/// The name in `known` that `given` was most likely meant to be.
///
/// Nearest by Damerau-Levenshtein distance (optimal string alignment), case ignored; `None` where
/// even the nearest differs in more than a third of its letters, because a wild guess misleads.
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A hostile name must not cost quadratic time.
    const LONGEST: usize = 100;
    if given.len() > LONGEST {
        return None;
    }
    let given = given.to_lowercase();
    known
        .into_iter()
        .filter(|name| name.len() <= LONGEST)
        .map(|name| (distance(&given, &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= 1.max(name.chars().count().max(given.chars().count()) / 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = [vec![0; b.len() + 1], (0..=b.len()).collect::<Vec<_>>(), vec![0; b.len() + 1]];
    for i in 1..=a.len() {
        let [before, last, row] = &mut rows;
        row[0] = i;
        for j in 1..=b.len() {
            let change = usize::from(a[i - 1] != b[j - 1]);
            row[j] = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + change);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        rows.rotate_left(1);
    }
    rows[1][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested_and_a_wild_guess_is_not() {
        let known = ["depends_on", "payload", "retry_policy"];
        let check = |given, expected| assert_eq!(nearest(given, known), expected, "{given}");
        check("depend_on", Some("depends_on"));
        check("payolad", Some("payload"));
        check("RETRY-POLICY", Some("retry_policy"));
        check("frobnicate", None);
        assert_eq!(nearest("ab", []), None);
    }
}
