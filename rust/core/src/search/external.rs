/*!
Searches whose matrix product is computed elsewhere, such as on a GPU, where the products then stay.

The caller asks what the products of each query mean ([`Best::zones`]), lists the pairs that are in doubt and counts the ones
that are certainly outside the bounds, and passes both to [`Best::update_listed`]. The listed pairs are scored here, so the
result equals that of [`Best::search`].
*/

use crate::error::Error;
use crate::input::layout::Layout;
use crate::search::Best;
use crate::search::dot::{Similarity, check_vectors, norm};
use crate::search::doubt::Outside;
use crate::search::rescore::Vectors;
use crate::search::target::Scope;
use rayon::prelude::*;

/// What the products of a block mean, one element per query.
///
/// ```text
///     low_below      low_until       best_from               high_above
///  ───────┼──────────────┼───────────────┼────────────────────────┼────────►
///  counted│   in doubt   │    ignored    │        in doubt        │ counted
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ZoneColumns {
    /// A passage whose product is below this is certainly below the floor.
    pub low_below: Vec<f32>,
    /// A passage whose product is between `low_below` and this may be below the floor.
    pub low_until: Vec<f32>,
    /// A passage whose product is between this and `high_above` may be among the best.
    pub best_from: Vec<f32>,
    /// A passage whose product is above this is certainly at or above the ceiling.
    pub high_above: Vec<f32>,
    /// A passage whose product is below this is certainly below the ceiling.
    pub inside_below: Vec<f32>,
    /// Number of products below `inside_below` that are enough to fill the query's list. A passage whose product is lower
    /// than all of these by more than twice the error need not be listed. 0 if the list is full: `best_from` then excludes
    /// all such passages.
    pub enough: Vec<i64>,
}

/// The pairs of a block that are in doubt, and the numbers of passages that are certainly outside the bounds.
#[derive(Debug, Clone, Copy)]
pub struct Shortlist<'a> {
    /// How `places` is divided into rows, one per query.
    pub layout: Layout<'a>,
    /// Places of passages in the block. No place repeats within a query.
    pub places: &'a [i64],
    /// Number of passages of each query that are certainly at or above its ceiling.
    pub too_high: &'a [i64],
    /// Number of passages of each query that are certainly below the floor.
    pub too_low: &'a [i64],
}

impl Best {
    /// Returns what products mean that are within `score_errors` of the reported scores, one error per query.
    ///
    /// # Errors
    /// [`Error::Shape`] if the number of errors is not the number of queries.
    pub fn zones(&self, scope: Scope, score_errors: &[f64]) -> Result<ZoneColumns, Error> {
        if score_errors.len() != self.lists.len() {
            let (errors, queries) = (score_errors.len(), self.lists.len());
            return Err(Error::Shape(format!("{errors} score errors for {queries} queries")));
        }
        let mut columns = ZoneColumns::default();
        for (query, (lists, &error)) in self.lists.iter().zip(score_errors).enumerate() {
            let target = self.target.of_query(query, scope);
            let worst = lists.list(scope).worst(target.depth, error);
            let zones = target.zones(error, worst.unwrap_or(f64::NEG_INFINITY));
            columns.low_below.push(zones.low_below);
            columns.low_until.push(zones.low_until);
            columns.best_from.push(zones.best_from);
            columns.high_above.push(zones.high_above);
            columns.inside_below.push(target.inside_below(error));
            let enough = i64::try_from(target.enough()).unwrap_or(i64::MAX);
            columns.enough.push(if worst.is_some() { 0 } else { enough });
        }
        Ok(columns)
    }

