//! A batch against the tables: preconditions first, then the changes in order. Runs inside of a
//! transaction that the caller opened, and leaves undoing to it.

use oneiric_core::{BootId, Digest, RunId, Timestamp};
use rusqlite::{Connection, ErrorCode, OptionalExtension, params};

use super::code;
use super::encode::{Encoded, Stored, Write};
use super::error::Failure;
use super::{event, row};
use crate::batch::{Refusal, Require};
use crate::record::activity::ActivityRecord;
use crate::record::blob::Blob;
use crate::record::boot::BootRecord;
use crate::record::journal::JournalEntry;
use crate::record::run::{RunRecord, RunState};

pub(super) fn batch(conn: &Connection, batch: &Encoded) -> Result<(), Failure> {
    batch.require.iter().try_for_each(|require| check(conn, require))?;
    batch.writes.iter().try_for_each(|write| apply(conn, write))
}

fn check(conn: &Connection, require: &Require) -> Result<(), Failure> {
    match require {
        Require::RunAbsent(run) => match epoch(conn, *run)? {
            None => Ok(()),
            Some(_) => Err(Refusal::RunExists(*run).into()),
        },
        Require::RunEpoch { run, epoch: held } => match epoch(conn, *run)? {
            None => Err(Refusal::RunMissing(*run).into()),
            Some(found) if found == *held => Ok(()),
            Some(found) => Err(Refusal::StaleEpoch { run: *run, held: *held, found }.into()),
        },
        Require::RunOpen(run) => {
            let status = conn
                .prepare_cached("SELECT status FROM runs WHERE id = ?1")?
                .query_row([run.as_bytes()], |row| row.get::<_, i64>(0))
                .optional()?;
            match status.map(code::run_status) {
                None => Err(Refusal::RunMissing(*run).into()),
                Some(Some(status)) if status.is_terminal() => {
                    Err(Refusal::RunOver { run: *run, status }.into())
                }
                Some(_) => Ok(()),
            }
        }
        Require::BootOpen(boot) => {
            let open = conn
                .prepare_cached("SELECT 1 FROM boots WHERE id = ?1 AND ended_at IS NULL")?
                .exists([boot.as_bytes()])?;
            if open { Ok(()) } else { Err(Refusal::BootEnded(*boot).into()) }
        }
        Require::Activity(said) => {
            let found = row::activity(conn, &said.domain, &said.key)?;
            if found.as_ref() == Some(said).filter(|said| !said.is_default()) {
                return Ok(());
            }
            Err(Refusal::ActivityChanged { domain: said.domain.clone(), key: said.key.clone() }.into())
        }
        Require::BlobPresent(digest) => {
            let found =
                conn.prepare_cached("SELECT 1 FROM blobs WHERE digest = ?1")?.exists([digest.as_bytes()])?;
            if found { Ok(()) } else { Err(Refusal::BlobMissing(*digest).into()) }
        }
        Require::EventAbsent(id) => {
            if event::is_known(conn, id)? {
                Err(Refusal::EventExists(id.clone()).into())
            } else {
                Ok(())
            }
        }
        Require::DeliveryEpoch { event, handler, epoch } => event::check_epoch(conn, event, handler, *epoch),
        Require::DeliveryAbsent { event, handler } => event::check_absent(conn, event, handler),
        Require::EventSettled(event) => event::check_settled(conn, event),
        Require::ExtensionVersion { family, key, version } => {
            let found = conn
                .prepare_cached(
                    "SELECT version FROM extensions WHERE family = ?1 AND key = ?2 AND value IS NOT NULL",
                )?
                .query_row([family, key], |row| row.get::<_, i64>(0))
                .optional()?
                .map(|version| version as u64);
            if found == *version {
                return Ok(());
            }
            let (family, key) = (family.clone(), key.clone());
            Err(Refusal::Version { family, key, expected: *version, found }.into())
        }
    }
}

fn epoch(conn: &Connection, run: RunId) -> rusqlite::Result<Option<u64>> {
    conn.prepare_cached("SELECT epoch FROM runs WHERE id = ?1")?
        .query_row([run.as_bytes()], |row| row.get::<_, i64>(0))
        .optional()
        .map(|epoch| epoch.map(|epoch| epoch as u64))
}

