/*!
The best few survivors of eight rows at a time, by a sorting network without branches.

Each lane of a vector is a row. A column's eight scores pass down `L` levels; at every level the larger of what is held and
what passes stays, the other one passes on. What a processor mispredicts in a scan that inserts now and then, about three
times a row of a hundred, costs more than all these comparisons.

So that one number passes and not two, a score's lowest bits give way to its place in a block of columns. The order among
scores that differ in those bits alone is lost in a block; what the levels hold is looked up and put in exact order
afterwards, and [`Top::let_go`] bounds whatever they do not hold. Written once over a small [`vector`](crate::vector) type,
compiled for AVX2 and, as its portable twin, for everything else.

Prefer [`select`](crate::select) for long windows: the work is `L` comparisons a score.
*/
#![allow(unsafe_code, reason = "code for a processor feature is called once that feature has been found")]
#![allow(clippy::inline_always, reason = "what is inlined is compiled for the features of its caller")]

use crate::descending;
use crate::top::{Bounds, MOST_LEVELS, Top};
use crate::vector::{LANES, Vector};

/// Columns of a block, and the bits that their numbers take.
const BLOCK: usize = 128;
const PLACE: i32 = BLOCK as i32 - 1;

/// The bits of an infinite score.
const INFINITE: i32 = 0x7f80_0000;
/// Below the key of every score: a level that holds none.
const NONE: i32 = i32::MIN;

/// How many levels a network has that holds at least `wanted`; `None` if that is too many.
pub(crate) fn levels_for(wanted: usize) -> Option<usize> {
    [4, 6, 8, 12, MOST_LEVELS].into_iter().find(|&levels| levels >= wanted)
}

/// Scans [`LANES`] rows of `columns` scores each.
///
/// `levels` comes from [`levels_for`]. Bounds are exact for `f32` scores once they are rounded up: a score is below a
/// bound in `f64` if and only if it is below the next `f32`.
pub(crate) fn scan(rows: &[f32], columns: usize, bounds: &Bounds, levels: usize, tops: &mut [Top; LANES]) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the feature that the function is compiled for was found above.
        unsafe { scan_avx2(rows, columns, bounds, levels, tops) };
        return;
    }
    scan_levels::<[i32; LANES]>(rows, columns, bounds, levels, tops);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn scan_avx2(rows: &[f32], columns: usize, bounds: &Bounds, levels: usize, tops: &mut [Top; LANES]) {
    scan_levels::<crate::vector::avx2::Avx2>(rows, columns, bounds, levels, tops);
}

#[inline(always)]
fn scan_levels<V: Vector>(rows: &[f32], columns: usize, bounds: &Bounds, levels: usize, tops: &mut [Top; LANES]) {
    if descending::scan(rows, columns, bounds, levels, tops) {
        return;
    }
    for top in tops.iter_mut() {
        top.clear();
        top.span = columns;
    }
    for start in (0..columns).step_by(BLOCK) {
        let width = BLOCK.min(columns - start);
        let rows = std::array::from_fn(|lane| {
            let from = lane * columns + start;
            &rows[from..from + width]
        });
        let block = Block { rows, width, start };
        // Most policies have no floor.
        match (levels, bounds.floor > f32::NEG_INFINITY) {
            (4, false) => block.scan::<V, 4, false>(bounds, tops),
            (4, true) => block.scan::<V, 4, true>(bounds, tops),
            (6, false) => block.scan::<V, 6, false>(bounds, tops),
            (6, true) => block.scan::<V, 6, true>(bounds, tops),
            (8, _) => block.scan::<V, 8, true>(bounds, tops),
            (12, false) => block.scan::<V, 12, false>(bounds, tops),
            (12, true) => block.scan::<V, 12, true>(bounds, tops),
            _ => block.scan::<V, MOST_LEVELS, true>(bounds, tops),
        }
    }
}

/// Some columns of [`LANES`] rows.
struct Block<'a> {
    rows: [&'a [f32]; LANES],
    width: usize,
    /// The column of the first.
    start: usize,
}

impl Block<'_> {
    #[inline(always)]
    fn scan<V: Vector, const L: usize, const FLOOR: bool>(&self, bounds: &Bounds, tops: &mut [Top; LANES]) {
        let mut network = Network::<V, L, FLOOR>::new(bounds);
        let full = self.width / LANES * LANES;
        for start in (0..full).step_by(LANES) {
            let tile = self.rows.map(|row| row[start..start + LANES].try_into().unwrap_or(&[f32::NAN; LANES]));
            for (column, bits) in V::columns(tile).into_iter().enumerate() {
                network.pass(bits, start + column);
            }
        }
        if full < self.width {
            let mut tail = [[f32::NAN; LANES]; LANES];
            for (padded, row) in tail.iter_mut().zip(self.rows) {
                padded[..self.width - full].copy_from_slice(&row[full..]);
            }
            for (column, bits) in V::columns(tail.each_ref()).into_iter().enumerate() {
                network.pass(bits, full + column);
            }
        }
        let levels = network.levels.map(V::store);
        let (finite, below, low) = (network.finite.store(), network.below.store(), network.low.store());
        for (lane, top) in tops.iter_mut().enumerate() {
            top.not_finite += self.width - finite[lane] as usize;
            top.too_high += (finite[lane] - below[lane]) as usize;
            let survivors = (below[lane] - low[lane]) as usize;
            top.survivors += survivors;
            if survivors > L {
                top.let_go = top.let_go.max(score_of(levels[L - 1][lane] | PLACE));
            }
            for level in levels.iter().take(survivors) {
                let place = (level[lane] & PLACE) as usize;
                top.insert(self.rows[lane][place], (self.start + place) as u32, L);
            }
        }
    }
}

