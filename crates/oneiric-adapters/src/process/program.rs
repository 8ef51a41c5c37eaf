//! Finding the file that a factory names.

use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};
use oneiric_core::Fault;

/// Where a bare name is looked for when no `PATH` is set: what `execvp` does without one.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// The absolute path of a program.
///
/// With a `/` the name is a path, relative to the working folder of this process: made absolute, so that
/// a `cwd` of its own does not change which program runs. A bare name is looked up in `path`, whose
/// empty and relative entries are passed over, because they would mean a different program in every
/// folder.
///
/// # Errors
/// A permanent fault: `program-missing`, or `program-not-executable` for a file that may not be run.
pub(crate) fn locate(name: &str, path: Option<&str>) -> Result<PathBuf, Fault> {
    if name.contains('/') {
        let file = std::path::absolute(name).map_err(|error| missing(name, &error.to_string()))?;
        return match verdict(&file) {
            Verdict::Runs => Ok(file),
            Verdict::Absent => Err(missing(name, &format!("`{}` does not exist", file.display()))),
            Verdict::Refused => Err(not_executable(name, &file)),
        };
    }
    let path = path.unwrap_or(DEFAULT_PATH);
    let mut refused = None;
    for folder in path.split(':').map(Path::new).filter(|folder| folder.is_absolute()) {
        let file = folder.join(name);
        match verdict(&file) {
            Verdict::Runs => return Ok(file),
            Verdict::Refused => refused = refused.or(Some(file)),
            Verdict::Absent => {}
        }
    }
    Err(match refused {
        Some(file) => not_executable(name, &file),
        None => missing(name, &format!("it is in no folder of PATH ({path})")),
    })
}

enum Verdict {
    Runs,
    Refused,
    Absent,
}

fn verdict(file: &Path) -> Verdict {
    match file.metadata() {
        Err(_) => Verdict::Absent,
        Ok(found) if found.is_file() && access(file, AccessFlags::X_OK).is_ok() => Verdict::Runs,
        Ok(_) => Verdict::Refused,
    }
}

fn missing(name: &str, why: &str) -> Fault {
    Fault::permanent("program-missing", format!("no program `{name}`: {why}"))
}

fn not_executable(name: &str, file: &Path) -> Fault {
    Fault::permanent(
        "program-not-executable",
        format!("cannot run `{name}`: `{}` is not an executable file", file.display()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_name_is_found_in_absolute_folders_of_path_only() {
        assert_eq!(locate("sh", Some("/nowhere:/bin")).unwrap(), Path::new("/bin/sh"));
        assert!(locate("sh", None).is_ok());
        for path in ["", ":", "bin:.", "/nowhere"] {
            assert_eq!(locate("sh", Some(path)).unwrap_err().code, "program-missing", "{path}");
        }
    }

    #[test]
    fn a_path_is_taken_as_it_is() {
        assert_eq!(locate("/bin/sh", Some("")).unwrap(), Path::new("/bin/sh"));
        assert_eq!(locate("/bin/no-such", None).unwrap_err().code, "program-missing");
        assert_eq!(locate("/etc/passwd", None).unwrap_err().code, "program-not-executable");
        assert_eq!(locate("/bin/", None).unwrap_err().code, "program-not-executable");
        let here = locate("./Cargo.toml", None).unwrap_err();
        assert_eq!(here.code, "program-not-executable");
    }
}
