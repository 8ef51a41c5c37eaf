//! Claims inside of the write transaction: candidates by index, the decision by [`Claim::selects`].

use oneiric_core::{BootId, RunId};
use rusqlite::{Connection, params};

use super::error::Failure;
use super::row;
use crate::claim::Claim;
use crate::record::run::RunRecord;

/// Takes what the claim selects, and buries the dead whom it names: what they own is free for
/// everybody from here on, so that their row may end although the claim took only some of it.
pub(super) fn claim(conn: &Connection, claim: &Claim) -> Result<Vec<RunRecord>, Failure> {
    let mut taken = Vec::new();
    for id in candidates(conn, claim)? {
        if taken.len() == claim.limit {
            break;
        }
        if let Some(run) = row::run_by_id(conn, id)?.filter(|run| claim.selects(run)) {
            taken.push(take(conn, run, claim.boot)?);
        }
    }
    for boot in &claim.dead {
        bury(conn, *boot)?;
    }
    Ok(taken)
}

fn take(conn: &Connection, mut run: RunRecord, boot: BootId) -> rusqlite::Result<RunRecord> {
    run.state.owner = Some(boot);
    run.state.epoch += 1;
    conn.prepare_cached("UPDATE runs SET owner = ?2, epoch = ?3 WHERE id = ?1")?.execute(params![
        run.id.as_bytes(),
        boot.as_bytes(),
        run.state.epoch as i64
    ])?;
    Ok(run)
}

/// Frees what a boot owns and ends its row at its last sign of life.
pub(super) fn bury(conn: &Connection, boot: BootId) -> rusqlite::Result<()> {
    conn.prepare_cached("UPDATE runs SET owner = NULL WHERE owner = ?1")?.execute([boot.as_bytes()])?;
    conn.prepare_cached("UPDATE boots SET ended_at = beat_at WHERE id = ?1 AND ended_at IS NULL")?
        .execute([boot.as_bytes()])?;
    Ok(())
}

/// The oldest runs that may be free, at most a limit's worth of each owner.
fn candidates(conn: &Connection, claim: &Claim) -> rusqlite::Result<Vec<RunId>> {
    if let Some(run) = claim.run {
        return Ok(vec![run]);
    }
    let limit = i64::try_from(claim.limit).unwrap_or(i64::MAX);
    let id = |row: &rusqlite::Row<'_>| row.get(0).map(RunId::from_bytes);
    let mut found = conn
        .prepare_cached("SELECT id FROM runs WHERE owner IS NULL AND status IN (0, 1) ORDER BY id LIMIT ?1")?
        .query_map([limit], id)?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let mut owned = conn
        .prepare_cached("SELECT id FROM runs WHERE owner = ?1 AND status IN (0, 1) ORDER BY id LIMIT ?2")?;
    for owner in &claim.dead {
        let rows = owned.query_map(params![owner.as_bytes(), limit], id)?;
        for run in rows {
            found.push(run?);
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}
