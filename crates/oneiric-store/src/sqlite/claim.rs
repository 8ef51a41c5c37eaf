//! Claims inside of the write transaction: candidates by index, the decision by [`Claim::selects`].

use oneiric_core::{BootId, RunId};
use rusqlite::{Connection, params};

use super::error::Failure;
use super::{apply, event, row};
use crate::batch::Refusal;
use crate::claim::Claim;
use crate::failpoint;
use crate::record::run::RunRecord;

/// Buries the boots that the claim names (what they own is free for everybody from here on, so that their
/// row may end although the claim takes only some of it), then takes what it selects.
pub(super) fn claim(conn: &Connection, claim: &Claim) -> Result<Vec<RunRecord>, Failure> {
    for boot in &claim.dead {
        bury(conn, *boot)?;
    }
    for silent in &claim.silent {
        let unchanged = conn
            .prepare_cached("SELECT 1 FROM boots WHERE id = ?1 AND beat = ?2 AND ended_at IS NULL")?
            .exists(params![silent.boot.as_bytes(), silent.beat as i64])?;
        if unchanged {
            bury(conn, silent.boot)?;
        }
    }
    failpoint::reach("claim.buried");
    if has_ended(conn, claim.boot)? {
        return Err(Refusal::BootEnded(claim.boot).into());
    }
    let mut taken = Vec::new();
    for id in candidates(conn, claim)? {
        if taken.len() == claim.limit {
            break;
        }
        if let Some(run) = row::run_by_id(conn, id)?.filter(|run| claim.selects(run)) {
            taken.push(take(conn, run, claim.boot)?);
        }
    }
    if !taken.is_empty() {
        // Who begins to own something is watched from a beat that nobody has seen before.
        conn.prepare_cached("UPDATE boots SET beat = beat + 1 WHERE id = ?1")?
            .execute([claim.boot.as_bytes()])?;
    }
    failpoint::reach("claim.taken");
    Ok(taken)
}

pub(super) fn has_ended(conn: &Connection, boot: BootId) -> rusqlite::Result<bool> {
    conn.prepare_cached("SELECT 1 FROM boots WHERE id = ?1 AND ended_at IS NOT NULL")?
        .exists([boot.as_bytes()])
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

/// Ends a boot's row at its last sign of life, frees what it owns and counts its death there.
pub(super) fn bury(conn: &Connection, boot: BootId) -> rusqlite::Result<()> {
    conn.prepare_cached("UPDATE runs SET deaths = deaths + 1 WHERE owner = ?1")?
        .execute([boot.as_bytes()])?;
    event::count_death(conn, boot)?;
    part(conn, boot)
}

/// Frees what a boot owns and ends its row.
pub(super) fn part(conn: &Connection, boot: BootId) -> rusqlite::Result<()> {
    apply::disown(conn, boot)?;
    conn.prepare_cached("UPDATE boots SET ended_at = beat_at WHERE id = ?1 AND ended_at IS NULL")?
        .execute([boot.as_bytes()])?;
    Ok(())
}

/// The oldest runs that may be free.
fn candidates(conn: &Connection, claim: &Claim) -> rusqlite::Result<Vec<RunId>> {
    if let Some(run) = claim.run {
        return Ok(vec![run]);
    }
    let limit = i64::try_from(claim.limit).unwrap_or(i64::MAX);
    let id = |row: &rusqlite::Row<'_>| row.get(0).map(RunId::from_bytes);
    conn.prepare_cached("SELECT id FROM runs WHERE owner IS NULL AND status IN (0, 1) ORDER BY id LIMIT ?1")?
        .query_map([limit], id)?
        .collect()
}
