//! Which run is meant: ids are long, and nobody types 32 digits.

use oneiric_core::RunId;
use oneiric_runtime::Error;
use oneiric_store::{RunFilter, RunRecord, Store};

use crate::exit::Code;
use crate::failure::Failure;
use crate::wait::wait;

/// The fewest digits that name a run.
const FEWEST: usize = 4;

/// The most runs that are looked at for the end of an id: beginnings are found by index, ends are not.
const SCANNED: usize = 10_000;

/// Runs that are read at a time.
const PAGE: usize = 250;

/// The end of an id, which is what tells runs of one minute apart.
pub(crate) fn short(run: RunId) -> String {
    let id = run.to_string();
    id[id.len() - 8..].to_owned()
}

/// The run that is meant: an id, the beginning or the end of one, or `latest`.
pub(crate) fn find(store: Option<&dyn Store>, text: &str) -> Result<RunRecord, Failure> {
    let unknown = || Failure::from(Error::UnknownRun(format!("`{text}`")));
    if text == "latest" {
        let newest = store.map(|store| wait(store.runs(RunFilter::newest(1)))).transpose()?;
        return newest.and_then(|mut newest| newest.pop()).ok_or_else(|| {
            Failure::said(Code::Resolution, "there is no run yet")
                .help("`oneiric workflow run KEY` makes one; `--state-dir` names another state folder")
        });
    }
    let store = store.ok_or_else(unknown)?;
    let digits = digits(text).ok_or_else(|| {
        Failure::said(
            Code::Resolution,
            format!("`{text}` is no run: {FEWEST} to 32 hexadecimal digits or `latest` are"),
        )
        .help("`oneiric run list` shows the runs of this state folder")
    })?;
    if let Ok(id) = digits.parse::<RunId>() {
        return wait(store.run(id))?.ok_or_else(unknown);
    }
    let mut found = matching(store, &digits)?;
    match found.len() {
        0 => Err(unknown()),
        1 => Ok(found.swap_remove(0)),
        _ => {
            let ids: Vec<_> = found.iter().map(|run| run.id.to_string()).collect();
            Err(Failure::said(
                Code::Resolution,
                format!("`{text}` is the beginning or the end of several runs"),
            )
            .help(format!("write more digits of {}", ids.join(", "))))
        }
    }
}

/// The digits in lower case and without hyphens; `None` for what is no part of an id.
fn digits(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|c| *c != '-').map(|c| c.to_ascii_lowercase()).collect();
    let fits = (FEWEST..=32).contains(&digits.len()) && digits.chars().all(|c| c.is_ascii_hexdigit());
    fits.then_some(digits)
}

/// Up to three runs whose id begins or ends with `digits`.
fn matching(store: &dyn Store, digits: &str) -> Result<Vec<RunRecord>, Failure> {
    const ENOUGH: usize = 3;
    let filter = RunFilter { prefix: Some(digits.to_owned()), ..RunFilter::newest(ENOUGH) };
    let mut found = wait(store.runs(filter))?;
    let mut page = RunFilter::newest(PAGE);
    for _ in 0..SCANNED / PAGE {
        let runs = wait(store.runs(page.clone()))?;
        let Some(last) = runs.last() else { break };
        page.before = Some(last.id);
        for run in runs {
            if run.id.to_string().ends_with(digits) && found.iter().all(|known| known.id != run.id) {
                found.push(run);
            }
        }
        if found.len() >= ENOUGH {
            break;
        }
    }
    found.truncate(ENOUGH);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use oneiric_core::{Digest, Key, Payload, Timestamp};
    use oneiric_store::{Batch, MemoryStore, Op};

    use super::*;

    fn store(ids: &[&str]) -> MemoryStore {
        let store = MemoryStore::new();
        for id in ids {
            let key = Key::new("w").unwrap();
            let at = Timestamp::from_micros(0);
            let run = RunRecord::new(id.parse().unwrap(), key, Digest::of(b""), Payload::NULL, at);
            wait(store.commit(Batch::of([Op::InsertRun(Box::new(run))]))).unwrap();
        }
        store
    }

    #[test]
    fn a_run_is_found_by_either_end_of_its_id() {
        let (a, b) = ("019a0000000070008000000011112222", "019a0000000070008000000011113333");
        let store = store(&[a, b]);
        let check = |text: &str, expected: Result<&str, Code>| {
            let found = find(Some(&store), text).map(|run| run.id.to_string()).map_err(|error| error.code());
            assert_eq!(found, expected.map(str::to_owned), "{text}");
        };
        check(a, Ok(a));
        check("2222", Ok(a));
        check("11113333", Ok(b));
        check("019A0000-0000-7000-8000-000000001111-3333", Err(Code::Resolution));
        check("latest", Ok(b));
        check("019a", Err(Code::Resolution));
        check("4444", Err(Code::Resolution));
        check("22", Err(Code::Resolution));
        check("nonsense", Err(Code::Resolution));
        assert_eq!(short(a.parse().unwrap()), "11112222");
    }

    #[test]
    fn without_a_store_every_run_is_unknown() {
        assert_eq!(find(None, "latest").unwrap_err().code(), Code::Resolution);
    }
}
