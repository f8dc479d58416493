/*!
Several teachers' negatives as one: the ensembles of NV-Retriever (arXiv 2407.15831, Table 2).

Teachers come in the order of their accuracy, best first. *Cross*: one teacher a query gives all. *Intra*: the teachers
take turns, each giving its best passage that it has not given yet. Rows are independent, and the teacher of a query is
drawn by the hash of its key, so the result is the same for any number of threads and any order of rows.
*/

use crate::audit::{Counts, REASONS, Reason};
use crate::error::Error;
use crate::input::layout::Stored;
use crate::teachers::agreement::Lists;
use crate::teachers::round_robin::{Duplicates, Given, Turns, draw};
use rayon::iter::repeat_n;
use rayon::prelude::*;

const TASK_ROWS: usize = 4096;

/// How teachers are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// One teacher, drawn for each query, gives all.
    Cross {
        /// Changes the draws.
        seed: u64,
    },
    /// The teachers take turns.
    Intra(Duplicates),
}

/// What one teacher has mined.
#[derive(Debug, Clone, Copy)]
pub struct Teacher<'a, T> {
    /// Its negatives.
    pub lists: Lists<'a>,
    /// A score for each id.
    pub scores: &'a [T],
    /// A rank for each id.
    pub ranks: Option<&'a [i64]>,
    /// What the scores of each row are strictly below.
    pub ceilings: &'a [f64],
}

/// The negatives of an ensemble, `n` a row, and the account of what its teachers offered.
#[derive(Debug, Clone, PartialEq)]
pub struct Ensemble<T> {
    /// Ids, -1 where short.
    pub ids: Vec<i64>,
    /// The scores by the teachers that gave them, NaN where short.
    pub scores: Vec<T>,
    /// Which teacher gave each, -1 where short.
    pub teachers: Vec<i64>,
    /// Ranks by those teachers, 0 where short; none unless all teachers have ranks.
    pub ranks: Option<Vec<i64>>,
    /// Negatives of each row.
    pub counts: Vec<i64>,
    /// The ceiling of the one teacher, or the highest one of all; NaN where there is none.
    pub ceilings: Vec<f64>,
    /// Passages that the teachers offered, each as often as it was offered.
    pub candidates: Vec<i64>,
    /// Offered passages that were not given, in the order of [`REASONS`].
    pub rejected: Vec<i64>,
}

