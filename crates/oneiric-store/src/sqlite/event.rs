//! Accepted events and their deliveries, in the file.

use oneiric_core::roles::{Envelope, EventId, Priority};
use oneiric_core::{BootId, Payload, Timestamp};
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, ToSql, params};
use serde::Serialize;

use super::apply::put;
use super::claim::has_ended;
use super::code;
use super::encode::Stored;
use super::error::{Failure, unreadable};
use super::row::{count, fault, json, payload};
use crate::batch::Refusal;
use crate::claim::{DeliveryClaim, Waiting};
use crate::failpoint;
use crate::record::delivery::{DeliveryRecord, DeliveryState, DeliveryStatus};
use crate::record::envelope::EnvelopeRecord;
use crate::store::{DeliveryFilter, EnvelopeFilter, Order};

/// What [`envelope_of`] reads, in its order.
macro_rules! select_envelopes {
    ($filter:literal) => {
        concat!(
            "SELECT e.n, e.id, e.tenant, e.head, e.payload, e.payload_blob, b.bytes, e.actor, e.traceparent,
               e.accepted_at, e.schema
             FROM envelopes e LEFT JOIN blobs b ON b.digest = e.payload_blob ",
            $filter
        )
    };
}
/// What [`delivery_of`] reads, in its order.
macro_rules! select_deliveries {
    ($filter:literal) => {
        concat!(
            "SELECT d.event, e.id, d.handler, d.priority, d.chain, d.behind, d.status, d.owner, d.epoch, d.attempts,
               d.deaths, d.due_at, d.at, d.took_us, d.value, d.value_blob, b.bytes, d.fault
             FROM deliveries d JOIN envelopes e ON e.n = d.event LEFT JOIN blobs b ON b.digest = d.value_blob ",
            $filter
        )
    };
}
/// All of an envelope but its payload, which has columns of its own.
pub(super) fn head(envelope: &Envelope) -> impl Serialize + use<> {
    Envelope { payload: Payload::NULL, ..envelope.clone() }
}

pub(super) fn is_known(conn: &Connection, event: &EventId) -> rusqlite::Result<bool> {
    conn.prepare_cached("SELECT 1 FROM envelopes WHERE id = ?1")?.exists([event.as_str()])
}

/// Whether a delivery's fence stands at `held`.
pub(super) fn check_epoch(
    conn: &Connection,
    event: &EventId,
    handler: &str,
    held: u64,
) -> Result<(), Failure> {
    let found = conn
        .prepare_cached(
            "SELECT epoch FROM deliveries WHERE event = (SELECT n FROM envelopes WHERE id = ?1) AND handler = ?2",
        )?
        .query_row([event.as_str(), handler], |row| count(row, 0))
        .optional()?;
    let (event, handler) = (event.clone(), handler.to_owned());
    match found {
        None => Err(Refusal::DeliveryMissing { event, handler }.into()),
        Some(found) if found == held => Ok(()),
        Some(found) => Err(Refusal::StaleDelivery { event, handler, held, found }.into()),
    }
}

fn place(conn: &Connection, event: &EventId) -> Result<i64, Failure> {
    conn.prepare_cached("SELECT n FROM envelopes WHERE id = ?1")?
        .query_row([event.as_str()], |row| row.get(0))
        .optional()?
        .ok_or_else(|| Refusal::EventMissing(event.clone()).into())
}

/// Whether an event is there, and no delivery of it to a handler.
pub(super) fn check_absent(conn: &Connection, event: &EventId, handler: &str) -> Result<(), Failure> {
    let place = place(conn, event)?;
    let there = conn
        .prepare_cached("SELECT 1 FROM deliveries WHERE event = ?1 AND handler = ?2")?
        .exists(params![place, handler])?;
    let (event, handler) = (event.clone(), handler.to_owned());
    if there { Err(Refusal::DeliveryExists { event, handler }.into()) } else { Ok(()) }
}

/// Whether an event is there, and every delivery of it over.
pub(super) fn check_settled(conn: &Connection, event: &EventId) -> Result<(), Failure> {
    let place = place(conn, event)?;
    // Held, pending, running.
    let open = conn
        .prepare_cached("SELECT 1 FROM deliveries WHERE event = ?1 AND status IN (0, 1, 2)")?
        .exists([place])?;
    if open { Err(Refusal::EventOpen(event.clone()).into()) } else { Ok(()) }
}

pub(super) fn put_envelope(
    conn: &Connection,
    record: &EnvelopeRecord,
    head: &str,
    body: &Stored,
) -> Result<(), Failure> {
    let (text, large) = put(conn, body)?;
    let inserted = conn
        .prepare_cached(
            "INSERT INTO envelopes (id, tenant, topic, head, payload, payload_blob, actor, traceparent,
               accepted_at, schema)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            record.id.as_str(),
            record.tenant,
            record.envelope.topic.as_str(),
            head,
            text,
            large,
            record.actor,
            record.traceparent,
            record.accepted_at.as_micros(),
            record.schema,
        ]);
    match inserted {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
            Err(Refusal::EventExists(record.id.clone()).into())
        }
        other => Ok(other.map(|_| ())?),
    }
}