fn apply(conn: &Connection, write: &Write) -> Result<(), Failure> {
    match write {
        Write::InsertRun { record, input, options, fault } => {
            insert_run(conn, record, input, options, fault.as_deref())
        }
        Write::SetRun { run, state, fault } => Ok(set_run(conn, *run, state, fault.as_deref())?),
        Write::SetNode { row, fault } => {
            // A run that is not there has no number, and so its rows are dropped.
            conn.prepare_cached(
                "INSERT OR REPLACE INTO nodes
                   (run, node, name, status, attempt, deaths, input_hash, started_at, ended_at, wake_at, skip,
                    fault)
                 SELECT n, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12 FROM runs WHERE id = ?1",
            )?
            .execute(params![
                row.run.as_bytes(),
                row.node,
                row.name.as_str(),
                code::node(row.status),
                row.attempt,
                row.deaths,
                row.input_hash.as_ref().map(|hash| hash.as_bytes()),
                micros(row.started_at),
                micros(row.ended_at),
                micros(row.wake_at),
                row.skip.map(code::skip),
                fault,
            ])?;
            Ok(())
        }
        Write::PutCheckpoint { checkpoint, output } => {
            let (text, large) = put(conn, output)?;
            conn.prepare_cached(
                "INSERT INTO checkpoints (run, node, input_hash, output, output_blob, at)
                 SELECT n, ?2, ?3, ?4, ?5, ?6 FROM runs WHERE id = ?1 ON CONFLICT DO NOTHING",
            )?
            .execute(params![
                checkpoint.run.as_bytes(),
                checkpoint.node,
                checkpoint.input_hash.as_bytes(),
                text,
                large,
                checkpoint.at.as_micros(),
            ])?;
            Ok(())
        }
        Write::Append { entry, event } => append(conn, entry, event),
        Write::SetBoot(boot) => Ok(set_boot(conn, boot)?),
        Write::Beat { boot, at } => {
            conn.prepare_cached("UPDATE boots SET beat = beat + 1, beat_at = ?2 WHERE id = ?1")?
                .execute(params![boot.as_bytes(), at.as_micros()])?;
            Ok(())
        }
        Write::Disown(boot) => Ok(disown(conn, *boot)?),
        Write::Release(run) => {
            conn.prepare_cached("UPDATE runs SET owner = NULL, epoch = epoch + 1 WHERE id = ?1")?
                .execute([run.as_bytes()])?;
            Ok(())
        }
        Write::PutCommand { record, command } => {
            conn.prepare_cached(
                "INSERT INTO commands (run, id, at, actor, command)
                 SELECT n, ?2, ?3, ?4, ?5 FROM runs WHERE id = ?1 ON CONFLICT DO NOTHING",
            )?
            .execute(params![
                record.run.as_bytes(),
                record.id.to_be_bytes(),
                record.at.as_micros(),
                record.actor,
                command
            ])?;
            Ok(())
        }
        Write::DropCommand { run, id } => {
            conn.prepare_cached(
                "DELETE FROM commands WHERE id = ?2 AND run = (SELECT n FROM runs WHERE id = ?1)",
            )?
            .execute(params![run.as_bytes(), id.to_be_bytes()])?;
            Ok(())
        }
        Write::DropCommands(run) => {
            conn.prepare_cached("DELETE FROM commands WHERE run = (SELECT n FROM runs WHERE id = ?1)")?
                .execute([run.as_bytes()])?;
            Ok(())
        }
        Write::SetActivity(record) => Ok(set_activity(conn, record)?),
        Write::PutEnvelope { record, head, payload } => event::put_envelope(conn, record, head, payload),
        Write::PutDelivery { record, value, fault } => {
            event::put_delivery(conn, record, value, fault.as_deref())
        }
        Write::SetDelivery { event, handler, state, value, fault, only } => {
            event::set_delivery(conn, (event, handler), state, *only, value, fault.as_deref())
        }
        Write::RenewDelivery { record, value, fault } => {
            event::renew_delivery(conn, record, value, fault.as_deref())
        }
        Write::ReleaseDelivery { event, handler } => Ok(event::release(conn, event, handler)?),
        Write::DropEnvelope(event) => Ok(event::drop_envelope(conn, event)?),
        Write::Blob(blob) => Ok(put_blob(conn, blob)?),
        Write::Extension(extension) => {
            conn.prepare_cached(
                "INSERT INTO extensions (family, key, version, value, at) VALUES (?1, ?2, 1, ?3, ?4)
                 ON CONFLICT (family, key) DO UPDATE
                 SET version = version + 1, value = excluded.value, at = excluded.at",
            )?
            .execute(params![
                extension.family,
                extension.key,
                extension.value,
                extension.at.as_micros()
            ])?;
            Ok(())
        }
    }
}

fn insert_run(
    conn: &Connection,
    run: &RunRecord,
    input: &Stored,
    options: &str,
    fault: Option<&str>,
) -> Result<(), Failure> {
    let inserted = conn
        .prepare_cached(
            "INSERT INTO runs (id, tenant, workflow, status, owner, epoch, wake_at, priority, deadline,
               created_at, started_at, ended_at, bundle, parent, actor, \"trigger\", correlation,
               traceparent, fault, schema, deaths, deadline_now)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20,
               ?21, ?22)",
        )?
        .insert(params![
            run.id.as_bytes(),
            run.tenant,
            run.workflow.as_str(),
            code::run(run.state.status),
            run.state.owner.as_ref().map(|owner| owner.as_bytes()),
            run.state.epoch as i64,
            micros(run.state.wake_at),
            run.priority,
            micros(run.deadline),
            run.created_at.as_micros(),
            micros(run.state.started_at),
            micros(run.state.ended_at),
            run.bundle.as_bytes(),
            run.parent.as_ref().map(|parent| parent.as_bytes()),
            run.actor,
            run.trigger,
            run.correlation,
            run.traceparent,
            fault,
            run.schema,
            run.state.deaths,
            micros(run.state.deadline),
        ]);
    let n = match inserted {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
            return Err(Refusal::RunExists(run.id).into());
        }
        other => other?,
    };
    let (text, large) = put(conn, input)?;
    conn.prepare_cached("INSERT INTO run_inputs (run, input, input_blob, options) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![n, text, large, options])?;
    Ok(())
}

