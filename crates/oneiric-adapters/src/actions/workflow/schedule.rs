//! Which steps run together: batches in the order of their dependencies.

use std::collections::{HashMap, VecDeque};

/// A step and what it waits for. Every dependency names a step of the list.
pub(super) struct Waiting<'a> {
    pub(super) id: &'a str,
    pub(super) depends_on: &'a [String],
}

/// Batches of at most `width` steps; a step comes after everything it depends on. Ready steps are taken
/// in alphabetical order, those that became ready earlier first. `None` where there is a cycle.
///
/// Linear in steps and dependencies, but for the sorting.
pub(super) fn batches(steps: &[Waiting<'_>], width: usize) -> Option<Vec<Vec<String>>> {
    let mut open: HashMap<&str, usize> = HashMap::with_capacity(steps.len());
    let mut dependents: HashMap<&str, Vec<&str>> = HashMap::new();
    for step in steps {
        open.insert(step.id, step.depends_on.len());
        for dependency in step.depends_on {
            dependents.entry(dependency).or_default().push(step.id);
        }
    }
    let mut first: Vec<&str> =
        steps.iter().filter(|step| step.depends_on.is_empty()).map(|step| step.id).collect();
    first.sort_unstable();
    let mut ready = VecDeque::from(first);
    let (mut schedule, mut placed) = (Vec::new(), 0);
    while !ready.is_empty() {
        let batch: Vec<&str> = ready.drain(..width.min(ready.len())).collect();
        placed += batch.len();
        let mut released = Vec::new();
        for done in &batch {
            for &dependent in dependents.get(done).into_iter().flatten() {
                let left = open.get_mut(dependent).expect("every step has its count");
                *left -= 1;
                if *left == 0 {
                    released.push(dependent);
                }
            }
        }
        released.sort_unstable();
        ready.extend(released);
        schedule.push(batch.into_iter().map(str::to_owned).collect());
    }
    (placed == steps.len()).then_some(schedule)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(steps: &[(&str, &[&str])], width: usize, expected: Option<&[&[&str]]>) {
        let depends: Vec<Vec<String>> =
            steps.iter().map(|(_, on)| on.iter().map(|&on| on.to_owned()).collect()).collect();
        let waiting: Vec<Waiting<'_>> =
            steps.iter().zip(&depends).map(|((id, _), depends_on)| Waiting { id, depends_on }).collect();
        let found = batches(&waiting, width);
        let expected = expected.map(|batches| batches.iter().map(|batch| batch.to_vec()).collect::<Vec<_>>());
        assert_eq!(
            found,
            expected.map(|b| b.into_iter().map(|b| b.into_iter().map(str::to_owned).collect()).collect())
        );
    }

    #[test]
    fn steps_come_after_what_they_depend_on() {
        check(&[], 4, Some(&[]));
        check(&[("b", &["a"]), ("a", &[])], 4, Some(&[&["a"], &["b"]]));
        check(&[("c", &[]), ("b", &[]), ("a", &[])], 2, Some(&[&["a", "b"], &["c"]]));
        // What became ready later waits behind what was ready before, whatever its name.
        check(&[("z", &[]), ("y", &[]), ("a", &["y"])], 1, Some(&[&["y"], &["z"], &["a"]]));
        check(&[("a", &["b"]), ("b", &["a"]), ("c", &[])], 4, None);
    }
}
