//! Which factories may be built (decision 9).
//!
//! What the operator names on the command line, in local settings or in code may use the schemes of
//! Oneiric; Python modules, foreign schemes and whatever a remote manifest says need an entry in the
//! allowlist. It is asked when a component is bound, and can stand in a gate as a [`Check`]. What the
//! built component may then do is bounded by its runtime.

use crate::environment::names::FACTORY_ALLOWLIST;
use crate::factory::{FactoryKind, SCHEMES};
use crate::gate::{Admission, Check, No, Permit, Step};
use crate::nearest::nearest;
use crate::{Descriptor, Source};

/// What is allowed where `ONEIRIC_FACTORY_ALLOWLIST` is unset; upstream's default.
const DEFAULT: &str = "oneiric.";

/// Python modules that are refused whatever the allowlist says: each is a way to run anything.
/// Upstream's list; here it covers what lies below them too (`os.path`).
const REFUSED_MODULES: [&str; 9] =
    ["os", "subprocess", "sys", "importlib", "__builtin__", "builtins", "shutil", "pathlib", "tempfile"];

/// The prefixes of factories that may be built.
///
/// An entry is a Python package or module (`oneiric.`, `shop.tasks`), a module with its attribute
/// (`shop.tasks:Charge`), a scheme (`exec:`) or a scheme with the beginning of what follows
/// (`exec:/opt/shop/`, `https://hooks.example.com`). Entries match whole words: `exec:sh` is not
/// `exec:shred`, `oneiric` is not `oneiricevil`, and no host goes on after the one that is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowlist(Vec<String>);

impl Default for Allowlist {
    fn default() -> Self {
        Self::parse(None)
    }
}

impl Allowlist {
    /// Reads the value of `ONEIRIC_FACTORY_ALLOWLIST`: entries with commas between them. Unset means
    /// `oneiric.`, set and empty means none.
    pub fn parse(value: Option<&str>) -> Self {
        let entries = value.unwrap_or(DEFAULT).split(',').map(str::trim);
        Self(entries.filter(|entry| !entry.is_empty()).map(str::to_owned).collect())
    }

    /// With further entries. One for a scheme narrows it to what is listed, as in the variable.
    #[must_use]
    pub fn and(mut self, entries: impl IntoIterator<Item = String>) -> Self {
        let entries = entries.into_iter().map(|entry| entry.trim().to_owned());
        self.0.extend(entries.filter(|entry| !entry.is_empty()));
        self
    }

    /// The entries, in the order given.
    pub fn entries(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether a candidate may be built.
    ///
    /// # Errors
    /// The reason, and what to set so that it may be, where anything helps.
    pub fn judge(&self, descriptor: &Descriptor) -> Result<(), String> {
        let factory = &descriptor.factory;
        let is_remote = match descriptor.source {
            Source::RemoteManifest(_) => true,
            Source::LocalManifest(_) | Source::Manual | Source::Linked(_) => false,
        };
        match factory.kind() {
            FactoryKind::Malformed => Err(format!(
                "`{factory}` is not a factory: expected `pkg.mod:Attr`, or a scheme such as `{}:`",
                SCHEMES.join(":`, `")
            )),
            FactoryKind::Python { module, attr } => self.judge_python(module, attr),
            FactoryKind::Name(name) if is_remote && !self.allows_module(name, None) => Err(format!(
                "factory `{name}` comes from a remote manifest and is not allowed{}",
                way_out(name)
            )),
            FactoryKind::Name(_) => Ok(()),
            FactoryKind::Scheme { scheme, rest } => self.judge_scheme(scheme, rest, is_remote),
        }
    }

    fn judge_python(&self, module: &str, attr: &str) -> Result<(), String> {
        let root = module.split('.').next().unwrap_or(module);
        if REFUSED_MODULES.contains(&root) {
            return Err(format!("factory `{module}:{attr}`: module `{root}` is never allowed"));
        }
        if self.allows_module(module, Some(attr)) {
            return Ok(());
        }
        let slip =
            nearest(module, SCHEMES).map_or(String::new(), |scheme| format!(" (did you mean `{scheme}:`?)"));
        Err(format!("python factory `{module}:{attr}` is not allowed{slip}{}", way_out(module)))
    }

    fn judge_scheme(&self, scheme: &str, rest: &str, is_remote: bool) -> Result<(), String> {
        let mut entries =
            self.0.iter().filter_map(|entry| entry.strip_prefix(scheme)?.strip_prefix(':')).peekable();
        let is_listed = entries.peek().is_some();
        if entries.any(|entry| matches_rest(scheme, entry.trim(), rest)) {
            return Ok(());
        }
        let is_foreign = !SCHEMES.contains(&scheme);
        let because = match (is_listed, is_remote, is_foreign) {
            (false, false, false) => return Ok(()),
            (true, ..) => format!("is outside of the entries for `{scheme}:`"),
            (false, true, _) => "comes from a remote manifest and is not allowed".to_owned(),
            (false, false, true) => {
                let known = SCHEMES.join(":`, `");
                format!("has a scheme that is not built in (built in are `{known}:`) and is not allowed")
            }
        };
        Err(format!("factory `{scheme}:{rest}` {because}{}", way_out(&format!("{scheme}:{rest}"))))
    }

    /// Whether an entry names the module, a package above it, or exactly this attribute of it.
    fn allows_module(&self, module: &str, attr: Option<&str>) -> bool {
        self.entries().any(|entry| match entry.split_once(':') {
            Some((allowed, name)) => {
                allowed.trim() == module && (name.trim().is_empty() || attr == Some(name.trim()))
            }
            None => {
                let package = entry.trim_end_matches('.');
                let below = module.strip_prefix(package);
                !package.is_empty() && below.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            }
        })
    }
}

fn way_out(entry: &str) -> String {
    format!("; to allow it, add `{entry}` to {FACTORY_ALLOWLIST}")
}

/// Whether what follows a scheme begins with an entry, and the entry ends where a word does.
fn matches_rest(scheme: &str, entry: &str, rest: &str) -> bool {
    // Behind a host only these begin something else: `.`, `@` and `:` would make it another host.
    let (every, separators): (&str, &[char]) = match scheme {
        "http" | "https" => ("//", &['/', '?', '#']),
        "builtin" => ("", &['.', '/']),
        _ => ("", &['/', ' ', '\t']),
    };
    if entry.is_empty() || entry == every || entry == rest {
        return true;
    }
    // `/opt/shop/../../bin/sh` begins with `/opt/shop/`; so does its escaped form to a URL parser.
    let plain = rest.to_ascii_lowercase().replace("%2e", ".");
    let climbs = plain.split(['/', '\\']).any(|part| part == "..");
    let names_something = entry.contains(|c: char| c != '/');
    rest.strip_prefix(entry).is_some_and(|more| {
        names_something && !climbs && (more.starts_with(separators) || entry.ends_with(separators))
    })
}

impl Check for Allowlist {
    fn step(&self) -> Step {
        Step::Trust
    }

