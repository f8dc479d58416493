/*!
Shortlists that are made elsewhere, such as on a GPU, where the product is made and stays.

Whoever multiplies is told what each query's scores mean ([`Best::zones`]), lists the pairs about which they leave a
doubt, counts the others, and hands both over ([`Best::update_listed`]). The listed pairs are scored here, so the outcome is
that of [`Best::search`].
*/

use crate::error::Error;
use crate::input::layout::Layout;
use crate::search::Best;
use crate::search::dot::{Similarity, check_vectors, norm};
use crate::search::doubt::Outside;
use crate::search::rescore::Vectors;
use crate::search::target::Which;
use rayon::prelude::*;

/// What the scores of a product say, a value a query.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Zones {
    /// What is above lies at the ceiling or higher for certain.
    pub ceiling: Vec<f32>,
    /// What is not below, nor above the ceiling, may be among the best.
    pub floor: Vec<f32>,
    /// What is below lies below the policy's floor for certain.
    pub low: Vec<f32>,
    /// What is not below `low`, nor above this, may.
    pub low_end: Vec<f32>,
    /// What is below is below the ceiling for certain.
    pub certain: Vec<f32>,
    /// Where the list is not full: so many scores below `certain` are enough to leave out what is worse than the last of
    /// them by more than twice the reach. 0 where it is.
    pub enough: Vec<i64>,
}

/// What a product leaves in doubt, and how many passages of each query it does not.
#[derive(Debug, Clone, Copy)]
pub struct Listed<'a> {
    /// Which of the places are whose.
    pub layout: Layout<'a>,
    /// Places of passages in the block, no passage of a query twice.
    pub places: &'a [i64],
    /// How many of the others lie at or above each query's ceiling.
    pub too_high: &'a [i64],
    /// How many of the others lie below the floor.
    pub too_low: &'a [i64],
}

impl Best {
    /// What scores mean that lie no further than its `reach` from the reported ones of each query.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is not one reach a query.
    pub fn zones(&self, which: Which, reach: &[f64]) -> Result<Zones, Error> {
        if reach.len() != self.lists.len() {
            return Err(Error::Shape(format!("{} reaches for {} queries", reach.len(), self.lists.len())));
        }
        let mut all = Zones::default();
        for (query, (lists, &reach)) in self.lists.iter().zip(reach).enumerate() {
            let bounds = self.sought.bounds(query, which);
            let list = match which {
                Which::Within => &lists.within,
                Which::All => &lists.all,
            };
            let worst = list.worst(bounds.depth, reach);
            let zones = bounds.zones(reach, worst.unwrap_or(f64::NEG_INFINITY));
            all.ceiling.push(zones.ceiling);
            all.floor.push(zones.floor);
            all.low.push(zones.low.0);
            all.low_end.push(zones.low.1);
            all.certain.push(bounds.certain(reach));
            all.enough.push(if worst.is_some() { 0 } else { i64::try_from(bounds.enough()).unwrap_or(i64::MAX) });
        }
        Ok(all)
    }

