//! Whose turn it is to start and to stop, as a pure function over where every service is.

use super::machine::Stand;

/// One service among the others; the ones that it needs stand before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Where it is.
    pub stand: Stand,
    /// Whether its first attempt came to something.
    pub tried: bool,
    /// Whether it is to be there. Where something that it needs is not to be there, neither is it.
    pub wanted: bool,
    /// Whether the process goes down with it.
    pub critical: bool,
    /// Its wave; it starts when the ones before have come to something.
    pub wave: usize,
    /// The places of those that it needs.
    pub needs: Vec<usize>,
    /// The place that it took when it was started, among all starts.
    pub started: Option<u64>,
}

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// Start the service at this place.
    Start(usize),
    /// Stop it.
    Stop(usize),
    /// It cannot start, because what it needs will not be there.
    Block {
        /// The place of the service.
        service: usize,
        /// The place of what it needs.
        needs: usize,
    },
}

/// What is aimed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    /// Everything that is wanted is there.
    Up,
    /// Nothing further starts; what is there stays.
    Hold,
    /// Nothing is there. Services stop one after the other, in the reverse order of their actual start.
    Down,
}

/// What is to be done now; nothing where something has to happen first.
pub fn moves(all: &[Standing], aim: Aim) -> Vec<Move> {
    match aim {
        Aim::Down => last(all).map(Move::Stop).into_iter().collect(),
        Aim::Hold => stops(all, &wanted(all)),
        Aim::Up => {
            let wanted = wanted(all);
            let mut moves = stops(all, &wanted);
            moves.extend(starts(all, &wanted));
            moves
        }
    }
}

/// Whether every critical service that is wanted is ready, or ended as it should.
pub fn is_up(all: &[Standing]) -> bool {
    let wanted = wanted(all);
    let there = |one: &Standing| matches!(one.stand, Stand::Ready | Stand::Over);
    all.iter().zip(wanted).all(|(one, wanted)| !wanted || !one.critical || there(one))
}

/// Whether nothing of it is under way.
pub const fn is_gone(stand: Stand) -> bool {
    match stand {
        Stand::Idle | Stand::Blocked | Stand::Over | Stand::Failed => true,
        Stand::Coming | Stand::Ready | Stand::Stopping { .. } | Stand::Waiting => false,
    }
}

/// Which are to be there, with all that they need.
pub fn wanted(all: &[Standing]) -> Vec<bool> {
    let mut wanted: Vec<bool> = Vec::with_capacity(all.len());
    for one in all {
        let has_needs = one.needs.iter().all(|place| wanted.get(*place).copied().unwrap_or(true));
        wanted.push(one.wanted && has_needs);
    }
    wanted
}

/// Whether it can be told to stop, and was not.
const fn can_stop(stand: Stand) -> bool {
    match stand {
        Stand::Coming | Stand::Ready | Stand::Waiting | Stand::Stopping { asked: false } => true,
        Stand::Idle | Stand::Blocked | Stand::Over | Stand::Failed | Stand::Stopping { asked: true } => false,
    }
}

/// The one that was started last, where no other one is about to stop.
fn last(all: &[Standing]) -> Option<usize> {
    if all.iter().any(|one| one.stand == Stand::Stopping { asked: true }) {
        return None;
    }
    let up = (0..all.len()).filter(|place| can_stop(all[*place].stand));
    up.max_by_key(|place| all[*place].started)
}

/// Those that are not wanted, behind all that need them.
fn stops(all: &[Standing], wanted: &[bool]) -> Vec<Move> {
    let is_free = |place: usize| !all.iter().any(|one| one.needs.contains(&place) && !is_gone(one.stand));
    let unwanted = (0..all.len()).filter(|place| !wanted[*place] && can_stop(all[*place].stand));
    unwanted.filter(|place| is_free(*place)).map(Move::Stop).collect()
}

