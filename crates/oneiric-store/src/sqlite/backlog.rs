//! Counting what has not ended, along the indexes of what is open.

use rusqlite::{Connection, Result};

use super::code;
use crate::record::delivery::DeliveryStatus;
use crate::store::Backlog;

/// The index of statuses is led by the tenant: from one tenant to the next, and of each only what has the status.
const RUNS: &str = "WITH RECURSIVE tenants(tenant) AS (
    SELECT min(tenant) FROM runs
    UNION ALL
    SELECT (SELECT min(tenant) FROM runs WHERE tenant > t.tenant) FROM tenants t WHERE t.tenant IS NOT NULL)
  SELECT count(*) FROM tenants t CROSS JOIN runs r INDEXED BY runs_status
  WHERE r.tenant = t.tenant AND r.status = ?1";

/// Written out for each status, because only the very condition of an index that holds nothing else lets SQLite take it. What is
/// pending lies under two of them, by whether somebody has it in hand.
const fn deliveries(status: DeliveryStatus) -> &'static str {
    match status {
        DeliveryStatus::Held => "SELECT count(*) FROM deliveries WHERE status IN (0, 2) AND status = 0",
        DeliveryStatus::Pending => {
            "SELECT (SELECT count(*) FROM deliveries WHERE owner IS NULL AND status = 1)
              + (SELECT count(*) FROM deliveries WHERE owner IS NOT NULL AND status = 1)"
        }
        DeliveryStatus::Running => "SELECT count(*) FROM deliveries WHERE status IN (0, 2) AND status = 2",
        DeliveryStatus::Dead => "SELECT count(*) FROM deliveries WHERE status = 4",
        DeliveryStatus::Done => "SELECT count(*) FROM deliveries WHERE status = 3",
        DeliveryStatus::Skipped => "SELECT count(*) FROM deliveries WHERE status = 5",
        DeliveryStatus::Expired => "SELECT count(*) FROM deliveries WHERE status = 6",
    }
}

pub(super) fn backlog(conn: &Connection) -> Result<Backlog> {
    let number = |row: &rusqlite::Row<'_>| Ok(u64::try_from(row.get::<_, i64>(0)?).unwrap_or(0));
    Backlog::counted(
        |status| conn.prepare_cached(RUNS)?.query_row([code::run(status)], number),
        |status| conn.prepare_cached(deliveries(status))?.query_row([], number),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::run::RunStatus;
    use crate::sqlite::connect::MIGRATIONS;

    #[test]
    fn what_has_ended_is_not_looked_at() {
        let conn = Connection::open_in_memory().unwrap();
        MIGRATIONS.iter().for_each(|migration| conn.execute_batch(migration).unwrap());
        let plan = |sql: &str, parameters: &[i64]| {
            let mut asked = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let rows = asked.query_map(rusqlite::params_from_iter(parameters), |row| row.get::<_, String>(3));
            rows.unwrap().map(Result::unwrap).collect::<Vec<_>>().join("\n")
        };
        let runs = plan(RUNS, &[code::run(RunStatus::Running)]);
        assert!(runs.contains("SEARCH r USING COVERING INDEX runs_status (tenant=? AND status=?)"), "{runs}");
        for status in Backlog::DELIVERIES {
            let plan = plan(deliveries(status), &[]);
            let read = plan.lines().filter(|line| line.contains("deliveries"));
            assert!(read.clone().count() > 0 && read.clone().all(|line| line.contains("INDEX")), "{plan}");
        }
        assert_eq!(backlog(&conn).unwrap().runs.len(), 3);
    }
}