/// Puts together at most `n` negatives a row. `keys` are those of the rows' queries.
///
/// An offered passage that is not given is a duplicate if another teacher's copy is, else it was not sampled.
///
/// # Complexity
/// O(n) for every offered passage: lists are short, and comparing them beats hashing.
///
/// # Errors
/// [`Error::Shape`] for arrays that do not fit each other, [`Error::Memory`] for a result that is too large.
pub fn ensemble<T: Stored>(
    teachers: &[Teacher<'_, T>],
    keys: &[u64],
    how: How,
    n: usize,
) -> Result<Ensemble<T>, Error> {
    let rows = keys.len();
    for (number, teacher) in teachers.iter().enumerate() {
        teacher.lists.check(&format!("teacher {number}"), rows)?;
        let cells = teacher.lists.ids.len();
        let fits = teacher.scores.len() == cells
            && teacher.ranks.is_none_or(|ranks| ranks.len() == cells)
            && teacher.ceilings.len() == rows;
        if !fits {
            return Err(Error::Shape(format!("teacher {number}: ids, scores, ranks and ceilings do not fit")));
        }
    }
    let ranked = !teachers.is_empty() && teachers.iter().all(|teacher| teacher.ranks.is_some());
    let room = Error::Memory { rows, n };
    let wide = rows.checked_mul(n).ok_or_else(|| room.clone())?;
    let mut result = Ensemble {
        ids: filled(-1, wide, &room)?,
        scores: filled(T::MISSING, wide, &room)?,
        teachers: filled(-1, wide, &room)?,
        ranks: if ranked { Some(filled(0, wide, &room)?) } else { None },
        counts: filled(0, rows, &room)?,
        ceilings: filled(f64::NAN, rows, &room)?,
        candidates: filled(0, rows, &room)?,
        rejected: filled(0, rows * REASONS.len(), &room)?,
    };
    if wide > 0 {
        let scratch = || (Turns::default(), Vec::new());
        result.parts(n).into_par_iter().enumerate().for_each_init(scratch, |(turns, offered), (task, mut part)| {
            for row in 0..part.counts.len() {
                let whole = task * TASK_ROWS + row;
                offered.clear();
                offered.extend(teachers.iter().map(|teacher| teacher.lists.row(whole)));
                let (given, ceiling) = match how {
                    How::Cross { seed } => {
                        let drawn = draw(seed, keys[whole], teachers.len());
                        let ceiling = teachers.get(drawn).map_or(f64::NAN, |teacher| teacher.ceilings[whole]);
                        (turns.cross(offered, n, drawn), ceiling)
                    }
                    How::Intra(duplicates) => {
                        let ceilings = teachers.iter().map(|teacher| teacher.ceilings[whole]);
                        // f64::max passes NaN over.
                        (turns.intra(offered, n, duplicates), ceilings.fold(f64::NAN, f64::max))
                    }
                };
                part.ceilings[row] = ceiling;
                part.fill(teachers, row, whole, offered, given);
            }
        });
    }
    Ok(result)
}

/// As `vec![value; len]`, by all threads; a lack of memory is an error and not the end of the process.
fn filled<T: Copy + Send + Sync>(value: T, len: usize, room: &Error) -> Result<Vec<T>, Error> {
    let mut values = Vec::new();
    values.try_reserve_exact(len).map_err(|_| room.clone())?;
    repeat_n(value, len).collect_into_vec(&mut values);
    Ok(values)
}

impl<T: Stored> Ensemble<T> {
    /// The rows in parts that threads can write side by side.
    fn parts(&mut self, n: usize) -> Vec<Part<'_, T>> {
        let wide = TASK_ROWS.saturating_mul(n);
        let mut ranks = self.ranks.as_deref_mut().unwrap_or_default().chunks_mut(wide);
        let narrow = self
            .counts
            .chunks_mut(TASK_ROWS)
            .zip(self.ceilings.chunks_mut(TASK_ROWS))
            .zip(self.candidates.chunks_mut(TASK_ROWS))
            .zip(self.rejected.chunks_mut(TASK_ROWS * REASONS.len()));
        self.ids
            .chunks_mut(wide)
            .zip(self.scores.chunks_mut(wide))
            .zip(self.teachers.chunks_mut(wide))
            .zip(narrow)
            .map(|(((ids, scores), teachers), (((counts, ceilings), candidates), rejected))| {
                let ranks = ranks.next().unwrap_or_default();
                Part { n, ids, scores, teachers, ranks, counts, ceilings, candidates, rejected }
            })
            .collect()
    }
}

/// Consecutive rows of the result.
struct Part<'a, T> {
    n: usize,
    ids: &'a mut [i64],
    scores: &'a mut [T],
    teachers: &'a mut [i64],
    ranks: &'a mut [i64],
    counts: &'a mut [i64],
    ceilings: &'a mut [f64],
    candidates: &'a mut [i64],
    rejected: &'a mut [i64],
}