pub(super) fn put_delivery(
    conn: &Connection,
    record: &DeliveryRecord,
    value: &Stored,
    fault: Option<&str>,
) -> Result<(), Failure> {
    let (text, large) = put(conn, value)?;
    let behind = behind(record);
    let state = &record.state;
    // An event that is not there has no place, and so its rows are dropped.
    conn.prepare_cached(
        "INSERT INTO deliveries (event, handler, priority, chain, behind, status, owner, epoch, attempts, deaths,
           due_at, at, took_us, value, value_blob, fault)
         SELECT n, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16 FROM envelopes WHERE id = ?1
         ON CONFLICT DO NOTHING",
    )?
    .execute(params![
        record.event.as_str(),
        record.handler,
        code::priority(record.priority),
        code::chain(record.chain),
        behind,
        code::delivery(state.status),
        state.owner.as_ref().map(|owner| owner.as_bytes()),
        state.epoch as i64,
        state.attempts,
        state.deaths,
        state.due_at.as_micros(),
        state.at.as_micros(),
        state.took_us as i64,
        text,
        large,
        fault,
    ])?;
    Ok(())
}

fn behind(record: &DeliveryRecord) -> Option<String> {
    (!record.behind.is_empty()).then(|| serde_json::to_string(&record.behind).expect("names are plain text"))
}

/// Everything of a delivery anew, under the next fence.
pub(super) fn renew_delivery(
    conn: &Connection,
    record: &DeliveryRecord,
    value: &Stored,
    fault: Option<&str>,
) -> Result<(), Failure> {
    conn.prepare_cached(
        "UPDATE deliveries SET priority = ?3, chain = ?4, behind = ?5, epoch = epoch + 1
         WHERE event = (SELECT n FROM envelopes WHERE id = ?1) AND handler = ?2",
    )?
    .execute(params![
        record.event.as_str(),
        record.handler,
        code::priority(record.priority),
        code::chain(record.chain),
        behind(record),
    ])?;
    set_delivery(conn, (&record.event, &record.handler), &record.state, None, value, fault)
}

/// Sets a delivery; where `only` says so, none in another status.
pub(super) fn set_delivery(
    conn: &Connection,
    (event, handler): (&EventId, &str),
    state: &DeliveryState,
    only: Option<DeliveryStatus>,
    value: &Stored,
    fault: Option<&str>,
) -> Result<(), Failure> {
    let (text, large) = put(conn, value)?;
    conn.prepare_cached(
        "UPDATE deliveries SET status = ?3, owner = ?4, attempts = ?5, deaths = ?6, due_at = ?7, at = ?8,
           took_us = ?9, value = ?10, value_blob = ?11, fault = ?12
         WHERE event = (SELECT n FROM envelopes WHERE id = ?1) AND handler = ?2
           AND status = coalesce(?13, status)",
    )?
    .execute(params![
        event.as_str(),
        handler,
        code::delivery(state.status),
        state.owner.as_ref().map(|owner| owner.as_bytes()),
        state.attempts,
        state.deaths,
        state.due_at.as_micros(),
        state.at.as_micros(),
        state.took_us as i64,
        text,
        large,
        fault,
        only.map(code::delivery),
    ])?;
    Ok(())
}

/// Frees a delivery and raises its fence.
pub(super) fn release(conn: &Connection, event: &EventId, handler: &str) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "UPDATE deliveries SET owner = NULL, epoch = epoch + 1, status = iif(status = 2, 1, status)
         WHERE event = (SELECT n FROM envelopes WHERE id = ?1) AND handler = ?2",
    )?
    .execute([event.as_str(), handler])
    .map(|_| ())
}

pub(super) fn drop_envelope(conn: &Connection, event: &EventId) -> rusqlite::Result<()> {
    conn.prepare_cached("DELETE FROM deliveries WHERE event = (SELECT n FROM envelopes WHERE id = ?1)")?
        .execute([event.as_str()])?;
    conn.prepare_cached("DELETE FROM envelopes WHERE id = ?1")?.execute([event.as_str()]).map(|_| ())
}

/// Counts the death of a boot at the tries whose beginning is on record. In front of [`disown`].
pub(super) fn count_death(conn: &Connection, boot: BootId) -> rusqlite::Result<()> {
    conn.prepare_cached("UPDATE deliveries SET deaths = deaths + 1 WHERE owner = ?1 AND status = 2")?
        .execute([boot.as_bytes()])
        .map(|_| ())
}

