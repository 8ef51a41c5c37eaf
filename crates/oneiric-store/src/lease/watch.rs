//! Judging others' leases: a pure function over what was seen and when.

use std::collections::HashMap;
use std::time::Duration;

use oneiric_core::BootId;

use crate::record::boot::{BootSeen, Silent};

/// How many looks at most are made in the time of a lease. More would find a silent owner sooner, and
/// read more.
const LOOKS: u32 = 8;

/// The longest time between two looks while others own something: a process that is dead is found at the
/// next one.
const SLOWEST_LOOK: Duration = Duration::from_millis(500);

/// Watches the beats of others on one's own monotonic clock.
///
/// A lease has run out when its beat did not change for as long as it is good for, seen by somebody who
/// was awake all the time: one who has not looked for a while (stopped, suspended) begins anew, because
/// the others may have been stopped with it.
#[derive(Debug, Default)]
pub struct Watch {
    last_look: Option<Duration>,
    seen: HashMap<BootId, Since>,
}

#[derive(Debug, Clone, Copy)]
struct Since {
    beat: u64,
    at: Duration,
}

impl Watch {
    /// Nobody seen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a look at `now` on the monotonic clock and returns whose lease has run out. Boots that own
    /// nothing are not watched: there is nothing to take over from them, and they do not beat.
    pub fn look(&mut self, now: Duration, me: BootId, boots: &[BootSeen]) -> Vec<Silent> {
        let away = self.last_look.replace(now).map(|last| now.saturating_sub(last));
        let others = boots.iter().filter(|seen| seen.boot.id != me && seen.owns > 0 && !seen.dead);
        let before = std::mem::take(&mut self.seen);
        let mut silent = Vec::new();
        for BootSeen { boot, .. } in others {
            let awake = away.is_some_and(|away| away <= boot.lease() / 2);
            let since = match before.get(&boot.id) {
                Some(known) if known.beat == boot.beat && awake => *known,
                Some(_) | None => Since { beat: boot.beat, at: now },
            };
            if now.saturating_sub(since.at) >= boot.lease() {
                silent.push(Silent { boot: boot.id, beat: boot.beat });
            }
            self.seen.insert(boot.id, since);
        }
        silent
    }

    /// When to look again, where there is anybody to watch.
    pub fn next(me: BootId, boots: &[BootSeen]) -> Option<Duration> {
        let others = boots.iter().filter(|seen| seen.boot.id != me && seen.owns > 0);
        others.map(pace).min()
    }

    /// How others are watched that own nothing yet and may begin at any moment: how often, and for how long
    /// after somebody rang. `None` where there is nobody.
    ///
    /// Who begins to own something rings, and at most once in the time of its lease. So whoever has heard it
    /// looks on for longer than that, and misses nobody.
    pub fn vigil(me: BootId, boots: &[BootSeen]) -> Option<(Duration, Duration)> {
        let others = || boots.iter().filter(|seen| seen.boot.id != me && !seen.dead);
        let longest = others().map(|seen| seen.boot.lease()).max()?;
        Some((others().map(pace).min()?, longest.saturating_mul(2)))
    }
}

/// How often a boot is looked at.
fn pace(seen: &BootSeen) -> Duration {
    (seen.boot.lease() / LOOKS).min(SLOWEST_LOOK)
}

#[cfg(test)]
mod tests {
    use oneiric_core::Timestamp;

    use super::*;

    const ME: BootId = BootId::from_bytes([0; 16]);

    fn seen(id: u8, beat: u64, owns: u64) -> BootSeen {
        let record = crate::BootRecord::new(BootId::from_bytes([id; 16]), "h", 1, Timestamp::from_micros(0));
        BootSeen {
            boot: crate::BootRecord { beat, lease_ms: 1000, ..record },
            owns,
            deliveries: 0,
            dead: false,
        }
    }

    /// Looks at (milliseconds, boots) one after the other; the last look's verdict.
    fn check(looks: &[(u64, Vec<BootSeen>)], expected: &[(u8, u64)]) {
        let mut watch = Watch::new();
        let mut silent = Vec::new();
        for (at, boots) in looks {
            silent = watch.look(Duration::from_millis(*at), ME, boots);
        }
        let expected: Vec<_> = expected
            .iter()
            .map(|(id, beat)| Silent { boot: BootId::from_bytes([*id; 16]), beat: *beat })
            .collect();
        assert_eq!(silent, expected, "{looks:?}");
    }

    fn every(step: u64, until: u64, boot: impl Fn(u64) -> BootSeen) -> Vec<(u64, Vec<BootSeen>)> {
        (0..=until / step).map(|n| (n * step, vec![boot(n * step)])).collect()
    }

    #[test]
    fn a_beat_that_does_not_change_for_a_lease_has_stopped() {
        check(&every(200, 800, |_| seen(1, 7, 1)), &[]);
        check(&every(200, 1000, |_| seen(1, 7, 1)), &[(1, 7)]);
        check(&every(200, 5000, |at| seen(1, at / 500, 1)), &[]);
    }

    #[test]
    fn who_was_away_begins_anew() {
        let mut looks = every(200, 800, |_| seen(1, 7, 1));
        looks.push((90_000, vec![seen(1, 7, 1)]));
        check(&looks, &[]);
        looks.extend((1..=5).map(|n| (90_000 + n * 200, vec![seen(1, 7, 1)])));
        check(&looks, &[(1, 7)]);
    }

    #[test]
    fn who_may_begin_is_waited_for_where_there_is_anybody() {
        let check = |boots: &[BootSeen], expected: Option<(u64, u64)>| {
            let millis = |(every, lasts)| (Duration::from_millis(every), Duration::from_millis(lasts));
            assert_eq!(Watch::vigil(ME, boots), expected.map(millis));
        };
        let dead = BootSeen { dead: true, ..seen(2, 1, 1) };
        let me = BootSeen {
            boot: crate::BootRecord { id: ME, ..seen(1, 7, 1).boot },
            owns: 1,
            deliveries: 0,
            dead: false,
        };
        check(&[], None);
        check(&[me.clone(), dead.clone()], None);
        check(&[me, dead, seen(1, 7, 0)], Some((125, 2000)));
    }

    #[test]
    fn who_owns_nothing_is_not_watched() {
        check(&every(200, 5000, |_| seen(1, 7, 0)), &[]);
        // It was idle for long, and has just taken something.
        let mut looks = every(200, 5000, |_| seen(1, 7, 0));
        looks.push((5200, vec![seen(1, 7, 1)]));
        check(&looks, &[]);
        check(
            &every(200, 5000, |_| BootSeen {
                boot: crate::BootRecord { id: ME, ..seen(1, 7, 1).boot },
                owns: 1,
                deliveries: 0,
                dead: false,
            }),
            &[],
        );
    }
}