fn starts(all: &[Standing], wanted: &[bool]) -> Vec<Move> {
    let ready = |place: &usize| all[*place].stand == Stand::Ready;
    let settled = |place: usize| {
        let one = &all[place];
        !wanted[place]
            || match one.stand {
                Stand::Ready | Stand::Over | Stand::Failed | Stand::Blocked => true,
                Stand::Coming | Stand::Waiting | Stand::Stopping { .. } => !one.critical && one.tried,
                // It has its turn first, unless that has to wait for something else.
                Stand::Idle => !one.critical && !one.needs.iter().all(ready),
            }
    };
    let mut moves = Vec::new();
    for (place, one) in all.iter().enumerate() {
        if !wanted[place] || !matches!(one.stand, Stand::Idle | Stand::Blocked) {
            continue;
        }
        let before = (0..all.len()).filter(|other| all[*other].wave < one.wave);
        if one.needs.iter().all(ready) {
            if before.into_iter().all(settled) {
                moves.push(Move::Start(place));
            }
        } else if one.stand == Stand::Idle {
            let lost =
                |place: &&usize| matches!(all[**place].stand, Stand::Failed | Stand::Over | Stand::Blocked);
            moves.extend(
                one.needs.iter().find(lost).map(|needs| Move::Block { service: place, needs: *needs }),
            );
        }
    }
    moves
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `stand` in one letter: `.` idle, `x` failed, `o` over, `b` blocked, `c` coming, `l` late, `r` ready,
    /// `s` stopping, `u` unfit, `w` waiting. Each is a wave of its own and was started in this order.
    fn row(stands: &str, optional: &[usize], unwanted: &[usize], needs: &[(usize, usize)]) -> Vec<Standing> {
        let stand = |letter| match letter {
            '.' => Stand::Idle,
            'x' => Stand::Failed,
            'o' => Stand::Over,
            'b' => Stand::Blocked,
            'c' | 'l' => Stand::Coming,
            'r' => Stand::Ready,
            's' => Stand::Stopping { asked: true },
            'u' => Stand::Stopping { asked: false },
            'w' => Stand::Waiting,
            other => panic!("{other}"),
        };
        let standing = |(place, letter): (usize, char)| Standing {
            stand: stand(letter),
            tried: !matches!(letter, '.' | 'c'),
            wanted: !unwanted.contains(&place),
            critical: !optional.contains(&place),
            wave: place,
            needs: needs.iter().filter(|(who, _)| *who == place).map(|(_, whom)| *whom).collect(),
            started: (letter != '.').then_some(place as u64),
        };
        stands.chars().enumerate().map(standing).collect()
    }

    #[test]
    fn a_wave_starts_when_the_ones_before_have_come_to_something() {
        let check = |stands: &str, optional: &[usize], expected: &[Move]| {
            assert_eq!(moves(&row(stands, optional, &[], &[]), Aim::Up), expected, "{stands}");
        };
        check("..", &[], &[Move::Start(0)]);
        check("c.", &[], &[]);
        check("c.", &[0], &[]);
        check("l.", &[], &[]);
        check("l.", &[0], &[Move::Start(1)]);
        check("w.", &[], &[]);
        check("w.", &[0], &[Move::Start(1)]);
        check("r.", &[], &[Move::Start(1)]);
        check("o.", &[], &[Move::Start(1)]);
        check("x.", &[0], &[Move::Start(1)]);
    }

    #[test]
    fn what_needs_a_service_waits_for_it_alone() {
        let needs: &[(usize, usize)] = &[(1, 0)];
        let check = |stands: &str, expected: &[Move]| {
            assert_eq!(moves(&row(stands, &[0, 1], &[], needs), Aim::Up), expected, "{stands}");
        };
        check("w..", &[Move::Start(2)]);
        check("x..", &[Move::Block { service: 1, needs: 0 }, Move::Start(2)]);
        check("xbr", &[]);
        check("rbr", &[Move::Start(1)]);
        check("ro.", &[Move::Start(2)]);
    }

    #[test]
    fn what_needs_a_service_stops_before_it_and_comes_back_with_it() {
        let needs: &[(usize, usize)] = &[(1, 0), (2, 1)];
        let check = |stands: &str, unwanted: &[usize], expected: &[Move]| {
            assert_eq!(moves(&row(stands, &[], unwanted, needs), Aim::Up), expected, "{stands}");
        };
        check("rrr", &[0], &[Move::Stop(2)]);
        check("rrs", &[0], &[]);
        check("rr.", &[0], &[Move::Stop(1)]);
        check("r..", &[0], &[Move::Stop(0)]);
        check("...", &[0], &[]);
        check("...", &[], &[Move::Start(0)]);
        check("wrr", &[], &[]);
        check("rur", &[1], &[Move::Stop(2)]);
    }

    #[test]
    fn the_end_goes_back_one_by_one() {
        let check = |stands: &str, expected: &[Move]| {
            assert_eq!(moves(&row(stands, &[], &[], &[]), Aim::Down), expected, "{stands}");
        };
        check("rrr", &[Move::Stop(2)]);
        check("rrs", &[]);
        check("rwx", &[Move::Stop(1)]);
        check("u..", &[Move::Stop(0)]);
        check("...", &[]);
        // Started last, whatever its wave.
        let mut rows = row("rr", &[], &[], &[]);
        rows[0].started = Some(9);
        assert_eq!(moves(&rows, Aim::Down), [Move::Stop(0)]);
        assert_eq!(moves(&row("r..", &[], &[], &[]), Aim::Hold), []);
    }

    #[test]
    fn all_are_up_when_the_critical_ones_are() {
        let check = |stands: &str, optional: &[usize], unwanted: &[usize], expected: bool| {
            assert_eq!(is_up(&row(stands, optional, unwanted, &[])), expected, "{stands}");
        };
        check("", &[], &[], true);
        check("rc", &[], &[], false);
        check("rc", &[1], &[], true);
        check("rc", &[], &[1], true);
        check("ro", &[], &[], true);
    }
}
