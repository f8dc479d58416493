/*!
Rows whose scores already descend, as every search returns them: the window is where the ceiling says, nothing need be
compared.

That rows descend is found out, not promised: eight rows that do not are known by their first few scores.
*/
#![allow(clippy::inline_always, reason = "what is inlined is compiled for the features of its caller")]

use crate::top::{Bounds, Top};
use crate::vector::LANES;

/// Scores that are compared before a look at the outcome.
const STEP: usize = 16;

/// Fills in what [`network::scan`](crate::network::scan) would, if all rows descend; else says no.
#[inline(always)]
pub(crate) fn scan(rows: &[f32], columns: usize, bounds: &Bounds, levels: usize, tops: &mut [Top; LANES]) -> bool {
    if columns == 0 {
        return false;
    }
    for lane in 0..LANES {
        if !descends(&rows[lane * columns..(lane + 1) * columns]) {
            return false;
        }
    }
    for (lane, top) in tops.iter_mut().enumerate() {
        fill(top, &rows[lane * columns..(lane + 1) * columns], bounds.ceilings[lane], bounds.floor, levels);
    }
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

/// What a descending row holds.
#[inline(always)]
fn fill(top: &mut Top, row: &[f32], ceiling: f32, floor: f32, levels: usize) {
    top.clear();
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
    let survivors =
        if floor > f32::NEG_INFINITY { below.partition_point(|&score| score >= floor) } else { below.len() };
    let held = survivors.min(levels);
    top.scores[..held].copy_from_slice(&below[..held]);
    for (place, column) in top.columns[..held].iter_mut().enumerate() {
        *column = (too_high + place) as u32;
    }
    (top.held, top.survivors, top.too_high, top.span) = (held, survivors, too_high, too_high + held);
    if survivors > held {
        top.let_go = below[held];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::tests::naive;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn equals_its_twin(
            mut row in prop::collection::vec(prop::sample::select(vec![-1.5_f32, -0.0, 0.0, 0.5, 0.75, 2.5]), 1..300),
            ceiling in prop::sample::select(vec![-2.0_f32, 0.0, 0.75, 2.0, f32::INFINITY]),
            floor in prop::sample::select(vec![f32::NEG_INFINITY, 0.0, 0.5]),
            levels in 1_usize..=16,
        ) {
            row.sort_by(|a, b| b.partial_cmp(a).unwrap_or(std::cmp::Ordering::Equal));
            let mut rows = row.repeat(LANES);
            let (bounds, mut tops) = (Bounds { ceilings: [ceiling; LANES], floor }, [Top::default(); LANES]);
            prop_assert!(scan(&rows, row.len(), &bounds, levels, &mut tops));
            let (expected, counts) = naive(&row, ceiling, floor);
            for top in &tops {
                prop_assert_eq!([top.survivors, top.too_high, top.not_finite], counts);
                prop_assert_eq!(&top.scores[..top.held], &expected[..expected.len().min(levels)]);
                prop_assert_eq!(top.let_go, expected.get(levels).copied().unwrap_or(f32::NEG_INFINITY));
                prop_assert!((0..top.held).all(|place| row[top.columns[place] as usize] == top.scores[place]));
            }
            // One score out of order, or none at all, anywhere.
            for (place, wrong) in [(rows.len() - 1, 9.0), (row.len() / 2, f32::NAN), (0, f32::INFINITY)] {
                let before = std::mem::replace(&mut rows[place], wrong);
                let single = row.len() == 1 && wrong == 9.0;
                prop_assert!(single || !scan(&rows, row.len(), &bounds, levels, &mut tops));
                rows[place] = before;
            }
        }
    }
}