fn set_run(conn: &Connection, run: RunId, state: &RunState, fault: Option<&str>) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "UPDATE runs SET status = ?2, owner = ?3, wake_at = ?4, started_at = ?5, ended_at = ?6, fault = ?7,
           deaths = ?8, deadline_now = ?9
         WHERE id = ?1",
    )?
    .execute(params![
        run.as_bytes(),
        code::run(state.status),
        state.owner.as_ref().map(|owner| owner.as_bytes()),
        micros(state.wake_at),
        micros(state.started_at),
        micros(state.ended_at),
        fault,
        state.deaths,
        micros(state.deadline),
    ])
    .map(|_| ())
}

/// Frees what a boot owns. The fences rise with it: what the boot still has on its way is refused.
pub(super) fn disown(conn: &Connection, boot: BootId) -> rusqlite::Result<()> {
    conn.prepare_cached("UPDATE runs SET owner = NULL, epoch = epoch + 1 WHERE owner = ?1")?
        .execute([boot.as_bytes()])?;
    event::disown(conn, boot)
}

fn set_activity(conn: &Connection, record: &ActivityRecord) -> rusqlite::Result<()> {
    if record.is_default() {
        return conn
            .prepare_cached("DELETE FROM activity WHERE domain = ?1 AND key = ?2")?
            .execute(params![record.domain.name(), record.key.as_str()])
            .map(|_| ());
    }
    conn.prepare_cached(
        "INSERT OR REPLACE INTO activity (domain, key, paused, draining, note, at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        record.domain.name(),
        record.key.as_str(),
        record.paused,
        record.draining,
        record.note,
        record.at.as_micros(),
    ])
    .map(|_| ())
}

fn append(conn: &Connection, entry: &JournalEntry, event: &str) -> Result<(), Failure> {
    let last = conn
        .prepare_cached(
            "SELECT r.n, j.seq, j.link FROM runs r LEFT JOIN journal j ON j.run = r.n
             WHERE r.id = ?1 ORDER BY j.seq DESC LIMIT 1",
        )?
        .query_row([entry.run.as_bytes()], |row| {
            let link = row.get::<_, Option<_>>(2)?.map(Digest::from_bytes);
            Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?.unwrap_or(0), link))
        })
        .optional()?;
    // Rows of a run that is not there have nowhere to be.
    let Some((run, last, before)) = last else { return Ok(()) };
    let next = last as u64 + 1;
    if entry.seq != next {
        return Err(Refusal::OutOfSequence { run: entry.run, seq: entry.seq, next }.into());
    }
    conn.prepare_cached(
        "INSERT INTO journal (run, seq, at, epoch, event, link) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        run,
        entry.seq as i64,
        entry.at.as_micros(),
        entry.epoch as i64,
        event,
        entry.link(before.as_ref(), event).as_bytes(),
    ])?;
    Ok(())
}

pub(super) fn set_boot(conn: &Connection, boot: &BootRecord) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "INSERT INTO boots (id, host, pid, started_at, beat_at, ended_at, beat, lease_ms, serves)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (id) DO UPDATE SET host = excluded.host, pid = excluded.pid,
           started_at = excluded.started_at, beat_at = excluded.beat_at, ended_at = excluded.ended_at,
           beat = excluded.beat, lease_ms = excluded.lease_ms, serves = excluded.serves",
    )?
    .execute(params![
        boot.id.as_bytes(),
        boot.host,
        boot.pid,
        boot.started_at.as_micros(),
        boot.beat_at.as_micros(),
        micros(boot.ended_at),
        boot.beat as i64,
        boot.lease_ms as i64,
        boot.serves,
    ])
    .map(|_| ())
}

fn put_blob(conn: &Connection, blob: &Blob) -> rusqlite::Result<()> {
    conn.prepare_cached("INSERT INTO blobs (digest, bytes) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
        .execute(params![blob.digest.as_bytes(), &*blob.bytes])
        .map(|_| ())
}

/// The two columns of a stored value; a large one is put where its digest points.
pub(super) fn put<'a>(
    conn: &Connection,
    stored: &'a Stored,
) -> rusqlite::Result<(Option<&'a str>, Option<&'a [u8; 32]>)> {
    Ok(match stored {
        Stored::Null => (None, None),
        Stored::Inline(text) => (Some(text), None),
        Stored::Large(blob) => {
            put_blob(conn, blob)?;
            (None, Some(blob.digest.as_bytes()))
        }
    })
}

fn micros(at: Option<Timestamp>) -> Option<i64> {
    at.map(Timestamp::as_micros)
}
