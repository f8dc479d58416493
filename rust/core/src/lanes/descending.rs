/*!
Finds the best few survivors of eight rows whose scores are sorted in descending order, as the rows of every search are.

In a sorted row, the scores at or above the ceiling are a prefix, and the survivors follow:

```text
| too high |   survivors   | too low |
           | held |
```

Callers do not promise that rows are sorted. A check finds out, and eight rows that are not sorted usually fail it within
their first few scores.
*/
#![allow(clippy::inline_always, reason = "inlined code is compiled for the instruction set of its caller")]

use crate::lanes::prefetch::Prefetch;
use crate::lanes::scan::{Found, Scan};
use crate::simd::LANES;

/// Scores compared without a branch.
const STEP: usize = 16;

/// Finds the best survivors of each row if all rows are sorted; otherwise leaves `found` alone and returns false.
#[inline(always)]
pub(crate) fn find_best(scan: &Scan<'_>, prefetch: &mut Prefetch, found: &mut Found) -> bool {
    let columns = scan.columns;
    if columns == 0 {
        return false;
    }
    for lane in 0..LANES {
        if !is_descending(&scan.rows[lane * columns..(lane + 1) * columns]) {
            return false;
        }
        for _ in (0..columns).step_by(LANES * LANES) {
            prefetch.step();
        }
    }
    for lane in 0..LANES {
        let row = &scan.rows[lane * columns..(lane + 1) * columns];
        let (too_high, survivors) = count_row(row, scan.bounds.ceilings[lane], scan.bounds.floor);
        let (below, held) = (&row[too_high..], survivors.min(scan.depth));
        for (place, &score) in below[..held].iter().enumerate() {
            (found.scores[place][lane], found.columns[place][lane]) = (score, (too_high + place) as u32);
        }
        if survivors > held {
            found.best_dropped[lane] = below[held];
        }
        (found.survivors[lane], found.too_high[lane]) = (survivors, too_high);
        found.prefix_len = found.prefix_len.max(too_high + held);
    }
    // The ids of the prefix are compared in whole vectors.
    found.prefix_len = found.prefix_len.next_multiple_of(LANES).min(columns);
    true
}

/// Whether all scores are finite and none is larger than the one before it.
#[inline(always)]
fn is_descending(row: &[f32]) -> bool {
    // A NaN fails every comparison below, and an infinity in a sorted row is at one of its ends.
    if !(row[0] < f32::INFINITY && row[row.len() - 1] > f32::NEG_INFINITY) {
        return false;
    }
    let (steps, rest) = row[..row.len() - 1].as_chunks::<STEP>();
    for (number, before) in steps.iter().enumerate() {
        let after = &row[number * STEP + 1..][..STEP];
        // Counting compares many scores at once; a branch for each would not.
        let mut in_order = 0;
        for (before, after) in before.iter().zip(after) {
            in_order += u32::from(before >= after);
        }
        if in_order < STEP as u32 {
            return false;
        }
    }
    let last = &row[row.len() - 1 - rest.len()..];
    last.is_sorted_by(|before, after| before >= after)
}

/// Returns how many scores of a sorted row are at or above the ceiling, and how many survive.
#[inline(always)]
fn count_row(row: &[f32], ceiling: f32, floor: f32) -> (usize, usize) {
    // Most ceilings are near the start of the row. Whole steps come first, because their branches are predictable.
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
    use crate::lanes::scan::LaneBounds;
    use crate::lanes::scan::tests::naive;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sorted_rows_give_the_survivors_of_the_naive_implementation(
            mut row in prop::collection::vec(prop::sample::select(vec![-1.5_f32, -0.0, 0.0, 0.5, 0.75, 2.5]), 1..300),
            ceiling in prop::sample::select(vec![-2.0_f32, 0.0, 0.75, 2.0, f32::INFINITY]),
            floor in prop::sample::select(vec![f32::MIN, 0.0, 0.5]),
            depth in 1_usize..16,
            counted: bool,
        ) {
            row.sort_by(|a, b| b.partial_cmp(a).unwrap_or(std::cmp::Ordering::Equal));
            let (mut rows, columns) = (row.repeat(LANES), row.len());
            let bounds = LaneBounds { ceilings: [ceiling; LANES], floor };
            let mut found = Found::default();
            let mut prefetch = Prefetch::new::<f32, i64>(&rows, &[], 1);
            let is_sorted = find_best(&Scan { rows: &rows, columns, bounds, depth, counted }, &mut prefetch, &mut found);
            prop_assert!(is_sorted);
            let (expected, counts) = naive(&row, ceiling, floor);
            for lane in 0..LANES {
                let counted_here = [found.survivors[lane], found.too_high[lane], found.not_finite[lane]];
                prop_assert_eq!(counted_here, counts);
                let held: Vec<(u32, f32)> = found.held(lane, depth).collect();
                let scores: Vec<f32> = held.iter().map(|&(_, score)| score).collect();
                prop_assert_eq!(&scores, &expected[..expected.len().min(depth)]);
                prop_assert_eq!(found.best_dropped[lane], expected.get(depth).copied().unwrap_or(f32::NEG_INFINITY));
                prop_assert!(held.iter().all(|&(column, score)| row[column as usize] == score));
                prop_assert_eq!(found.prefix_len, (counts[1] + held.len()).next_multiple_of(LANES).min(columns));
            }
            // A single score that is out of order or not finite is noticed anywhere.
            for (place, outlier) in [(rows.len() - 1, 9.0), (columns / 2, f32::NAN), (0, f32::INFINITY)] {
                let before = std::mem::replace(&mut rows[place], outlier);
                let single = columns == 1 && outlier == 9.0;
                let wrong = Scan { rows: &rows, columns, bounds, depth, counted };
                let scanned = find_best(&wrong, &mut prefetch, &mut Found::default());
                prop_assert!(single || !scanned);
                rows[place] = before;
            }
        }
    }
}