impl<T: Stored> Part<'_, T> {
    /// Fills row `row` of this part, which is row `whole` of the arrays.
    fn fill(&mut self, teachers: &[Teacher<'_, T>], row: usize, whole: usize, offered: &[&[i64]], given: &[Given]) {
        let first = row * self.n;
        for (slot, &Given { teacher: number, place, id }) in (first..).zip(given) {
            let teacher = &teachers[number];
            let cell = whole * teacher.lists.n + place;
            self.ids[slot] = id;
            self.scores[slot] = teacher.scores[cell];
            self.teachers[slot] = number as i64;
            if let (Some(rank), Some(ranks)) = (self.ranks.get_mut(slot), teacher.ranks) {
                *rank = ranks[cell];
            }
        }
        let all: usize = offered.iter().map(|list| list.len()).sum();
        // All copies of what was given, of which those that were given are no duplicates.
        let chosen = &self.ids[first..first + given.len()];
        let copies = offered.iter().copied().flatten().filter(|id| chosen.contains(id)).count();
        let mut counts = Counts::default();
        counts.add(Reason::Duplicate, copies - given.len());
        counts.add(Reason::NotSampled, all - copies);
        self.counts[row] = given.len() as i64;
        self.candidates[row] = all as i64;
        let rejected = &mut self.rejected[row * REASONS.len()..(row + 1) * REASONS.len()];
        for (slot, &count) in rejected.iter_mut().zip(counts.as_array()) {
            *slot = count as i64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::teachers::round_robin::tests::in_turns_naive;
    use proptest::prelude::*;

    const N: usize = 5;

    /// What was given, as (id, teacher).
    type Pairs = Vec<(i64, i64)>;

    /// One query's lists put together.
    fn run(lists: &[Vec<i64>], how: How, n: usize, key: u64) -> Result<(Ensemble<f32>, Pairs), Error> {
        let cells: Vec<_> = lists
            .iter()
            .map(|list| {
                let ids: Vec<i64> = (0..N).map(|place| list.get(place).copied().unwrap_or(-1)).collect();
                let scores: Vec<f32> = ids.iter().map(|&id| id as f32).collect();
                (ids, scores, [list.len() as i64])
            })
            .collect();
        let teachers: Vec<_> = cells
            .iter()
            .map(|(ids, scores, counts)| Teacher {
                lists: Lists { n: N, ids, counts },
                scores,
                ranks: Some(ids),
                ceilings: &[9.0],
            })
            .collect();
        let result = ensemble(&teachers, &[key], how, n)?;
        let count = result.counts[0] as usize;
        let given = result.ids.iter().copied().zip(result.teachers.iter().copied()).take(count).collect();
        Ok((result, given))
    }

    proptest! {
        #[test]
        fn turns_equal_their_twin(
            lists in prop::collection::vec(prop::collection::vec(0_i64..9, 0..=N), 1..5),
            n in 1_usize..12,
            key: u64,
        ) {
            let replace = How::Intra(Duplicates::Replace);
            for how in [How::Intra(Duplicates::Keep), replace, How::Cross { seed: 1 }] {
                let (result, given) = run(&lists, how, n, key)?;
                let expected = match how {
                    How::Intra(duplicates) => in_turns_naive(&lists, n, duplicates),
                    How::Cross { seed } => {
                        let teacher = draw(seed, key, lists.len());
                        lists[teacher].iter().take(n).map(|id| (*id, teacher as i64)).collect()
                    }
                };
                prop_assert_eq!(&given, &expected);
                prop_assert!(result.ids[given.len()..].iter().all(|&id| id == -1));
                prop_assert!(given.iter().zip(&result.scores).all(|((id, _), score)| *id as f32 == *score));
                prop_assert_eq!(&result.ranks.as_deref().unwrap_or_default()[..given.len()], &result.ids[..given.len()]);
                let offered: usize = lists.iter().map(Vec::len).sum();
                prop_assert_eq!(result.candidates[0], offered as i64);
                prop_assert_eq!(result.candidates[0], result.counts[0] + result.rejected.iter().sum::<i64>());
                let others = |list: &Vec<i64>| list.iter().filter(|id| given.iter().all(|(other, _)| other != *id)).count();
                let not_sampled: usize = lists.iter().map(others).sum();
                prop_assert_eq!(result.rejected[Reason::NotSampled as usize], not_sampled as i64);
            }
        }
    }

    #[test]
    fn arrays_that_do_not_fit_are_refused() {
        let lists = Lists { n: 1, ids: &[1], counts: &[1] };
        let fits = Teacher { lists, scores: &[0.5_f32], ranks: None, ceilings: &[1.0] };
        let refused = |teacher| {
            let outcome = ensemble(&[teacher], &[0], How::Intra(Duplicates::Keep), 1);
            matches!(outcome, Err(Error::Shape(_)))
        };
        assert!(!refused(fits));
        assert!(refused(Teacher { scores: &[], ..fits }));
        assert!(refused(Teacher { ranks: Some(&[]), ..fits }));
        assert!(refused(Teacher { ceilings: &[], ..fits }));
        assert!(refused(Teacher { lists: Lists { n: 2, ..lists }, ..fits }));
        let huge = ensemble(&[fits], &[0], How::Intra(Duplicates::Keep), usize::MAX);
        assert!(matches!(huge, Err(Error::Memory { .. })));
    }
}
