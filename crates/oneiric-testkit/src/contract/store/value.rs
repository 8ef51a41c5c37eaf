//! Values come back as they were put, whatever they are.

use std::sync::Arc;

use oneiric_core::rng::SeededRng;
use oneiric_core::{Fault, Payload, Rng};
use oneiric_store::{Batch, NodeRecord, NodeStatus, Op, RunRecord};
use serde_json::{Value, json};

use super::Site;
use super::sample::{checkpoint, insert, node, run, run_id};

/// Puts an output and reads it back.
async fn round_trip(site: &Arc<dyn Site>, values: &[Value]) {
    let store = site.open();
    store.commit(insert(run(1))).await.unwrap();
    let expected: Vec<_> =
        (0..).zip(values).map(|(n, value)| checkpoint(1, n, "in", Payload::from(value.clone()))).collect();
    let batch = Batch::of(expected.iter().cloned().map(Op::PutCheckpoint));
    store.commit(batch).await.unwrap();
    let found = store.checkpoints(run_id(1)).await.unwrap();
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found, expected);
        assert_eq!(found.output.digest(), expected.output.digest());
    }
    assert_eq!(found.len(), expected.len());
    assert_eq!(store.check().await.unwrap().problems, Vec::<String>::new());
}

/// In values, in what a run says about itself and in the text of a fault.
pub async fn text_of_any_script_survives(site: Arc<dyn Site>) {
    let text = "Größe ≠ 日本語 🦀\u{0}\u{7f}\u{2028}'\"\\;-- \r\n";
    round_trip(&site, &[json!(text), json!({ text: [text, ""] })]).await;
    let store = site.open();
    let fault = Fault::permanent("not-there", text);
    let submitted = RunRecord {
        tenant: text.replace('\u{0}', ""),
        actor: Some(text.to_owned()),
        trigger: text.to_owned(),
        correlation: Some(String::new()),
        input: Payload::from(json!({ "text": text })),
        options: json!([text]),
        ..run(2)
    };
    store.commit(insert(submitted.clone())).await.unwrap();
    let row = NodeRecord { fault: Some(Box::new(fault)), ..node(2, 0, NodeStatus::Failed) };
    store.commit(Batch::of([Op::SetNode(row.clone())])).await.unwrap();
    assert_eq!(store.run(run_id(2)).await.unwrap(), Some(submitted));
    assert_eq!(store.nodes(run_id(2)).await.unwrap(), [row]);
}

/// A fingerprint that was taken before a value was stored is the same after.
pub async fn numbers_survive_bit_by_bit(site: Arc<dyn Site>) {
    let rng = SeededRng::new(11);
    let mut values =
        vec![json!(0.1 + 0.2), json!(5e-324), json!(f64::MAX), json!(-0.0), json!(u64::MAX), json!(i64::MIN)];
    values.extend((0..500).filter_map(|_| {
        let float = f64::from_bits(rng.next_u64());
        float.is_finite().then(|| json!(float))
    }));
    round_trip(&site, &values).await;
}

/// A hundred kilobytes, twice, and the values around the size from which a store may keep them
/// elsewhere.
pub async fn large_values_survive_and_are_read_as_small_ones(site: Arc<dyn Site>) {
    let large = json!({ "bytes": "x".repeat(100_000), "text": "ü".repeat(1000) });
    let around = |length: usize| json!("y".repeat(length));
    round_trip(
        &site,
        &[
            large.clone(),
            json!(null),
            large.clone(),
            around(16_381),
            around(16_382),
            around(16_383),
            json!([]),
        ],
    )
    .await;
    let store = site.open();
    let submitted = RunRecord { input: Payload::from(large), ..run(2) };
    store.commit(insert(submitted.clone())).await.unwrap();
    assert_eq!(store.run(run_id(2)).await.unwrap(), Some(submitted));
}