/// The best `L` of what has passed, and how much of what.
struct Network<V, const L: usize, const FLOOR: bool> {
    ceilings: V,
    floor: V,
    levels: [V; L],
    finite: V,
    below: V,
    low: V,
}

impl<V: Vector, const L: usize, const FLOOR: bool> Network<V, L, FLOOR> {
    #[inline(always)]
    fn new(bounds: &Bounds) -> Self {
        Self {
            ceilings: V::load(bounds.ceilings.map(bound_key)),
            floor: V::splat(bound_key(bounds.floor)),
            levels: [V::splat(NONE); L],
            finite: V::splat(0),
            below: V::splat(0),
            low: V::splat(0),
        }
    }

    /// One column of bits; what is no finite score counts for nothing.
    #[inline(always)]
    fn pass(&mut self, bits: V, place: usize) {
        let digits = V::splat(i32::MAX);
        let key = bits.xor(bits.negative().and(digits));
        let is_finite = V::splat(INFINITE).above(bits.and(digits));
        self.finite = self.finite.count(is_finite);
        let mut survives = self.ceilings.above(key).and(is_finite);
        self.below = self.below.count(survives);
        if FLOOR {
            let is_low = self.floor.above(key).and(survives);
            self.low = self.low.count(is_low);
            survives = survives.without(is_low);
        }
        let keyed = key.without(V::splat(PLACE)).or(V::splat(place as i32));
        let mut passing = keyed.or_else(survives, V::splat(NONE));
        for held in &mut self.levels {
            (*held, passing) = (passing.max(*held), passing.min(*held));
        }
    }
}

/// A whole number for each bit pattern of a score, in the order of scores; `-0.0` comes just before `0.0`.
fn key_of(score: f32) -> i32 {
    let bits = score.to_bits() as i32;
    bits ^ ((bits >> 31) & i32::MAX)
}

fn score_of(key: i32) -> f32 {
    f32::from_bits((key ^ ((key >> 31) & i32::MAX)) as u32)
}

/// The key that a score's is below if and only if the score is below `bound`: neither zero is below the other.
fn bound_key(bound: f32) -> i32 {
    if bound == 0.0 { key_of(-0.0) } else { key_of(bound) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::tests::naive;
    use proptest::prelude::*;

    fn check(rows: &[f32], columns: usize, bounds: &Bounds, levels: usize) -> Result<(), TestCaseError> {
        let (mut fast, mut portable) = ([Top::default(); LANES], [Top::default(); LANES]);
        scan(rows, columns, bounds, levels, &mut fast);
        scan_levels::<[i32; LANES]>(rows, columns, bounds, levels, &mut portable);
        for lane in 0..LANES {
            let row = &rows[lane * columns..(lane + 1) * columns];
            let (expected, counts) = naive(row, bounds.ceilings[lane], bounds.floor);
            for top in [&fast[lane], &portable[lane]] {
                prop_assert_eq!([top.survivors, top.too_high, top.not_finite], counts);
                prop_assert_eq!(top.held, expected.len().min(levels));
                let held = &top.scores[..top.held];
                prop_assert!(held.is_sorted_by(|a, b| a >= b));
                for (&score, &column) in held.iter().zip(&top.columns) {
                    prop_assert_eq!(score.to_bits(), row[column as usize].to_bits());
                }
                // Above what was let go, the best are held, and no two levels hold one candidate.
                let certain = held.iter().filter(|&&score| score > top.let_go).count();
                for (score, expected) in held.iter().zip(&expected).take(certain) {
                    prop_assert_eq!(score, expected);
                }
                prop_assert!(expected[top.held..].iter().all(|&score| score <= top.let_go));
                let mut places = top.columns[..top.held].to_vec();
                places.sort_unstable();
                places.dedup();
                prop_assert_eq!(places.len(), top.held);
            }
        }
        Ok(())
    }

    const SCORES: [f32; 13] =
        [-1.5, -0.25, -0.0, 0.0, 0.5, 0.75, 1.0, 2.5, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, 1e-40];

    proptest! {
        #[test]
        fn equals_its_twin(
            columns in 0_usize..40,
            cells in prop::collection::vec(prop::sample::select(SCORES.to_vec()), LANES * 40),
            ceilings in prop::array::uniform8(prop::sample::select(vec![-1.0_f32, 0.0, 0.75, 2.0, f32::INFINITY])),
            floor in prop::sample::select(vec![f32::NEG_INFINITY, -0.25, 0.0, 0.5]),
            wanted in 1_usize..17,
        ) {
            let levels = levels_for(wanted).unwrap_or(MOST_LEVELS);
            check(&cells[..LANES * columns], columns, &Bounds { ceilings, floor }, levels)?;
        }

        #[test]
        fn any_bits_in_rows_about_every_boundary(
            columns in prop::sample::select(vec![7_usize, 8, 9, 127, 128, 129, 255, 256, 257, 300]),
            seed: u64,
            narrow: bool,
            levels in prop::sample::select(vec![4_usize, 6, 8, 12, 16]),
        ) {
            let mut state = seed;
            let rows: Vec<f32> = (0..LANES * columns).map(|_| {
                state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let bits = crate::sample::mix(state) as u32;
                // Any number at all, or numbers that differ in bits that places take.
                f32::from_bits(if narrow { 0x3f00_0000 | (bits & 0x3ff) } else { bits })
            }).collect();
            let bounds = Bounds { ceilings: [rows[0], 0.5, 0.500_02, 1e30, f32::INFINITY, 0.0, -1.0, 0.7], floor: -1e9 };
            prop_assume!(!bounds.ceilings[0].is_nan());
            check(&rows, columns, &bounds, levels)?;
        }
    }
}