    fn ask(&self, admission: &Admission<'_>) -> Result<Permit, No> {
        match admission.descriptor.map(|candidate| self.judge(candidate)) {
            Some(Err(reason)) => Err(No::never(reason)),
            Some(Ok(_)) | None => Ok(Permit::none()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Domain, Factory, Key, Provider};

    fn candidate(factory: &str, source: Source) -> Descriptor {
        let (key, provider) = (Key::new("k").unwrap(), Provider::new("p").unwrap());
        Descriptor::new(Domain::TASK, key, provider, Factory::new(factory), source)
    }

    fn local(allowlist: Option<&str>, factory: &str) -> Result<(), String> {
        Allowlist::parse(allowlist).judge(&candidate(factory, Source::LocalManifest("m".into())))
    }

    fn remote(allowlist: Option<&str>, factory: &str) -> Result<(), String> {
        Allowlist::parse(allowlist).judge(&candidate(factory, Source::RemoteManifest("m".into())))
    }

    #[test]
    fn a_local_manifest_may_name_the_schemes_a_remote_one_needs_the_allowlist() {
        let factories =
            ["builtin:echo", "exec:sh", "worker:w.py --fast", "process:web", "http://x", "https://x/y"];
        for factory in factories {
            assert_eq!(local(None, factory), Ok(()), "{factory}");
            assert_eq!(local(Some(""), factory), Ok(()), "{factory}");
            assert!(remote(None, factory).is_err(), "{factory}");
            assert_eq!(
                remote(Some("builtin:,exec:,worker:,process:,http:,https:"), factory),
                Ok(()),
                "{factory}"
            );
            assert_eq!(remote(Some(factory), factory), Ok(()), "{factory}");
        }
        for source in [Source::Manual, Source::Linked("shop".into())] {
            assert_eq!(Allowlist::default().judge(&candidate("exec:sh", source.clone())), Ok(()));
            assert_eq!(Allowlist::default().judge(&candidate("charge-card", source)), Ok(()));
        }
        assert!(remote(None, "charge-card").is_err());
        assert_eq!(remote(Some("charge-card"), "charge-card"), Ok(()));
    }

    #[test]
    fn python_prefixes_end_at_module_boundaries() {
        let check = |allowlist, factory, allowed: bool| {
            assert_eq!(local(allowlist, factory).is_ok(), allowed, "{allowlist:?} {factory}");
            assert_eq!(remote(allowlist, factory).is_ok(), allowed, "{allowlist:?} {factory}");
        };
        check(None, "oneiric.actions.task:Sleep", true);
        check(None, "oneiric:Thing", true);
        check(None, "oneiricevil.x:Y", false);
        check(None, "example.events:Handler", false);
        check(Some("oneiric"), "oneiricevil.x:Y", false);
        check(Some("oneiric"), "oneiric.x:Y", true);
        check(Some("example.events, shop"), "example.events.webhook:H", true);
        check(Some("example.events"), "example.eventsx:H", false);
        check(Some("example.events"), "example:H", false);
        check(Some("shop.tasks:Charge"), "shop.tasks : Charge", true);
        check(Some("shop.tasks:Charge"), "shop.tasks:Refund", false);
        check(Some("shop.tasks:Charge"), "shop.tasks.deep:Charge", false);
        check(Some(".,"), "shop.tasks:Charge", false);
        check(Some(""), "oneiric.x:Y", false);
    }

    #[test]
    fn some_modules_are_never_allowed() {
        for module in REFUSED_MODULES {
            let (factory, below) = (format!("{module}:x"), format!("{module}.deep:x"));
            for factory in [factory, below] {
                for allowlist in [module.to_owned(), factory.clone(), format!("{module}.")] {
                    assert!(local(Some(&allowlist), &factory).is_err(), "{allowlist} {factory}");
                }
            }
        }
    }

    #[test]
    fn entries_of_a_scheme_restrict_it() {
        let check = |allowlist, factory, allowed: bool| {
            assert_eq!(local(Some(allowlist), factory).is_ok(), allowed, "{allowlist} {factory}");
        };
        check("exec:sh", "exec:sh -c 'echo'", true);
        check("exec:sh", "exec:shred", false);
        check("exec:sh", "exec:sh.evil", false);
        check("exec:sh", "worker:w", true);
        check("process:/opt/shop/", "process:/opt/shop/gateway", true);
        check("process:/opt/shop/", "process:/bin/sh", false);
        check("exec:/opt/shop/", "exec:/opt/shop/charge --now", true);
        check("exec:/opt/shop", "exec:/opt/shop/charge", true);
        check("exec:/opt/shop", "exec:/opt/shopping", false);
        check("exec:/opt/shop/", "exec:/opt/shop/../../bin/sh", false);
        check("builtin:math", "builtin:math.add", true);
        check("builtin:math", "builtin:mathematica", false);
        check("oneiric.", "exec:sh", true);
    }

    #[test]
    fn an_entry_for_a_host_is_no_entry_for_another() {
        let check = |allowlist, factory, allowed: bool| {
            assert_eq!(remote(Some(allowlist), factory).is_ok(), allowed, "{allowlist} {factory}");
        };
        check("https://good.example", "https://good.example/hook", true);
        check("https://good.example", "https://good.example?x=1", true);
        check("https://good.example/a/", "https://good.example/a/b", true);
        check("https://good.example/a", "https://good.example/ab", false);
        check("https://good.example", "https://good.example.evil.example/", false);
        check("https://good.example", "https://good.example@evil.example/", false);
        check("https://good.example", "https://good.example:443@evil.example/", false);
        check("https://good.example", "https://good.example\\@evil.example/", false);
        check("https://good.example", "http://good.example/", false);
        check("https://good.example/a/", "https://good.example/a/%2E%2e/b", false);
        check("https://", "https://any.example/", true);
        check("https:/", "https://any.example/", false);
    }

    #[test]
    fn a_denial_says_what_to_set() {
        let check = |found: Result<(), String>, expected: &str| assert_eq!(found.unwrap_err(), expected);
        check(
            local(None, "shop.tasks:Charge"),
            "python factory `shop.tasks:Charge` is not allowed; to allow it, add `shop.tasks` to \
             ONEIRIC_FACTORY_ALLOWLIST",
        );
        check(
            local(None, "exce:sh"),
            "python factory `exce:sh` is not allowed (did you mean `exec:`?); to allow it, add `exce` to \
             ONEIRIC_FACTORY_ALLOWLIST",
        );
        check(
            remote(None, "exec:sh"),
            "factory `exec:sh` comes from a remote manifest and is not allowed; to allow it, add `exec:sh` to \
             ONEIRIC_FACTORY_ALLOWLIST",
        );
        check(
            local(None, "ftp://x"),
            "factory `ftp://x` has a scheme that is not built in (built in are `builtin:`, `exec:`, `worker:`, \
             `process:`, `http:`, `https:`) and is not allowed; to allow it, add `ftp://x` to ONEIRIC_FACTORY_ALLOWLIST",
        );
        check(local(None, "os:system"), "factory `os:system`: module `os` is never allowed");
        assert!(local(None, "exec:").unwrap_err().starts_with("`exec:` is not a factory"));
        assert_eq!(local(Some("ftp:"), "ftp://x"), Ok(()));
    }

    #[test]
    fn the_gate_denies_at_the_step_trust() {
        use crate::gate::{Pipeline, Purpose};
        let denied = candidate("os:system", Source::Manual);
        let admission = |descriptor| Admission {
            purpose: Purpose::Node,
            domain: &denied.domain,
            key: &denied.key,
            descriptor,
            run: None,
            deadline: None,
            now: crate::Timestamp::from_micros(0),
        };
        let gate = Pipeline::standard().with(Allowlist::default());
        assert_eq!(gate.decide(&admission(Some(&denied))).unwrap_err().step, Step::Trust);
        assert!(gate.decide(&admission(None)).is_ok());
    }
}
