/*!
Rows whose scores already descend, as every search returns them: the window is where the ceiling says, nothing need be
compared.

That rows descend is found out, not promised: eight rows that do not are known by their first few scores.
*/
#![allow(clippy::inline_always, reason = "what is inlined is compiled for the features of its caller")]

use crate::lanes::network::Scan;
use crate::lanes::prefetch::Ahead;
use crate::lanes::scan::Found;
use crate::simd::LANES;

/// Scores that are compared before a look at the outcome.
const STEP: usize = 16;

/// Fills in what a [`network`](crate::lanes::network) would, if all rows descend; else says no.
#[inline(always)]
pub(crate) fn scan(scan: &Scan<'_>, ahead: &mut Ahead, found: &mut Found) -> bool {
    let columns = scan.columns;
    if columns == 0 {
        return false;
    }
    for lane in 0..LANES {
        if !descends(&scan.rows[lane * columns..(lane + 1) * columns]) {
            return false;
        }
        for _ in (0..columns).step_by(LANES * LANES) {
            ahead.more();
        }
    }
    for lane in 0..LANES {
        let row = &scan.rows[lane * columns..(lane + 1) * columns];
        let (too_high, survivors) = bound(row, scan.bounds.ceilings[lane], scan.bounds.floor);
        let (below, held) = (&row[too_high..], survivors.min(scan.wanted));
        for (place, &score) in below[..held].iter().enumerate() {
            (found.scores[place][lane], found.columns[place][lane]) = (score, (too_high + place) as u32);
        }
        if survivors > held {
            found.let_go[lane] = below[held];
        }
        (found.survivors[lane], found.too_high[lane]) = (survivors, too_high);
        found.span = found.span.max(too_high + held);
    }
    // Whole vectors of ids are looked at.
    found.span = found.span.next_multiple_of(LANES).min(columns);
    true
}

/// Whether all scores are finite and none is larger than the one before it.
#[inline(always)]
fn descends(row: &[f32]) -> bool {
    // NaN is neither larger nor smaller than anything, and an infinity can only stand at an end.
    if !(row[0] < f32::INFINITY && row[row.len() - 1] > f32::NEG_INFINITY) {
        return false;
    }
    let (steps, rest) = row[..row.len() - 1].as_chunks::<STEP>();
    for (number, before) in steps.iter().enumerate() {
        let after = &row[number * STEP + 1..][..STEP];
        // A count and not a question for each: that is done many at a time.
        let mut falls = 0;
        for (before, after) in before.iter().zip(after) {
            falls += u32::from(before >= after);
        }
        if falls < STEP as u32 {
            return false;
        }
    }
    let last = &row[row.len() - 1 - rest.len()..];
    last.is_sorted_by(|before, after| before >= after)
}

/// How many scores of a descending row lie at or above the ceiling, and how many survive.
#[inline(always)]
fn bound(row: &[f32], ceiling: f32, floor: f32) -> (usize, usize) {
    // Most ceilings are near the top: whole steps first, which are easy to foresee, then within one.
    let mut too_high = 0;
    for step in row.chunks(STEP) {
        if step[step.len() - 1] < ceiling {
            too_high += step.iter().filter(|&&score| score >= ceiling).count();
            break;
        }
        too_high += step.len();
    }
    let below = &row[too_high..];
    let survivors = if floor > f32::MIN { below.partition_point(|&score| score >= floor) } else { below.len() };
    (too_high, survivors)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::scan::Bounds;
    use crate::lanes::scan::tests::naive;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn equals_its_twin(
            mut row in prop::collection::vec(prop::sample::select(vec![-1.5_f32, -0.0, 0.0, 0.5, 0.75, 2.5]), 1..300),
            ceiling in prop::sample::select(vec![-2.0_f32, 0.0, 0.75, 2.0, f32::INFINITY]),
            floor in prop::sample::select(vec![f32::MIN, 0.0, 0.5]),
            wanted in 1_usize..16,
            counted: bool,
        ) {
            row.sort_by(|a, b| b.partial_cmp(a).unwrap_or(std::cmp::Ordering::Equal));
            let (mut rows, columns) = (row.repeat(LANES), row.len());
            let bounds = Bounds { ceilings: [ceiling; LANES], floor };
            let mut found = Found::default();
            let mut ahead = Ahead::of::<f32, i64>(&rows, &[], 1);
            let descends = scan(&Scan { rows: &rows, columns, bounds, wanted, counted }, &mut ahead, &mut found);
            prop_assert!(descends);
            let (expected, counts) = naive(&row, ceiling, floor);
            for lane in 0..LANES {
                let counted_here = [found.survivors[lane], found.too_high[lane], found.not_finite[lane]];
                prop_assert_eq!(counted_here, counts);
                let held: Vec<(u32, f32)> = found.held(lane, wanted).collect();
                let scores: Vec<f32> = held.iter().map(|&(_, score)| score).collect();
                prop_assert_eq!(&scores, &expected[..expected.len().min(wanted)]);
                prop_assert_eq!(found.let_go[lane], expected.get(wanted).copied().unwrap_or(f32::NEG_INFINITY));
                prop_assert!(held.iter().all(|&(column, score)| row[column as usize] == score));
                prop_assert_eq!(found.span, (counts[1] + held.len()).next_multiple_of(LANES).min(columns));
            }
            // One score out of order, or none at all, anywhere.
            for (place, outlier) in [(rows.len() - 1, 9.0), (columns / 2, f32::NAN), (0, f32::INFINITY)] {
                let before = std::mem::replace(&mut rows[place], outlier);
                let single = columns == 1 && outlier == 9.0;
                let wrong = Scan { rows: &rows, columns, bounds, wanted, counted };
                let scanned = scan(&wrong, &mut ahead, &mut Found::default());
                prop_assert!(single || !scanned);
                rows[place] = before;
            }
        }
    }
}
