//! Pages of runs.

use std::sync::Arc;

use oneiric_core::rng::SeededRng;
use oneiric_core::{Key, Rng, RunId};
use oneiric_store::{RunFilter, RunRecord, RunStatus, Store};

use super::Site;
use super::sample::{insert, run, with_status};

/// The last run of a page leads to the next page.
pub async fn pages_are_the_newest_first_without_gap_or_repetition(site: Arc<dyn Site>) {
    let store = site.open();
    let commits: Vec<_> = (0..25).map(|n| store.commit(insert(run(n * 7 % 25)))).collect();
    for commit in commits {
        commit.await.unwrap();
    }
    let mut filter = RunFilter::newest(10);
    let mut seen = Vec::new();
    loop {
        let page = store.runs(filter.clone()).await.unwrap();
        let Some(last) = page.last() else { break };
        filter.before = Some(last.id);
        seen.extend(page);
    }
    assert_eq!(seen, (0..25).rev().map(run).collect::<Vec<_>>());
    assert_eq!(store.runs(RunFilter::newest(0)).await.unwrap(), []);
}

/// A few hundred filters over a few hundred runs of all kinds, against [`RunFilter::accepts`].
pub async fn a_filter_lists_what_it_accepts(site: Arc<dyn Site>) {
    const SEED: u64 = 7;
    let rng = SeededRng::new(SEED);
    let pick = |n: u64| rng.next_u64() % n;
    let store = site.open();
    // More tenants than any store asks one by one, most runs in the first.
    let tenant = |n: u64| format!("tenant-{}", if n < 20 { 0 } else { n });
    let mut runs: Vec<RunRecord> = (0..300)
        .map(|n| {
            let status = RunStatus::ALL[pick(6) as usize];
            RunRecord {
                id: RunId::from_bytes((u128::from(rng.next_u64()) << 64 | u128::from(n)).to_be_bytes()),
                tenant: tenant(pick(45)),
                workflow: Key::new(format!("workflow-{}", pick(4))).unwrap(),
                ..with_status(n, status, None)
            }
        })
        .collect();
    let commits: Vec<_> = runs.iter().map(|run| store.commit(insert(run.clone()))).collect();
    for commit in commits {
        commit.await.unwrap();
    }
    for (status, count) in store.backlog().await.unwrap().runs {
        let expected = runs.iter().filter(|run| run.state.status == status).count() as u64;
        assert_eq!(count, expected, "{status} runs, whoever's they are");
    }
    runs.sort_by_key(|run| std::cmp::Reverse(run.id));
    for round in 0..300 {
        let some = &runs[pick(300) as usize];
        let filter = RunFilter {
            tenant: (pick(2) == 0).then(|| tenant(pick(45))),
            workflow: (pick(2) == 0).then(|| some.workflow.clone()),
            statuses: RunStatus::ALL.into_iter().filter(|_| pick(3) == 0).collect(),
            prefix: (pick(3) == 0).then(|| some.id.to_string()[..pick(5) as usize].to_owned()),
            before: (pick(3) == 0).then(|| runs[pick(300) as usize].id),
            limit: 1 + pick(40) as usize,
        };
        assert_page(&store, &runs, &filter, round).await;
    }
    for prefix in ["A", "xyz", "é", "000000000000000000000000000000000"] {
        let filter = RunFilter { prefix: Some(prefix.to_owned()), ..RunFilter::newest(10) };
        assert_page(&store, &runs, &filter, 0).await;
    }
}

async fn assert_page(store: &Arc<dyn Store>, runs: &[RunRecord], filter: &RunFilter, round: u32) {
    let expected: Vec<_> = runs.iter().filter(|run| filter.accepts(run)).take(filter.limit).collect();
    let page = store.runs(filter.clone()).await.unwrap();
    assert_eq!(page.iter().collect::<Vec<_>>(), expected, "round {round}: {filter:?}");
}
