//! Pages of runs, each branch of the filter along an index that ends in the id: the page is merged
//! from the newest of every branch, and nothing is sorted that is not shown.

use oneiric_core::RunId;
use rusqlite::{Connection, ToSql};

use super::code;
use super::row;
use crate::record::run::{RunRecord, RunStatus};
use crate::store::RunFilter;

/// Up to so many tenants are asked one by one; with more, the newest runs are filtered instead.
const TENANTS: usize = 16;

pub(super) fn runs(conn: &Connection, filter: &RunFilter) -> rusqlite::Result<Vec<RunRecord>> {
    let Some((low, high)) = range(filter) else { return Ok(Vec::new()) };
    // Several statements, one snapshot.
    let snapshot = conn.unchecked_transaction()?;
    let mut ids = Vec::new();
    for (tenant, statuses) in branches(&snapshot, filter)? {
        ids.extend(branch(&snapshot, filter, tenant.as_deref(), &statuses, low, high)?);
    }
    ids.sort_unstable_by(|a, b| b.cmp(a));
    ids.truncate(filter.limit);
    let runs = ids.into_iter().filter_map(|id| row::run_by_id(&snapshot, id).transpose()).collect();
    snapshot.commit()?;
    runs
}

/// The ids of the page, both ends included; `None` where none can match.
fn range(filter: &RunFilter) -> Option<(u128, u128)> {
    let (mut low, mut high) = (0, u128::MAX);
    if let Some(prefix) = filter.prefix.as_deref().filter(|prefix| !prefix.is_empty()) {
        // Ids are written in lowercase, and a prefix is compared with what is written.
        if prefix.len() > 32 || !prefix.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        let free = 4 * (32 - prefix.len() as u32);
        low = u128::from_str_radix(prefix, 16).ok()?.checked_shl(free).unwrap_or(0);
        high = low | 1u128.checked_shl(free).map_or(u128::MAX, |bit| bit - 1);
    }
    if let Some(before) = filter.before {
        high = high.min(u128::from_be_bytes(*before.as_bytes()).checked_sub(1)?);
    }
    (low <= high).then_some((low, high))
}

/// What is asked one by one: a tenant (or all of them) with a status (or whatever status).
fn branches(
    conn: &Connection,
    filter: &RunFilter,
) -> rusqlite::Result<Vec<(Option<String>, Vec<RunStatus>)>> {
    if filter.tenant.is_none() && filter.workflow.is_none() && filter.statuses.is_empty() {
        return Ok(vec![(None, Vec::new())]);
    }
    let tenants = match &filter.tenant {
        Some(tenant) => vec![tenant.clone()],
        None => tenants(conn)?,
    };
    if tenants.len() > TENANTS {
        return Ok(vec![(None, filter.statuses.clone())]);
    }
    let wanted = |status: &RunStatus| filter.statuses.is_empty() || filter.statuses.contains(status);
    let statuses: Vec<RunStatus> = RunStatus::ALL.into_iter().filter(wanted).collect();
    let each =
        |tenant: String| statuses.clone().into_iter().map(move |status| (Some(tenant.clone()), vec![status]));
    Ok(tenants.into_iter().flat_map(each).collect())
}

/// The tenants that have runs, by jumps along the index; at most one more than are asked one by one.
fn tenants(conn: &Connection) -> rusqlite::Result<Vec<String>> {
    conn.prepare_cached(
        "WITH RECURSIVE t (name) AS (
           SELECT min(tenant) FROM runs
           UNION ALL SELECT (SELECT min(tenant) FROM runs WHERE tenant > t.name) FROM t WHERE t.name IS NOT NULL
         ) SELECT name FROM t WHERE name IS NOT NULL LIMIT ?1",
    )?
    .query_map([TENANTS as i64 + 1], |row| row.get(0))?
    .collect()
}

fn branch(
    conn: &Connection,
    filter: &RunFilter,
    tenant: Option<&str>,
    statuses: &[RunStatus],
    low: u128,
    high: u128,
) -> rusqlite::Result<Vec<RunId>> {
    let (low, high) = (low.to_be_bytes(), high.to_be_bytes());
    let limit = i64::try_from(filter.limit).unwrap_or(i64::MAX);
    let workflow = filter.workflow.as_ref().map(|workflow| workflow.as_str());
    let codes: Vec<i64> = statuses.iter().map(|status| code::run(*status)).collect();

    let mut sql = "SELECT id FROM runs WHERE id BETWEEN ? AND ?".to_owned();
    let mut values: Vec<&dyn ToSql> = vec![&low, &high];
    if let Some(tenant) = &tenant {
        sql.push_str(" AND tenant = ?");
        values.push(tenant);
    }
    if let Some(workflow) = &workflow {
        sql.push_str(" AND workflow = ?");
        values.push(workflow);
    }
    match codes.as_slice() {
        [] => {}
        [code] => {
            sql.push_str(" AND status = ?");
            values.push(code);
        }
        codes => {
            sql.push_str(" AND status IN (");
            sql.push_str(&vec!["?"; codes.len()].join(","));
            sql.push(')');
            values.extend(codes.iter().map(|code| code as &dyn ToSql));
        }
    }
    sql.push_str(" ORDER BY id DESC LIMIT ?");
    values.push(&limit);
    conn.prepare_cached(&sql)?
        .query_map(values.as_slice(), |row| row.get(0).map(RunId::from_bytes))?
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_a_range_of_ids() {
        let check = |prefix: &str, before: Option<u128>, expected: Option<(u128, u128)>| {
            let mut filter = RunFilter::newest(1);
            filter.prefix = Some(prefix.to_owned());
            filter.before = before.map(|id| RunId::from_bytes(id.to_be_bytes()));
            assert_eq!(range(&filter), expected, "{prefix:?} {before:?}");
        };
        check("", None, Some((0, u128::MAX)));
        check("f", None, Some((0xF << 124, u128::MAX)));
        check("0a", None, Some((0x0A << 120, (0x0B << 120) - 1)));
        check(
            &"7".repeat(32),
            None,
            Some((0x77777777777777777777777777777777, 0x77777777777777777777777777777777)),
        );
        check(&"7".repeat(33), None, None);
        check("A", None, None);
        check("xy", None, None);
        check("é", None, None);
        check("", Some(0), None);
        check("", Some(5), Some((0, 4)));
        check("f", Some(5), None);
    }
}
