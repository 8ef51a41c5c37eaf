//! Which roles a component plays, from its domain and from what the other side has.

use oneiric_core::{Domain, Fault};

use super::Role;

/// The roles of a component of `domain`, given what the other side `offered`.
///
/// A task, an action and an event handler play that role and must offer it. A component of any other
/// domain is an action, and a task too, where it offers them; it may offer nothing.
///
/// # Errors
/// The permanent fault `missing-role`, so that it is found when the component is loaded.
pub(crate) fn played(name: &str, domain: &Domain, offered: &[Role]) -> Result<Vec<Role>, Fault> {
    let known = [(Domain::TASK, Role::Task), (Domain::ACTION, Role::Action), (Domain::EVENT, Role::Event)];
    match known.iter().find(|(of, _)| of == domain) {
        Some((_, role)) if offered.contains(role) => Ok(vec![*role]),
        Some((_, role)) => {
            let offers = match offered {
                [] => "offers no role".to_owned(),
                some => {
                    let names: Vec<_> = some.iter().map(|role| role.name()).collect();
                    format!("offers {} only", names.join(" and "))
                }
            };
            let message = format!("`{name}` {offers}; domain `{domain}` needs {}", role.name());
            Err(Fault::permanent("missing-role", message))
        }
        None => Ok([Role::Action, Role::Task].into_iter().filter(|role| offered.contains(role)).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_domain_decides_among_what_is_offered() {
        let check = |domain: &str, offered: &[Role], expected: Result<&[Role], &str>| {
            let found = played("w", &Domain::new(domain).unwrap(), offered);
            let found = found.as_deref().map_err(|fault| fault.message.as_str());
            assert_eq!(found, expected, "{domain} {offered:?}");
        };
        check("task", &Role::ALL, Ok(&[Role::Task]));
        check("event", &Role::ALL, Ok(&[Role::Event]));
        check("action", &[Role::Action], Ok(&[Role::Action]));
        check("adapter", &Role::ALL, Ok(&[Role::Action, Role::Task]));
        check("invoice", &[Role::Task], Ok(&[Role::Task]));
        check("service", &[Role::Event], Ok(&[]));
        check("task", &[Role::Event], Err("`w` offers event only; domain `task` needs task"));
        check("event", &[], Err("`w` offers no role; domain `event` needs event"));
    }
}
