/*!
The best few survivors of eight rows at a time, by a sorting network without branches.

Each lane of a vector is a row. A column's eight scores pass down `L` levels; at every level the larger of the score held
and the score passing stays, the other one passes on. What a processor mispredicts in a scan that inserts now and then,
about three times a row of a hundred, costs more than all these comparisons. Written once over a small
[`vector`](crate::vector) type, compiled for AVX2 and, as its portable twin, for everything else.

Prefer [`select`](crate::select) for long windows: the work is `L` comparisons a score.
*/
#![allow(unsafe_code, reason = "code for a processor feature is called once that feature has been found")]
#![allow(clippy::inline_always, reason = "what is inlined is compiled for the features of its caller")]

pub(crate) use crate::vector::LANES;
use crate::vector::Vector;

/// The largest window that a network is made for.
pub(crate) const MOST_LEVELS: usize = 16;

/// What survivors lie between, rounded up to `f32`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Exclusive upper bound of each row.
    pub(crate) ceilings: [f32; LANES],
    /// Inclusive lower bound of all.
    pub(crate) floor: f32,
}

/// What a scan found in [`LANES`] rows.
#[derive(Debug, Clone)]
pub(crate) struct Tops {
    /// Levels that are filled in; the best is level 0. Equal scores are in any order.
    pub(crate) levels: usize,
    /// Scores of each level and row, negative infinity where a row has no more survivors.
    pub(crate) scores: [[f32; LANES]; MOST_LEVELS],
    /// Where they stand in their row.
    pub(crate) columns: [[u32; LANES]; MOST_LEVELS],
    /// Finite scores of each row with `floor <= score < ceiling`.
    pub(crate) survivors: [u32; LANES],
    /// Finite scores of each row at or above the ceiling.
    pub(crate) too_high: [u32; LANES],
    /// NaN and infinities of each row.
    pub(crate) not_finite: [u32; LANES],
}

impl Default for Tops {
    fn default() -> Self {
        Self {
            levels: 0,
            scores: [[f32::NEG_INFINITY; LANES]; MOST_LEVELS],
            columns: [[0; LANES]; MOST_LEVELS],
            survivors: [0; LANES],
            too_high: [0; LANES],
            not_finite: [0; LANES],
        }
    }
}

/// How many levels a network has that holds at least `wanted`; `None` if that is too many.
pub(crate) fn levels_for(wanted: usize) -> Option<usize> {
    [4, 6, 8, 12, MOST_LEVELS].into_iter().find(|&levels| levels >= wanted)
}

/// Scans [`LANES`] rows of `columns` scores each.
///
/// `levels` comes from [`levels_for`]. Bounds are exact for `f32` scores once they are rounded up: a score is below a
/// bound in `f64` if and only if it is below the next `f32`.
pub(crate) fn scan(rows: &[f32], columns: usize, bounds: &Bounds, levels: usize, tops: &mut Tops) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the feature that the function is compiled for was found above.
        unsafe { scan_avx2(rows, columns, bounds, levels, tops) };
        return;
    }
    scan_levels::<[f32; LANES]>(rows, columns, bounds, levels, tops);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn scan_avx2(rows: &[f32], columns: usize, bounds: &Bounds, levels: usize, tops: &mut Tops) {
    scan_levels::<crate::vector::avx2::Avx2>(rows, columns, bounds, levels, tops);
}

#[inline(always)]
fn scan_levels<V: Vector>(rows: &[f32], columns: usize, bounds: &Bounds, levels: usize, tops: &mut Tops) {
    match levels {
        4 => network::<V, 4>(rows, columns, bounds, tops),
        6 => network::<V, 6>(rows, columns, bounds, tops),
        8 => network::<V, 8>(rows, columns, bounds, tops),
        12 => network::<V, 12>(rows, columns, bounds, tops),
        _ => network::<V, MOST_LEVELS>(rows, columns, bounds, tops),
    }
}