/// Frees what a boot owns and raises its fences. A try whose beginning is on record ended with the boot.
pub(super) fn disown(conn: &Connection, boot: BootId) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "UPDATE deliveries SET owner = NULL, epoch = epoch + 1, status = iif(status = 2, 1, status)
         WHERE owner = ?1",
    )?
    .execute([boot.as_bytes()])
    .map(|_| ())
}

/// Takes what is due and free.
pub(super) fn claim(
    conn: &Connection,
    claim: &DeliveryClaim,
) -> Result<Vec<(EnvelopeRecord, DeliveryRecord)>, Failure> {
    if has_ended(conn, claim.boot)? {
        return Err(Refusal::BootEnded(claim.boot).into());
    }
    let mut taken = Vec::new();
    for (handler, limit) in &claim.wanted {
        let limit = i64::try_from(*limit).unwrap_or(i64::MAX);
        let free: Vec<i64> = conn
            .prepare_cached(
                "SELECT event FROM deliveries WHERE handler = ?1 AND owner IS NULL AND status = 1 AND due_at <= ?2
                 ORDER BY priority DESC, due_at, event LIMIT ?3",
            )?
            .query_map(params![handler, claim.now.as_micros(), limit], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        for event in free {
            conn.prepare_cached(
                "UPDATE deliveries SET owner = ?3, epoch = epoch + 1 WHERE event = ?1 AND handler = ?2",
            )?
            .execute(params![event, handler, claim.boot.as_bytes()])?;
            let envelope =
                conn.prepare_cached(select_envelopes!("WHERE e.n = ?1"))?.query_row([event], envelope_of)?;
            let delivery = conn
                .prepare_cached(select_deliveries!("WHERE d.event = ?1 AND d.handler = ?2"))?
                .query_row(params![event, handler], delivery_of)?;
            taken.push((envelope, delivery.1));
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

/// The handlers for which something waits, by jumps along the index.
pub(super) fn waiting(conn: &Connection) -> rusqlite::Result<Vec<Waiting>> {
    conn.prepare_cached(
        "WITH RECURSIVE h (name) AS (
           SELECT min(handler) FROM deliveries WHERE owner IS NULL AND status = 1
           UNION ALL
           SELECT (SELECT min(handler) FROM deliveries WHERE owner IS NULL AND status = 1 AND handler > h.name)
             FROM h WHERE h.name IS NOT NULL
         )
         SELECT name, (SELECT min(due_at) FROM deliveries WHERE owner IS NULL AND status = 1 AND handler = name)
         FROM h WHERE name IS NOT NULL",
    )?
    .query_map([], |row| Ok(Waiting { handler: row.get(0)?, due_at: Timestamp::from_micros(row.get(1)?) }))?
    .collect()
}

pub(super) fn envelope(conn: &Connection, event: &EventId) -> rusqlite::Result<Option<EnvelopeRecord>> {
    conn.prepare_cached(select_envelopes!("WHERE e.id = ?1"))?
        .query_row([event.as_str()], envelope_of)
        .optional()
}

pub(super) fn envelopes(conn: &Connection, filter: &EnvelopeFilter) -> rusqlite::Result<Vec<EnvelopeRecord>> {
    let place = |place: Option<u64>| place.map(|place| i64::try_from(place).unwrap_or(i64::MAX));
    let (after, before) = (place(filter.after), place(filter.before));
    let topic = filter.topic.as_ref().map(|topic| topic.as_str());
    let (since, until) = (filter.since.map(Timestamp::as_micros), filter.until.map(Timestamp::as_micros));
    let limit = i64::try_from(filter.limit).unwrap_or(i64::MAX);
    let mut sql = select_envelopes!("WHERE true").to_owned();
    let mut values: Vec<&dyn ToSql> = Vec::new();
    let conditions: [(&str, Option<&dyn ToSql>); 5] = [
        (" AND e.n > ?", after.as_ref().map(|value| value as &dyn ToSql)),
        (" AND e.n < ?", before.as_ref().map(|value| value as &dyn ToSql)),
        (" AND e.topic = ?", topic.as_ref().map(|value| value as &dyn ToSql)),
        (" AND e.accepted_at >= ?", since.as_ref().map(|value| value as &dyn ToSql)),
        (" AND e.accepted_at < ?", until.as_ref().map(|value| value as &dyn ToSql)),
    ];
    for (condition, value) in conditions {
        if let Some(value) = value {
            sql.push_str(condition);
            values.push(value);
        }
    }
    sql.push_str(match filter.order {
        Order::Oldest => " ORDER BY e.n LIMIT ?",
        Order::Newest => " ORDER BY e.n DESC LIMIT ?",
    });
    values.push(&limit);
    conn.prepare_cached(&sql)?.query_map(values.as_slice(), envelope_of)?.collect()
}

pub(super) fn deliveries(
    conn: &Connection,
    filter: &DeliveryFilter,
) -> rusqlite::Result<Vec<(u64, DeliveryRecord)>> {
    let snapshot = conn.unchecked_transaction()?;
    let limit = i64::try_from(filter.limit).unwrap_or(i64::MAX);
    let place = |place: u64| i64::try_from(place).unwrap_or(i64::MAX);
    let (after, before) = (filter.after.map(place), filter.before.map(place));
    let events = (!filter.events.is_empty()).then(|| {
        let ids: Vec<&str> = filter.events.iter().map(EventId::as_str).collect();
        serde_json::to_string(&ids).expect("ids are plain text")
    });
    let owner = filter.owner.as_ref().map(|owner| owner.as_bytes());
    let codes: Vec<i64> = filter.statuses.iter().map(|status| code::delivery(*status)).collect();
    let mut sql = select_deliveries!("WHERE true").to_owned();
    let mut values: Vec<&dyn ToSql> = Vec::new();
    if let Some(events) = &events {
        sql.push_str(
            " AND d.event IN (SELECT n FROM envelopes WHERE id IN (SELECT value FROM json_each(?)))",
        );
        values.push(events);
    }
    if let Some(handler) = &filter.handler {
        sql.push_str(" AND d.handler = ?");
        values.push(handler);
    }
    if let Some(after) = &after {
        sql.push_str(" AND d.event > ?");
        values.push(after);
    }
    if let Some(owner) = &owner {
        sql.push_str(" AND d.owner = ?");
        values.push(owner);
    }
    if let Some(before) = &before {
        sql.push_str(" AND d.event < ?");
        values.push(before);
    }
    match codes.as_slice() {
        [] => {}
        // Written out, so that the index of dead letters is seen to fit.
        codes => {
            let codes: Vec<String> = codes.iter().map(i64::to_string).collect();
            sql.push_str(&match codes.as_slice() {
                [code] => format!(" AND d.status = {code}"),
                codes => format!(" AND d.status IN ({})", codes.join(",")),
            });
        }
    }
    sql.push_str(match filter.order {
        Order::Oldest => " ORDER BY d.event, d.handler LIMIT ?",
        Order::Newest => " ORDER BY d.event DESC, d.handler LIMIT ?",
    });
    values.push(&limit);
    let found = snapshot.prepare_cached(&sql)?.query_map(values.as_slice(), delivery_of)?.collect();
    snapshot.commit()?;
    found
}

fn envelope_of(row: &Row<'_>) -> rusqlite::Result<EnvelopeRecord> {
    let head: Envelope = json(row, 3)?;
    Ok(EnvelopeRecord {
        n: count(row, 0)?,
        id: id(row, 1)?,
        tenant: row.get(2)?,
        envelope: Envelope { payload: payload(row, 4)?, ..head },
        actor: row.get(7)?,
        traceparent: row.get(8)?,
        accepted_at: Timestamp::from_micros(row.get(9)?),
        schema: row.get(10)?,
    })
}

fn delivery_of(row: &Row<'_>) -> rusqlite::Result<(u64, DeliveryRecord)> {
    let (priority, chain, status): (i64, i64, i64) = (row.get(3)?, row.get(4)?, row.get(6)?);
    let unknown = |what: &str, code: i64| unreadable(format_args!("a delivery has {what} {code}"));
    let delivery = DeliveryRecord {
        event: id(row, 1)?,
        handler: row.get(2)?,
        priority: Priority::ALL
            .into_iter()
            .find(|known| code::priority(*known) == priority)
            .ok_or_else(|| unknown("priority", priority))?,
        chain: code::chain_mode(chain).ok_or_else(|| unknown("chain mode", chain))?,
        behind: match row.get_ref(5)?.as_str_or_null()? {
            Some(text) => serde_json::from_str(text).map_err(unreadable)?,
            None => Vec::new(),
        },
        state: DeliveryState {
            status: code::delivery_status(status).ok_or_else(|| unknown("status", status))?,
            owner: row.get::<_, Option<_>>(7)?.map(BootId::from_bytes),
            epoch: count(row, 8)?,
            attempts: row.get(9)?,
            deaths: row.get(10)?,
            due_at: Timestamp::from_micros(row.get(11)?),
            at: Timestamp::from_micros(row.get(12)?),
            took_us: count(row, 13)?,
            value: payload(row, 14)?,
            fault: fault(row, 17)?,
        },
    };
    Ok((count(row, 0)?, delivery))
}

fn id(row: &Row<'_>, column: usize) -> rusqlite::Result<EventId> {
    row.get_ref(column)?.as_str()?.parse().map_err(unreadable)
}
