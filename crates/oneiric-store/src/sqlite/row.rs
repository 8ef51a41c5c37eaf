//! Rows as records.

use std::str::FromStr;

use oneiric_core::{BootId, Digest, Domain, Fault, Key, NodeId, Payload, RunId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row};
use serde::de::DeserializeOwned;

use super::code;
use super::error::unreadable;
use crate::liveness::{Kind, Violation};
use crate::record::activity::ActivityRecord;
use crate::record::boot::BootRecord;
use crate::record::checkpoint::Checkpoint;
use crate::record::command::CommandRecord;
use crate::record::journal::JournalEntry;
use crate::record::node::NodeRecord;
use crate::record::run::{RunRecord, RunState};
use crate::store::WhoseCommands;

type Result<T> = rusqlite::Result<T>;

/// What [`run`] reads, in its order.
macro_rules! select_run {
    ($filter:literal) => {
        concat!(
            "SELECT r.id, r.tenant, r.workflow, r.bundle, i.input, i.input_blob, b.bytes, i.options,
               r.priority, r.deadline, r.actor, r.\"trigger\", r.correlation, r.traceparent, r.parent,
               r.created_at, r.status, r.owner, r.epoch, r.wake_at, r.started_at, r.ended_at, r.fault,
               r.schema, r.deaths, r.deadline_now
             FROM runs r JOIN run_inputs i ON i.run = r.n LEFT JOIN blobs b ON b.digest = i.input_blob
             WHERE ",
            $filter
        )
    };
}

pub(super) fn run_by_id(conn: &Connection, id: RunId) -> Result<Option<RunRecord>> {
    conn.prepare_cached(select_run!("r.id = ?1"))?.query_row([id.as_bytes()], run).optional()
}

fn run(row: &Row<'_>) -> Result<RunRecord> {
    let status: i64 = row.get(16)?;
    Ok(RunRecord {
        id: RunId::from_bytes(row.get(0)?),
        tenant: row.get(1)?,
        workflow: name::<Key>(row, 2)?,
        bundle: Digest::from_bytes(row.get(3)?),
        input: payload(row, 4)?,
        options: json(row, 7)?,
        priority: row.get(8)?,
        deadline: time(row, 9)?,
        actor: row.get(10)?,
        trigger: row.get(11)?,
        correlation: row.get(12)?,
        traceparent: row.get(13)?,
        parent: row.get::<_, Option<_>>(14)?.map(RunId::from_bytes),
        created_at: Timestamp::from_micros(row.get(15)?),
        state: RunState {
            status: code::run_status(status)
                .ok_or_else(|| unreadable(format_args!("a run has status {status}")))?,
            owner: row.get::<_, Option<_>>(17)?.map(BootId::from_bytes),
            epoch: count(row, 18)?,
            wake_at: time(row, 19)?,
            deadline: time(row, 25)?,
            deaths: row.get(24)?,
            started_at: time(row, 20)?,
            ended_at: time(row, 21)?,
            fault: fault(row, 22)?,
        },
        schema: row.get(23)?,
    })
}

/// What [`boot_of`] reads, in its order.
const BOOT: &str = "id, host, pid, started_at, beat, beat_at, lease_ms, serves, ended_at";

pub(super) fn boot(conn: &Connection, id: BootId) -> Result<Option<BootRecord>> {
    conn.prepare_cached(&format!("SELECT {BOOT} FROM boots WHERE id = ?1"))?
        .query_row([id.as_bytes()], boot_of)
        .optional()
}

/// The boots that have not ended, with how many runs and deliveries each owns.
/// The boots that have not ended, and how many runs and how many deliveries each owns.
pub(super) fn open_boots(conn: &Connection) -> Result<Vec<(BootRecord, u64, u64)>> {
    conn.prepare_cached(&format!(
        "SELECT {BOOT}, (SELECT count(*) FROM runs WHERE owner = boots.id),
           (SELECT count(*) FROM deliveries WHERE owner = boots.id) FROM boots
         WHERE ended_at IS NULL ORDER BY started_at, id"
    ))?
    .query_map([], |row| Ok((boot_of(row)?, count(row, 9)?, count(row, 10)?)))?
    .collect()
}

fn boot_of(row: &Row<'_>) -> Result<BootRecord> {
    Ok(BootRecord {
        id: BootId::from_bytes(row.get(0)?),
        host: row.get(1)?,
        pid: row.get(2)?,
        started_at: Timestamp::from_micros(row.get(3)?),
        beat: count(row, 4)?,
        beat_at: Timestamp::from_micros(row.get(5)?),
        lease_ms: count(row, 6)?,
        serves: row.get(7)?,
        ended_at: time(row, 8)?,
    })
}