#[inline(always)]
fn network<V: Vector, const L: usize>(rows: &[f32], columns: usize, bounds: &Bounds, tops: &mut Tops) {
    let (infinity, none) = (V::splat(f32::INFINITY), V::splat(f32::NEG_INFINITY));
    let (ceilings, floor) = (V::load(bounds.ceilings), V::splat(bounds.floor));
    let mut scores = [none; L];
    let mut places = [V::splat(0.0); L];
    let (mut finite, mut below, mut low) = (V::splat(0.0), V::splat(0.0), V::splat(0.0));
    for start in (0..columns).step_by(LANES) {
        let width = LANES.min(columns - start);
        let mut tail = [[f32::NAN; LANES]; LANES];
        let tile = if width == LANES {
            V::columns(std::array::from_fn(|lane| {
                let from = lane * columns + start;
                rows[from..from + LANES].try_into().unwrap_or(&[f32::NAN; LANES])
            }))
        } else {
            for (lane, row) in tail.iter_mut().enumerate() {
                let from = lane * columns + start;
                row[..width].copy_from_slice(&rows[from..from + width]);
            }
            V::columns(tail.each_ref())
        };
        for (column, score) in tile.into_iter().enumerate().take(width) {
            let is_finite = score.abs().below(infinity);
            let is_below = is_finite.and(score.below(ceilings));
            let is_low = is_below.and(score.below(floor));
            (finite, below, low) = (finite.count(is_finite), below.count(is_below), low.count(is_low));
            let mut passing = none.or_else(is_low, score.or_else(is_below, none));
            let mut place = V::splat(f32::from_bits((start + column) as u32));
            for (held, held_place) in scores.iter_mut().zip(&mut places) {
                let larger = held.below(passing);
                (*held, passing) = (passing.max(*held), passing.min(*held));
                (*held_place, place) = (place.or_else(larger, *held_place), held_place.or_else(larger, place));
            }
        }
    }
    tops.levels = L;
    for level in 0..L {
        (tops.scores[level], tops.columns[level]) = (scores[level].store(), places[level].counters());
    }
    let (finite, below, low) = (finite.counters(), below.counters(), low.counters());
    for lane in 0..LANES {
        tops.not_finite[lane] = columns as u32 - finite[lane];
        tops.too_high[lane] = finite[lane] - below[lane];
        tops.survivors[lane] = below[lane] - low[lane];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What one row should give: the scores of its survivors, best first, and the three counts.
    fn naive(row: &[f32], ceiling: f32, floor: f32) -> (Vec<f32>, [u32; 3]) {
        let mut found = Vec::new();
        let (mut too_high, mut not_finite) = (0, 0);
        for &score in row {
            if !score.is_finite() {
                not_finite += 1;
            } else if score >= ceiling {
                too_high += 1;
            } else if score >= floor {
                found.push(score);
            }
        }
        let survivors = found.len() as u32;
        found.sort_by(|a, b| b.total_cmp(a));
        (found, [survivors, too_high, not_finite])
    }

    proptest! {
        #[test]
        fn equals_its_twin(
            columns in 0_usize..40,
            cells in prop::collection::vec(prop::sample::select(vec![
                -1.5_f32, -0.25, 0.5, 0.75, 1.0, 2.5, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, 1e-40,
            ]), LANES * 40),
            ceilings in prop::array::uniform8(prop::sample::select(vec![-1.0_f32, 0.75, 2.0, f32::INFINITY])),
            floor in prop::sample::select(vec![f32::NEG_INFINITY, -0.25, 0.5]),
            wanted in 1_usize..17,
        ) {
            let rows = &cells[..LANES * columns];
            let levels = levels_for(wanted).unwrap_or(MOST_LEVELS);
            let (mut fast, mut portable) = (Tops::default(), Tops::default());
            let bounds = Bounds { ceilings, floor };
            scan(rows, columns, &bounds, levels, &mut fast);
            scan_levels::<[f32; LANES]>(rows, columns, &bounds, levels, &mut portable);
            for lane in 0..LANES {
                let row = &rows[lane * columns..(lane + 1) * columns];
                let (expected, counts) = naive(row, ceilings[lane], floor);
                for tops in [&fast, &portable] {
                    prop_assert_eq!([tops.survivors[lane], tops.too_high[lane], tops.not_finite[lane]], counts);
                    let held = expected.len().min(levels);
                    let mut places = Vec::new();
                    for level in 0..held {
                        prop_assert_eq!(tops.scores[level][lane], expected[level]);
                        places.push(tops.columns[level][lane]);
                        prop_assert_eq!(row[places[level] as usize], expected[level]);
                    }
                    places.sort_unstable();
                    places.dedup();
                    prop_assert_eq!(places.len(), held);
                    prop_assert!((held..levels).all(|level| tops.scores[level][lane] == f32::NEG_INFINITY));
                }
            }
        }
    }

    #[test]
    fn a_window_has_the_smallest_network_that_holds_it() {
        assert_eq!(levels_for(5), Some(6));
        assert_eq!(levels_for(16), Some(16));
        assert_eq!(levels_for(17), None);
    }
}
