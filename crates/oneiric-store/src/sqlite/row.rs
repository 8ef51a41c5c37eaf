//! Rows as records.

use std::str::FromStr;

use oneiric_core::{BootId, Digest, Fault, Key, NodeId, Payload, RunId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row};
use serde::de::DeserializeOwned;

use super::code;
use super::error::unreadable;
use crate::record::boot::BootRecord;
use crate::record::checkpoint::Checkpoint;
use crate::record::journal::JournalEntry;
use crate::record::node::NodeRecord;
use crate::record::run::{RunRecord, RunState};

type Result<T> = rusqlite::Result<T>;

/// What [`run`] reads, in its order.
macro_rules! select_run {
    ($filter:literal) => {
        concat!(
            "SELECT r.id, r.tenant, r.workflow, r.bundle, i.input, i.input_blob, b.bytes, i.options,
               r.priority, r.deadline, r.actor, r.\"trigger\", r.correlation, r.traceparent, r.parent,
               r.created_at, r.status, r.owner, r.epoch, r.wake_at, r.started_at, r.ended_at, r.fault,
               r.schema
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
            started_at: time(row, 20)?,
            ended_at: time(row, 21)?,
            fault: fault(row, 22)?,
        },
        schema: row.get(23)?,
    })
}

pub(super) fn boot(conn: &Connection, id: BootId) -> Result<Option<BootRecord>> {
    conn.prepare_cached("SELECT host, pid, started_at, beat_at, ended_at FROM boots WHERE id = ?1")?
        .query_row([id.as_bytes()], |row| {
            Ok(BootRecord {
                id,
                host: row.get(0)?,
                pid: row.get(1)?,
                started_at: Timestamp::from_micros(row.get(2)?),
                beat_at: Timestamp::from_micros(row.get(3)?),
                ended_at: time(row, 4)?,
            })
        })
        .optional()
}

pub(super) fn nodes(conn: &Connection, id: RunId) -> Result<Vec<NodeRecord>> {
    conn.prepare_cached(
        "SELECT node, name, status, attempt, input_hash, started_at, ended_at, wake_at, skip, fault
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

fn fault(row: &Row<'_>, column: usize) -> Result<Option<Fault>> {
    match row.get_ref(column)?.as_str_or_null()? {
        None => Ok(None),
        Some(text) => serde_json::from_str(text).map(Some).map_err(unreadable),
    }
}

fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> Result<T> {
    serde_json::from_str(row.get_ref(column)?.as_str()?).map_err(unreadable)
}

/// A stored value in its three columns: the text, the digest, the bytes under the digest.
fn payload(row: &Row<'_>, column: usize) -> Result<Payload> {
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
