//! The environment of a process: a short list passed on, and what the descriptor adds.

use std::collections::BTreeMap;

use oneiric_core::Environment;

/// The variables that a process inherits: what finds programs, files and a person's language, and
/// nothing that could be a secret. All else comes from the entry: `metadata.exec.env`.
///
/// `TERM` is left out because no process of ours has a terminal. The `LC_*` names are those of POSIX
/// and glibc.
pub const PASSED_ON: [&str; 21] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "TZ",
    "TMPDIR",
    "LANG",
    "LANGUAGE",
    "LC_ALL",
    "LC_ADDRESS",
    "LC_COLLATE",
    "LC_CTYPE",
    "LC_IDENTIFICATION",
    "LC_MEASUREMENT",
    "LC_MESSAGES",
    "LC_MONETARY",
    "LC_NAME",
    "LC_NUMERIC",
    "LC_PAPER",
    "LC_TELEPHONE",
    "LC_TIME",
];

/// Names and values.
pub(crate) type Variables = BTreeMap<String, String>;

/// What a process of one component starts with.
pub(crate) fn base(inherited: &dyn Environment, said: &Variables) -> Variables {
    let passed = PASSED_ON.iter().filter_map(|name| Some(((*name).to_owned(), inherited.get(name)?)));
    passed.chain(said.clone()).collect()
}

#[cfg(test)]
mod tests {
    use oneiric_core::environment::MapEnvironment;

    use super::*;

    #[test]
    fn only_the_list_is_inherited_and_the_descriptor_has_the_last_word() {
        let inherited =
            MapEnvironment::from_iter([("PATH", "/bin"), ("LC_TIME", "C"), ("AWS_SECRET_ACCESS_KEY", "x")]);
        let said = Variables::from([("PATH".to_owned(), "/opt/bin".to_owned())]);
        let variables = base(&inherited, &said);
        let flat: Vec<_> = variables.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(flat, [("LC_TIME", "C"), ("PATH", "/opt/bin")]);
    }
}