pub(super) fn commands(conn: &Connection, whose: WhoseCommands) -> Result<Vec<CommandRecord>> {
    let (filter, id) = match whose {
        WhoseCommands::Run(run) => ("r.id = ?1", *run.as_bytes()),
        WhoseCommands::Owner(boot) => ("r.owner = ?1", *boot.as_bytes()),
    };
    conn.prepare_cached(&format!(
        "SELECT r.id, c.id, c.at, c.actor, c.command FROM commands c JOIN runs r ON r.n = c.run
         WHERE {filter} ORDER BY c.n"
    ))?
    .query_map([id], |row| {
        Ok(CommandRecord {
            run: RunId::from_bytes(row.get(0)?),
            id: u128::from_be_bytes(row.get(1)?),
            at: Timestamp::from_micros(row.get(2)?),
            actor: row.get(3)?,
            command: json(row, 4)?,
        })
    })?
    .collect()
}

pub(super) fn activities(conn: &Connection) -> Result<Vec<ActivityRecord>> {
    conn.prepare_cached("SELECT domain, key, paused, draining, note, at FROM activity ORDER BY domain, key")?
        .query_map([], said)?
        .collect()
}

pub(super) fn activity(conn: &Connection, domain: &Domain, key: &Key) -> Result<Option<ActivityRecord>> {
    conn.prepare_cached(
        "SELECT domain, key, paused, draining, note, at FROM activity WHERE domain = ?1 AND key = ?2",
    )?
    .query_row([domain.name(), key.as_str()], said)
    .optional()
}

fn said(row: &Row<'_>) -> Result<ActivityRecord> {
    Ok(ActivityRecord {
        domain: name::<Domain>(row, 0)?,
        key: name::<Key>(row, 1)?,
        paused: row.get(2)?,
        draining: row.get(3)?,
        note: row.get(4)?,
        at: Timestamp::from_micros(row.get(5)?),
    })
}

/// What the view `liveness` has.
pub(super) fn violations(conn: &Connection) -> Result<Vec<Violation>> {
    conn.prepare_cached("SELECT kind, run, node, boot, event, handler FROM liveness")?
        .query_map([], |row| {
            let kind = row.get_ref(0)?.as_str()?;
            let node = row.get_ref(2)?.as_str_or_null()?;
            let event = row.get_ref(4)?.as_str_or_null()?;
            Ok(Violation {
                kind: Kind::ALL
                    .into_iter()
                    .find(|known| known.name() == kind)
                    .ok_or_else(|| unreadable(format_args!("the view liveness has a kind `{kind}`")))?,
                run: row.get::<_, Option<_>>(1)?.map(RunId::from_bytes),
                event: event.map(|event| event.parse().map_err(unreadable)).transpose()?,
                handler: row.get(5)?,
                node: node.map(|node| node.parse().map_err(unreadable)).transpose()?,
                boot: row.get::<_, Option<_>>(3)?.map(BootId::from_bytes),
            })
        })?
        .collect()
}

/// What a dead boot left: the runs and the deliveries that it owns and that have not ended.
pub(super) fn left_by(conn: &Connection, boot: BootId) -> Result<Vec<Violation>> {
    let run = |row: &Row<'_>| {
        let run = RunId::from_bytes(row.get(0)?);
        Ok(Violation { boot: Some(boot), ..Violation::of_run(Kind::OwnerDead, run) })
    };
    let delivery = |row: &Row<'_>| {
        let event = row.get_ref(0)?.as_str()?.parse().map_err(unreadable)?;
        Ok(Violation { boot: Some(boot), ..Violation::of_delivery(Kind::OwnerDead, event, row.get(1)?) })
    };
    let mut left: Vec<Violation> = conn
        .prepare_cached("SELECT id FROM runs WHERE owner = ?1 AND status IN (0, 1)")?
        .query_map([boot.as_bytes()], run)?
        .collect::<Result<_>>()?;
    let mut statement = conn.prepare_cached(
        "SELECT e.id, d.handler FROM deliveries d JOIN envelopes e ON e.n = d.event
         WHERE d.owner = ?1 AND d.status IN (1, 2)",
    )?;
    for row in statement.query_map([boot.as_bytes()], delivery)? {
        left.push(row?);
    }
    Ok(left)
}

