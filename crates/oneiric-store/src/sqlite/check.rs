//! The integrity check: what SQLite knows about its pages, and what the store promises about its
//! rows.

use oneiric_core::{Digest, RunId, Timestamp};
use rusqlite::{Connection, Row};

use super::code;
use super::error::is_corrupt;
use crate::record::journal::{Event, JournalEntry};
use crate::record::node::NodeStatus;
use crate::store::IntegrityReport;

/// The most findings of one kind: the first few say what happened, the rest only how often.
const FINDINGS: usize = 100;

pub(super) fn check(conn: &Connection) -> rusqlite::Result<IntegrityReport> {
    let mut report = IntegrityReport::default();
    match fill(conn, &mut report) {
        // That it cannot be read to its end is a finding, not a failure of the check.
        Err(error) if is_corrupt(&error) => report.problems.push(format!("reading stopped: {error}")),
        answer => answer?,
    }
    Ok(report)
}

fn fill(conn: &Connection, report: &mut IntegrityReport) -> rusqlite::Result<()> {
    let snapshot = conn.unchecked_transaction()?;
    for table in ["runs", "nodes", "checkpoints", "journal", "blobs", "envelopes", "deliveries"] {
        let count =
            snapshot.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0));
        report.checked.push((table.to_owned(), count?.unsigned_abs()));
    }
    let mut find = |sql: &str, sentence: Sentence<'_>| find(&snapshot, report, sql, sentence);
    find("PRAGMA integrity_check(100)", &|row| {
        let line: String = row.get(0)?;
        Ok((line != "ok").then(|| format!("sqlite: {line}")))
    })?;
    find("PRAGMA foreign_key_check", &|row| {
        let (table, parent): (String, String) = (row.get(0)?, row.get(2)?);
        Ok(Some(format!("a row of {table} belongs to none of {parent}")))
    })?;
    find("SELECT r.id FROM runs r LEFT JOIN run_inputs i ON i.run = r.n WHERE i.run IS NULL", &|row| {
        Ok(Some(format!("run {}: its input is missing", id(row)?)))
    })?;
    find(
        // Sequences are unique, so that a gap is where the count and the last one differ.
        "SELECT r.id, min(j.place), min(j.seq) FROM runs r JOIN (
           SELECT run, seq, row_number() OVER (PARTITION BY run ORDER BY seq) AS place FROM journal
           WHERE run IN (SELECT run FROM journal GROUP BY run HAVING max(seq) <> count(*) OR min(seq) <> 1)
         ) j ON j.run = r.n WHERE j.place <> j.seq GROUP BY r.id",
        &|row| {
            let (place, seq): (i64, i64) = (row.get(1)?, row.get(2)?);
            Ok(Some(format!("run {}: journal entry {seq} stands where {place} belongs", id(row)?)))
        },
    )?;
    find(
        &format!(
            "SELECT r.id, n.name FROM nodes n JOIN runs r ON r.n = n.run
             LEFT JOIN checkpoints c ON c.run = n.run AND c.node = n.node AND c.input_hash = n.input_hash
             WHERE n.status = {} AND c.run IS NULL",
            code::node(NodeStatus::Completed)
        ),
        &|row| {
            let name: String = row.get(1)?;
            Ok(Some(format!("run {}: node `{name}` is completed without a checkpoint", id(row)?)))
        },
    )?;
    let missing = |what: &'static str| {
        move |row: &Row<'_>| {
            Ok(Some(format!("run {}: {what} {} is missing", id(row)?, Digest::from_bytes(row.get(1)?))))
        }
    };
    find(
        "SELECT r.id, r.bundle FROM runs r LEFT JOIN blobs b ON b.digest = r.bundle WHERE b.n IS NULL",
        &missing("its bundle"),
    )?;
    find(
        "SELECT r.id, i.input_blob FROM run_inputs i JOIN runs r ON r.n = i.run
         LEFT JOIN blobs b ON b.digest = i.input_blob WHERE i.input_blob IS NOT NULL AND b.n IS NULL",
        &missing("its input"),
    )?;
    find(
        "SELECT r.id, c.output_blob FROM checkpoints c JOIN runs r ON r.n = c.run
         LEFT JOIN blobs b ON b.digest = c.output_blob WHERE c.output_blob IS NOT NULL AND b.n IS NULL",
        &missing("an output"),
    )?;
    find("SELECT digest, bytes FROM blobs", &|row| {
        let digest = Digest::from_bytes(row.get(0)?);
        let holds = Digest::of(row.get_ref(1)?.as_blob()?) == digest;
        Ok((!holds).then(|| format!("blob {digest}: its bytes have another digest")))
    })?;
    for (table, column) in [
        ("runs", "fault"),
        ("run_inputs", "input"),
        ("run_inputs", "options"),
        ("nodes", "fault"),
        ("checkpoints", "output"),
        ("journal", "event"),
        ("envelopes", "head"),
        ("envelopes", "payload"),
        ("deliveries", "behind"),
        ("deliveries", "value"),
        ("deliveries", "fault"),
    ] {
        find(
            &format!("SELECT 1 FROM {table} WHERE {column} IS NOT NULL AND NOT json_valid({column})"),
            &|_| Ok(Some(format!("a row of {table} has a {column} that is no JSON"))),
        )?;
    }
    chain(&snapshot, report)?;
    snapshot.commit()
}