    /// Merges a block of passages, whose ids start with `first` and of which only the listed ones are in doubt.
    ///
    /// # Errors
    /// [`Error::Shape`] if the arrays do not fit each other, [`Error::IdOutOfRange`] for a place outside the block,
    /// [`Error::VectorNotFinite`] for a vector that cannot be scored.
    pub fn update_listed(
        &mut self,
        scope: Scope,
        vectors: Vectors<'_>,
        first: i64,
        shortlist: Shortlist<'_>,
    ) -> Result<(), Error> {
        let Vectors { queries, passages, dimension, similarity, rounded } = vectors;
        let width = passages.len().checked_div(dimension).unwrap_or(0);
        let rows = self.lists.len();
        check_vectors(queries, dimension, rows)?;
        check_vectors(passages, dimension, width)?;
        shortlist.layout.check("places", shortlist.places.len())?;
        let given = [shortlist.layout.rows(), shortlist.too_high.len(), shortlist.too_low.len()];
        if let Some(other) = given.into_iter().find(|&other| other != rows) {
            return Err(Error::Shape(format!("the shortlist has {other} rows for {rows} queries")));
        }
        let target = &self.target;
        let norm_for = |vector: &[f32]| if similarity == Similarity::Cosine { norm(vector) } else { 0.0 };
        self.lists.par_iter_mut().enumerate().try_for_each_init(Vec::new, |scored, (query, lists)| {
            let outside = Outside {
                too_high: usize::try_from(shortlist.too_high[query]).unwrap_or(0),
                too_low: usize::try_from(shortlist.too_low[query]).unwrap_or(0),
            };
            let vector = &queries[query * dimension..(query + 1) * dimension];
            let length = norm_for(vector);
            scored.clear();
            for &place in &shortlist.places[shortlist.layout.cells(query)] {
                let inside = usize::try_from(place).ok().filter(|&inside| inside < width);
                let place = inside.ok_or(Error::IdOutOfRange { row: query, id: place, passages: width })?;
                let other = &passages[place * dimension..(place + 1) * dimension];
                let exact = similarity.score(vector, other, length, norm_for(other));
                if !exact.is_finite() {
                    return Err(if vector.iter().all(|component| component.is_finite()) {
                        Error::VectorNotFinite { what: "passage", row: first as usize + place }
                    } else {
                        Error::VectorNotFinite { what: "query", row: query }
                    });
                }
                scored.push((first + place as i64, if rounded { f64::from(exact as f32) } else { exact }));
            }
            lists.list_mut(scope).add(target.of_query(query, scope), outside, scored.drain(..));
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::dot::score_error;
    use crate::search::doubt::{Zones, find_in_doubt};
    use crate::search::target::Target;
    use proptest::prelude::*;

    const DIMENSION: usize = 3;
    const QUERIES: usize = 6;

    /// Merges a block as a GPU would: with products that differ from the scores by almost the error bound.
    fn offer(best: &mut Best, scope: Scope, vectors: Vectors<'_>, first: i64, noise: &[f64]) -> Result<(), Error> {
        let passages: Vec<&[f32]> = vectors.passages.chunks_exact(DIMENSION).collect();
        let (mut errors, mut scores) = (Vec::new(), Vec::new());
        for query in vectors.queries.chunks_exact(DIMENSION) {
            let longest = passages.iter().map(|passage| norm(passage)).fold(0.0, f64::max);
            let (a, b) = if vectors.similarity == Similarity::Cosine { (1.0, 1.0) } else { (norm(query), longest) };
            let error = score_error(DIMENSION, 1e-3, a, b);
            errors.push(error);
            scores.push(
                passages
                    .iter()
                    .enumerate()
                    .map(|(place, passage)| {
                        let exact = vectors.similarity.score(query, passage, norm(query), norm(passage));
                        (exact + 0.999 * noise[(place + errors.len()) % noise.len()] * error) as f32
                    })
                    .collect::<Vec<f32>>(),
            );
        }
        let zones = best.zones(scope, &errors)?;
        let (mut offsets, mut places, mut too_high, mut too_low) = (vec![0], Vec::new(), Vec::new(), Vec::new());
        for (query, row) in scores.iter().enumerate() {
            let mut below: Vec<f32> = row.iter().copied().filter(|&score| score < zones.inside_below[query]).collect();
            below.sort_by(|a, b| b.total_cmp(a));
            let enough = zones.enough[query] as usize;
            let worst = if enough > 0 && enough <= below.len() {
                (f64::from(below[enough - 1]) - 2.0 * errors[query]) as f32
            } else {
                f32::NEG_INFINITY
            };
            let zone = Zones {
                low_below: zones.low_below[query],
                low_until: zones.low_until[query],
                best_from: zones.best_from[query].max(worst.next_down()),
                high_above: zones.high_above[query],
            };
            let mut row_places = Vec::new();
            let outside = find_in_doubt(row, &zone, &mut row_places);
            places.extend(row_places.iter().map(|&place| place as i64));
            offsets.push(places.len() as i64);
            too_high.push(outside.too_high as i64);
            too_low.push(outside.too_low as i64);
        }
        let layout = Layout::Ragged { offsets: &offsets };
        best.update_listed(
            scope,
            vectors,
            first,
            Shortlist { layout, places: &places, too_high: &too_high, too_low: &too_low },
        )
    }

    proptest! {
        /// With few distinct components there are many ties and copies.
        #[test]
        fn the_result_equals_that_of_a_search(
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
            let target = Target { depth, ceilings: vec![ceiling; QUERIES], floor, excluded, kept: 7 };
            let (mut listed, mut searched) = (Best::new(target.clone()), Best::new(target));
            for (number, rows) in passages.chunks(DIMENSION * block).enumerate() {
                let vectors = Vectors { queries: &queries, passages: rows, dimension: DIMENSION, similarity, rounded };
                let first = (number * block) as i64;
                for scope in [Scope::Within, Scope::Overall] {
                    prop_assert!(offer(&mut listed, scope, vectors, first, &noise).is_ok());
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
            Best::new(Target { depth: 2, ceilings, floor: f64::NEG_INFINITY, excluded: Vec::new(), kept: 0 });
        let vectors =
            Vectors { queries: &[1.0, 0.0], passages, dimension: 2, similarity: Similarity::Dot, rounded: false };
        let layout = Layout::Ragged { offsets: &[0, places.len() as i64] };
        let outcome =
            best.update_listed(Scope::Within, vectors, 10, Shortlist { layout, places, too_high: &[0], too_low: &[0] });
        (best, outcome)
    }

    #[test]
    fn places_outside_the_block_are_refused() {
        for place in [-1, 2, i64::MAX, i64::MIN] {
            let (_, outcome) = one(&[0, place], &[1.0, 0.0, 0.5, 0.0], vec![f64::INFINITY]);
            assert_eq!(outcome, Err(Error::IdOutOfRange { row: 0, id: place, passages: 2 }));
        }
    }

    #[test]
    fn the_error_names_a_vector_that_is_not_finite() {
        let (_, outcome) = one(&[1], &[1.0, 0.0, f32::NAN, 0.0], vec![f64::INFINITY]);
        assert_eq!(outcome, Err(Error::VectorNotFinite { what: "passage", row: 11 }));
    }

    /// A product that overflows says nothing: its error is infinite, and everything is in doubt.
    #[test]
    fn an_infinite_error_leaves_everything_in_doubt() {
        let (best, outcome) = one(&[0, 1], &[3e38, 0.0, 2e38, 0.0], vec![2.5e38]);
        assert_eq!(outcome, Ok(()));
        assert_eq!(best.outside(), (vec![1], vec![0]));
        let zones = best.zones(Scope::Within, &[f64::INFINITY]);
        assert!(zones.is_ok_and(|z| z.high_above[0].is_infinite()
            && z.best_from[0] == f32::NEG_INFINITY
            && z.inside_below[0] == f32::NEG_INFINITY));
    }
}