pub(super) fn nodes(conn: &Connection, id: RunId) -> Result<Vec<NodeRecord>> {
    conn.prepare_cached(
        "SELECT node, name, status, attempt, input_hash, started_at, ended_at, wake_at, skip, fault, deaths
         FROM nodes WHERE run = (SELECT n FROM runs WHERE id = ?1) ORDER BY node",
    )?
    .query_map([id.as_bytes()], |row| {
        let status: i64 = row.get(2)?;
        let skip: Option<i64> = row.get(8)?;
        Ok(NodeRecord {
            run: id,
            node: row.get(0)?,
            name: name::<NodeId>(row, 1)?,
            status: code::node_status(status)
                .ok_or_else(|| unreadable(format_args!("a node of run {id} has status {status}")))?,
            attempt: row.get(3)?,
            deaths: row.get(10)?,
            input_hash: row.get::<_, Option<_>>(4)?.map(Digest::from_bytes),
            started_at: time(row, 5)?,
            ended_at: time(row, 6)?,
            wake_at: time(row, 7)?,
            skip: skip
                .map(|code| {
                    code::skip_reason(code)
                        .ok_or_else(|| unreadable(format_args!("a node of run {id} has skip reason {code}")))
                })
                .transpose()?,
            fault: fault(row, 9)?.map(Box::new),
        })
    })?
    .collect()
}

pub(super) fn checkpoints(conn: &Connection, id: RunId) -> Result<Vec<Checkpoint>> {
    conn.prepare_cached(
        "SELECT c.node, c.input_hash, c.at, c.output, c.output_blob, b.bytes
         FROM checkpoints c LEFT JOIN blobs b ON b.digest = c.output_blob
         WHERE c.run = (SELECT n FROM runs WHERE id = ?1) ORDER BY c.node, c.at",
    )?
    .query_map([id.as_bytes()], |row| {
        Ok(Checkpoint {
            run: id,
            node: row.get(0)?,
            input_hash: Digest::from_bytes(row.get(1)?),
            at: Timestamp::from_micros(row.get(2)?),
            output: payload(row, 3)?,
        })
    })?
    .collect()
}

pub(super) fn journal(conn: &Connection, id: RunId, after: u64, limit: usize) -> Result<Vec<JournalEntry>> {
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    conn.prepare_cached(
        "SELECT seq, at, epoch, event FROM journal
         WHERE run = (SELECT n FROM runs WHERE id = ?1) AND seq > ?2 ORDER BY seq LIMIT ?3",
    )?
    .query_map((id.as_bytes(), after, limit), |row| {
        Ok(JournalEntry {
            run: id,
            seq: count(row, 0)?,
            at: Timestamp::from_micros(row.get(1)?),
            epoch: count(row, 2)?,
            event: json(row, 3)?,
        })
    })?
    .collect()
}

pub(super) fn count(row: &Row<'_>, column: usize) -> Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, value))
}

fn time(row: &Row<'_>, column: usize) -> Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_micros))
}

fn name<T: FromStr<Err: std::fmt::Display>>(row: &Row<'_>, column: usize) -> Result<T> {
    row.get_ref(column)?.as_str()?.parse().map_err(unreadable)
}

pub(super) fn fault(row: &Row<'_>, column: usize) -> Result<Option<Fault>> {
    match row.get_ref(column)?.as_str_or_null()? {
        None => Ok(None),
        Some(text) => serde_json::from_str(text).map(Some).map_err(unreadable),
    }
}

pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> Result<T> {
    serde_json::from_str(row.get_ref(column)?.as_str()?).map_err(unreadable)
}

/// A stored value in its three columns: the text, the digest, the bytes under the digest.
pub(super) fn payload(row: &Row<'_>, column: usize) -> Result<Payload> {
    if let Some(text) = row.get_ref(column)?.as_str_or_null()? {
        return serde_json::from_str::<serde_json::Value>(text).map(Payload::from).map_err(unreadable);
    }
    let Some(digest) = row.get::<_, Option<[u8; 32]>>(column + 1)? else { return Ok(Payload::NULL) };
    let bytes = row.get_ref(column + 2)?.as_blob_or_null()?;
    let bytes = bytes.ok_or_else(|| {
        unreadable(format_args!("blob {} is referred to and missing", Digest::from_bytes(digest)))
    })?;
    serde_json::from_slice::<serde_json::Value>(bytes).map(Payload::from).map_err(unreadable)
}