    /// Takes in a block of passages `first..`, of which only the listed ones are in doubt.
    ///
    /// # Errors
    /// [`Error::Shape`] if the arrays do not fit each other, [`Error::IdOutOfRange`] for a place outside the block,
    /// [`Error::VectorNotFinite`] naming a vector that cannot be scored.
    pub fn update_listed(
        &mut self,
        which: Which,
        vectors: Vectors<'_>,
        first: i64,
        listed: Listed<'_>,
    ) -> Result<(), Error> {
        let Vectors { queries, passages, dimension, similarity, rounded } = vectors;
        let width = passages.len().checked_div(dimension).unwrap_or(0);
        let rows = self.lists.len();
        check_vectors(queries, dimension, rows)?;
        check_vectors(passages, dimension, width)?;
        listed.layout.check("places", listed.places.len())?;
        if [listed.layout.rows(), listed.too_high.len(), listed.too_low.len()] != [rows; 3] {
            return Err(Error::Shape(format!("a shortlist of another number of queries than {rows}")));
        }
        let sought = &self.sought;
        let norm_for = |vector: &[f32]| if similarity == Similarity::Cosine { norm(vector) } else { 0.0 };
        self.lists.par_iter_mut().enumerate().try_for_each_init(Vec::new, |scored, (query, lists)| {
            let outside = Outside {
                too_high: usize::try_from(listed.too_high[query]).unwrap_or(0),
                too_low: usize::try_from(listed.too_low[query]).unwrap_or(0),
            };
            let vector = &queries[query * dimension..(query + 1) * dimension];
            let length = norm_for(vector);
            scored.clear();
            for &place in &listed.places[listed.layout.cells(query)] {
                let inside = usize::try_from(place).ok().filter(|&inside| inside < width);
                let place = inside.ok_or(Error::IdOutOfRange { row: query, id: place, passages: width })?;
                let other = &passages[place * dimension..(place + 1) * dimension];
                let score = similarity.score(vector, other, length, norm_for(other));
                if !score.is_finite() {
                    return Err(if vector.iter().all(|component| component.is_finite()) {
                        Error::VectorNotFinite { what: "passage", row: first as usize + place }
                    } else {
                        Error::VectorNotFinite { what: "query", row: query }
                    });
                }
                scored.push((first + place as i64, if rounded { f64::from(score as f32) } else { score }));
            }
            lists.of(which).add(sought.bounds(query, which), outside, scored.drain(..));
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::dot::reach;
    use crate::search::doubt::{self, shortlist};
    use crate::search::target::Sought;
    use proptest::prelude::*;

    const DIMENSION: usize = 3;
    const QUERIES: usize = 6;

    /// Offers a block as a GPU would: scores that are off by as much as is allowed, cut to what is in doubt.
    fn offer(best: &mut Best, which: Which, vectors: Vectors<'_>, first: i64, noise: &[f64]) -> Result<(), Error> {
        let passages: Vec<&[f32]> = vectors.passages.chunks_exact(DIMENSION).collect();
        let (mut reaches, mut scores) = (Vec::new(), Vec::new());
        for query in vectors.queries.chunks_exact(DIMENSION) {
            let longest = passages.iter().map(|passage| norm(passage)).fold(0.0, f64::max);
            let (a, b) = if vectors.similarity == Similarity::Cosine { (1.0, 1.0) } else { (norm(query), longest) };
            let reach = reach(DIMENSION, 1e-3, a, b);
            reaches.push(reach);
            scores.push(
                passages
                    .iter()
                    .enumerate()
                    .map(|(place, passage)| {
                        let exact = vectors.similarity.score(query, passage, norm(query), norm(passage));
                        (exact + 0.999 * noise[(place + reaches.len()) % noise.len()] * reach) as f32
                    })
                    .collect::<Vec<f32>>(),
            );
        }
        let zones = best.zones(which, &reaches)?;
        let (mut offsets, mut places, mut too_high, mut too_low) = (vec![0], Vec::new(), Vec::new(), Vec::new());
        for (query, row) in scores.iter().enumerate() {
            let mut below: Vec<f32> = row.iter().copied().filter(|&score| score < zones.certain[query]).collect();
            below.sort_by(|a, b| b.total_cmp(a));
            let enough = zones.enough[query] as usize;
            let worst = if enough > 0 && enough <= below.len() {
                (f64::from(below[enough - 1]) - 2.0 * reaches[query]) as f32
            } else {
                f32::NEG_INFINITY
            };
            let zone = doubt::Zones {
                ceiling: zones.ceiling[query],
                floor: zones.floor[query].max(worst.next_down()),
                low: (zones.low[query], zones.low_end[query]),
            };
            let mut row_places = Vec::new();
            let outside = shortlist(row, zone, &mut row_places);
            places.extend(row_places.iter().map(|&place| place as i64));
            offsets.push(places.len() as i64);
            too_high.push(outside.too_high as i64);
            too_low.push(outside.too_low as i64);
        }
        let layout = Layout::Ragged { offsets: &offsets };
        best.update_listed(
            which,
            vectors,
            first,
            Listed { layout, places: &places, too_high: &too_high, too_low: &too_low },
        )
    }

    proptest! {
        /// Few distinct components make many ties and copies.
        #[test]
        fn equals_the_search(
            queries in prop::collection::vec(-2_i8..3, DIMENSION * QUERIES),
            passages in prop::collection::vec(-2_i8..3, DIMENSION * 60),
            depth in 1_usize..12,
            block in 1_usize..70,
            noise in prop::collection::vec(-1.0_f64..1.0, 50),
            ceiling in prop::sample::select(vec![f64::INFINITY, 0.37 * 0.37, f64::from(0.37_f32).powi(2), 0.0, -9.0]),
            floor in prop::sample::select(vec![f64::NEG_INFINITY, f64::from(0.37_f32).powi(2), 0.0, 0.5]),
            excluded in prop::collection::vec(prop::collection::btree_set(0_i64..60, 0..20), QUERIES),
            cosine: bool,
            rounded: bool,
        ) {
            let components = |levels: &[i8]| levels.iter().map(|&l| f32::from(l) * 0.37).collect::<Vec<f32>>();
            let (queries, passages) = (components(&queries), components(&passages));
            let similarity = if cosine { Similarity::Cosine } else { Similarity::Dot };
            let excluded = excluded.into_iter().map(|ids| ids.into_iter().collect()).collect();
            let sought = Sought { depth, ceilings: vec![ceiling; QUERIES], floor, excluded, kept: 7 };
            let (mut listed, mut searched) = (Best::new(sought.clone()), Best::new(sought));
            for (number, rows) in passages.chunks(DIMENSION * block).enumerate() {
                let vectors = Vectors { queries: &queries, passages: rows, dimension: DIMENSION, similarity, rounded };
                let first = (number * block) as i64;
                for which in [Which::Within, Which::All] {
                    prop_assert!(offer(&mut listed, which, vectors, first, &noise).is_ok());
                }
                prop_assert!(searched.search(vectors, first).is_ok());
            }
            prop_assert_eq!(listed.outside(), searched.outside());
            let bits = |(ids, scores): (Vec<i64>, Vec<f64>)| (ids, scores.into_iter().map(f64::to_bits).collect::<Vec<_>>());
            prop_assert_eq!(bits(listed.finish()), bits(searched.finish()));
            prop_assert_eq!(bits(listed.finish_kept()), bits(searched.finish_kept()));
        }
    }

    fn one(places: &[i64], passages: &[f32], ceilings: Vec<f64>) -> (Best, Result<(), Error>) {
        let mut best =
            Best::new(Sought { depth: 2, ceilings, floor: f64::NEG_INFINITY, excluded: Vec::new(), kept: 0 });
        let vectors =
            Vectors { queries: &[1.0, 0.0], passages, dimension: 2, similarity: Similarity::Dot, rounded: false };
        let layout = Layout::Ragged { offsets: &[0, places.len() as i64] };
        let outcome =
            best.update_listed(Which::Within, vectors, 10, Listed { layout, places, too_high: &[0], too_low: &[0] });
        (best, outcome)
    }

    #[test]
    fn nothing_outside_the_block_is_read() {
        for place in [-1, 2, i64::MAX, i64::MIN] {
            let (_, outcome) = one(&[0, place], &[1.0, 0.0, 0.5, 0.0], vec![f64::INFINITY]);
            assert_eq!(outcome, Err(Error::IdOutOfRange { row: 0, id: place, passages: 2 }));
        }
    }

    #[test]
    fn vectors_that_are_not_finite_are_named() {
        let (_, outcome) = one(&[1], &[1.0, 0.0, f32::NAN, 0.0], vec![f64::INFINITY]);
        assert_eq!(outcome, Err(Error::VectorNotFinite { what: "passage", row: 11 }));
    }

    /// A product beyond `f32` says nothing: its reach is infinite, and everything is in doubt.
    #[test]
    fn an_infinite_reach_settles_nothing() {
        let (best, outcome) = one(&[0, 1], &[3e38, 0.0, 2e38, 0.0], vec![2.5e38]);
        assert_eq!(outcome, Ok(()));
        assert_eq!(best.outside(), (vec![1], vec![0]));
        let zones = best.zones(Which::Within, &[f64::INFINITY]);
        assert!(zones.is_ok_and(|z| z.ceiling[0].is_infinite()
            && z.floor[0] == f32::NEG_INFINITY
            && z.certain[0] == f32::NEG_INFINITY));
    }
}
