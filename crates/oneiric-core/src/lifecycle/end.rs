//! The end of a lifecycle: everything is stopped, in the reverse order of coming up.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use super::Inner;
use super::inventory::Then;
use super::slot::Slot;
use super::unit::Unit;

impl Inner {
    pub(super) async fn stop(&self, deadline: Duration) -> bool {
        self.stopping.cancel();
        let end = self.clock.monotonic().saturating_add(deadline);
        let left = || end.saturating_sub(self.clock.monotonic());
        let slots = self.shelves.all();
        // Changes under way are cut off by now; what they had built is in the inventory when they are.
        let turns = join_all(slots.iter().map(async |slot| drop(slot.turn.lock().await)));
        let mut clean = tokio::select! {
            biased;
            _ = turns => true,
            () = self.clock.sleep(left()) => false,
        };
        // A component may be used in the stop of one that came up later, so each goes out of service
        // when it is its turn.
        let of: HashMap<u64, _> =
            slots.iter().flat_map(|slot| slot.units().into_iter().map(move |unit| (unit.id, slot))).collect();
        for unit in self.inventory.all() {
            if let Some(slot) = of.get(&unit.id) {
                self.close(slot);
            }
            clean &= self.put_down(&unit, Some(left()), Then::Stop).await;
        }
        for slot in &slots {
            self.close(slot);
        }
        // What came in late: a build that its caller did not let go of in time.
        for unit in self.inventory.all() {
            clean &= self.put_down(&unit, Some(left()), Then::Stop).await;
        }
        clean
    }

    pub(super) async fn cut(&self, limit: Duration) -> usize {
        self.stopping.cancel();
        let units = self.inventory.all();
        let all = join_all(units.iter().map(|unit| self.put_down(unit, Some(Duration::ZERO), Then::Stop)));
        tokio::select! {
            biased;
            _ = all => {}
            () = self.clock.sleep(limit) => {}
        }
        self.inventory.len()
    }

    /// Takes what is in a slot out of service, and keeps anything else from coming in.
    fn close(&self, slot: &Slot) {
        slot.close();
        self.empty(slot);
    }

    /// Takes what is in a slot out of service.
    pub(super) fn empty(&self, slot: &Slot) -> Vec<Arc<Unit>> {
        let now = self.clock.now();
        let gone = slot.empty(|status| status.stop(now));
        gone.iter().for_each(|unit| self.inventory.retire(unit));
        gone
    }
}
