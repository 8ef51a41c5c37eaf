//! What it means that a program could not be started.

use std::io;

use oneiric_core::Fault;

/// The program could not be started, although it was seen to exist.
pub(crate) fn refused(name: &str, error: &io::Error) -> Fault {
    let message = format!("cannot start `{name}`: {error}");
    match error.kind() {
        // The interpreter that a script names in its first line is the usual reason.
        io::ErrorKind::NotFound => Fault::permanent("program-missing", message),
        io::ErrorKind::PermissionDenied => Fault::permanent("program-not-executable", message),
        io::ErrorKind::ArgumentListTooLong | io::ErrorKind::InvalidInput => {
            Fault::permanent("spawn", message)
        }
        _ if error.raw_os_error() == Some(nix::libc::ENOEXEC) => {
            Fault::permanent("program-not-executable", message)
        }
        // Out of processes, of memory or of descriptors, or the file is being written: all of it passes.
        _ => unless_torn_down(error, || Fault::transient("spawn", message)),
    }
}

/// A runtime that is dropped under a call fails its pipes: the call was not judged at all.
pub(crate) fn unless_torn_down(error: &io::Error, fault: impl FnOnce() -> Fault) -> Fault {
    if tokio::runtime::is_rt_shutdown_err(error) {
        Fault::shutdown("the runtime was dropped during the call")
    } else {
        fault()
    }
}