/// Follows the chain of every journal.
fn chain(conn: &Connection, report: &mut IntegrityReport) -> rusqlite::Result<()> {
    let mut statement = conn.prepare(
        "SELECT r.id, j.seq, j.at, j.epoch, j.event, j.link FROM journal j JOIN runs r ON r.n = j.run
         ORDER BY j.run, j.seq",
    )?;
    let mut rows = statement.query([])?;
    let (mut before, mut broken): (Option<(RunId, Digest)>, Option<RunId>) = (None, None);
    while let Some(row) = rows.next()? {
        let run = id(row)?;
        let link: Option<[u8; 32]> = row.get(5)?;
        let seq = row.get::<_, i64>(1)?;
        let known = before.filter(|(of, _)| *of == run).map(|(_, link)| link);
        if broken == Some(run) {
            continue;
        }
        let Some(link) = link.map(Digest::from_bytes) else {
            // Without a link only in front of the chain: written by a release that had none.
            if known.is_some() {
                broken = Some(run);
                report.problems.push(format!("run {run}: the chain of its journal breaks at entry {seq}"));
            }
            continue;
        };
        let entry = JournalEntry {
            run,
            seq: seq.unsigned_abs(),
            at: Timestamp::from_micros(row.get(2)?),
            epoch: row.get::<_, i64>(3)?.unsigned_abs(),
            // The link is over the text, so that any event stands in for the one that was written.
            event: Event::TimedOut,
        };
        if entry.link(known.as_ref(), row.get_ref(4)?.as_str()?) != link {
            broken = Some(run);
            report.problems.push(format!("run {run}: the chain of its journal breaks at entry {seq}"));
        }
        before = Some((run, link));
    }
    Ok(())
}

/// What a row says about the damage; `None` where it is sound.
type Sentence<'a> = &'a dyn Fn(&Row<'_>) -> rusqlite::Result<Option<String>>;

fn find(
    conn: &Connection,
    report: &mut IntegrityReport,
    sql: &str,
    sentence: Sentence<'_>,
) -> rusqlite::Result<()> {
    let mut statement = conn.prepare(sql)?;
    let mut rows = statement.query([])?;
    let mut found = 0;
    while let Some(row) = rows.next()? {
        let Some(sentence) = sentence(row)? else { continue };
        found += 1;
        if found > FINDINGS {
            report.problems.push("there is more of the kind".to_owned());
            break;
        }
        report.problems.push(sentence);
    }
    Ok(())
}

fn id(row: &Row<'_>) -> rusqlite::Result<RunId> {
    row.get(0).map(RunId::from_bytes)
}
