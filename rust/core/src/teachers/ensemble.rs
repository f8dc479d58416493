/*!
Combines the negatives of several teachers: the ensembles of NV-Retriever (arXiv 2407.15831, Table 2).

Teachers are ordered by accuracy, best first. A *cross* ensemble takes all negatives of a query from one teacher, drawn at
random. An *intra* ensemble takes them from all teachers in turn. Rows are independent, and the draw depends only on the
query's key, so the result depends neither on the number of threads nor on the order of rows.
*/

use crate::audit::{Counts, REASONS, Reason};
use crate::error::Error;
use crate::input::score::Stored;
use crate::teachers::lists::TeacherLists;
use crate::teachers::round_robin::{Duplicates, Pick, RoundRobin, draw_teacher};
use rayon::iter::repeat_n;
use rayon::prelude::*;

/// Number of rows of one task.
const TASK_ROWS: usize = 4096;

/// How the negatives of several teachers are combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// All negatives of a query come from one teacher, drawn at random.
    Cross {
        /// Seed of the random draws.
        seed: u64,
    },
    /// The teachers give their negatives in turn.
    Intra(Duplicates),
}

/// The negatives of one teacher.
#[derive(Debug, Clone, Copy)]
pub struct Teacher<'a, T> {
    /// Their ids.
    pub lists: TeacherLists<'a>,
    /// The score of each id.
    pub scores: &'a [T],
    /// The rank of each id.
    pub ranks: Option<&'a [i64]>,
    /// The ceiling of each row, which all its scores are below.
    pub ceilings: &'a [f64],
}

/// The negatives of an ensemble, and the account of all passages that its teachers offered.
#[derive(Debug, Clone, PartialEq)]
pub struct Ensemble<T> {
    /// Ids, `n` per row; -1 after the last.
    pub ids: Vec<i64>,
    /// Scores by the teachers that gave the ids; NaN after the last.
    pub scores: Vec<T>,
    /// Numbers of the teachers that gave the ids; -1 after the last.
    pub teachers: Vec<i64>,
    /// Ranks by those teachers; 0 after the last. `None` unless all teachers have ranks.
    pub ranks: Option<Vec<i64>>,
    /// Number of negatives of each row.
    pub counts: Vec<i64>,
    /// The ceiling of the drawn teacher, or the highest ceiling of all teachers; NaN if there is none.
    pub ceilings: Vec<f64>,
    /// Number of passages that the teachers offered. A passage counts once per teacher.
    pub candidates: Vec<i64>,
    /// Number of offered passages that were not taken, one column per reason in the order of [`REASONS`].
    pub rejected: Vec<i64>,
}

/// Combines the negatives of several teachers into at most `n` per row. `keys` are the keys of the queries.
///
/// An offered passage that is not taken counts as a duplicate if another teacher's copy is taken, and else as not sampled.
///
/// # Complexity
/// O(n) per offered passage. For short lists, comparisons are faster than hashing.
///
/// # Errors
/// [`Error::Shape`] if the arrays do not fit each other, [`Error::Memory`] if the result does not fit into memory.
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
    let out_of_memory = Error::Memory { rows, n };
    let cells = rows.checked_mul(n).ok_or_else(|| out_of_memory.clone())?;
    let mut result = Ensemble {
        ids: filled(-1, cells, &out_of_memory)?,
        scores: filled(T::MISSING, cells, &out_of_memory)?,
        teachers: filled(-1, cells, &out_of_memory)?,
        ranks: if ranked { Some(filled(0, cells, &out_of_memory)?) } else { None },
        counts: filled(0, rows, &out_of_memory)?,
        ceilings: filled(f64::NAN, rows, &out_of_memory)?,
        candidates: filled(0, rows, &out_of_memory)?,
        rejected: filled(0, rows * REASONS.len(), &out_of_memory)?,
    };
    if cells > 0 {
        let scratch = || (RoundRobin::default(), Vec::new());
        result.parts(n).into_par_iter().enumerate().for_each_init(scratch, |(robin, offered), (task, mut part)| {
            for row in 0..part.counts.len() {
                let whole = task * TASK_ROWS + row;
                offered.clear();
                offered.extend(teachers.iter().map(|teacher| teacher.lists.row(whole)));
                let (picks, ceiling) = match how {
                    How::Cross { seed } => {
                        let drawn = draw_teacher(seed, keys[whole], teachers.len());
                        let ceiling = teachers.get(drawn).map_or(f64::NAN, |teacher| teacher.ceilings[whole]);
                        (robin.cross(offered, n, drawn), ceiling)
                    }
                    How::Intra(duplicates) => {
                        let ceilings = teachers.iter().map(|teacher| teacher.ceilings[whole]);
                        // f64::max ignores NaN.
                        (robin.intra(offered, n, duplicates), ceilings.fold(f64::NAN, f64::max))
                    }
                };
                part.ceilings[row] = ceiling;
                part.fill(teachers, row, whole, offered, picks);
            }
        });
    }
    Ok(result)
}

/// Returns `vec![value; len]`, written by all threads, or the error `out_of_memory` instead of aborting the process.
fn filled<T: Copy + Send + Sync>(value: T, len: usize, out_of_memory: &Error) -> Result<Vec<T>, Error> {
    let mut values = Vec::new();
    values.try_reserve_exact(len).map_err(|_| out_of_memory.clone())?;
    repeat_n(value, len).collect_into_vec(&mut values);
    Ok(values)
}

impl<T: Stored> Ensemble<T> {
    /// Divides the rows into parts that threads can write at the same time.
    fn parts(&mut self, n: usize) -> Vec<Part<'_, T>> {
        let cells = TASK_ROWS.saturating_mul(n);
        let mut ranks = self.ranks.as_deref_mut().unwrap_or_default().chunks_mut(cells);
        let narrow = self
            .counts
            .chunks_mut(TASK_ROWS)
            .zip(self.ceilings.chunks_mut(TASK_ROWS))
            .zip(self.candidates.chunks_mut(TASK_ROWS))
            .zip(self.rejected.chunks_mut(TASK_ROWS * REASONS.len()));
        self.ids
            .chunks_mut(cells)
            .zip(self.scores.chunks_mut(cells))
            .zip(self.teachers.chunks_mut(cells))
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
    /// Writes row `row` of this part, which is row `whole` of the arrays.
    fn fill(&mut self, teachers: &[Teacher<'_, T>], row: usize, whole: usize, offered: &[&[i64]], picks: &[Pick]) {
        let first = row * self.n;
        for (slot, &Pick { teacher: number, place, id }) in (first..).zip(picks) {
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
        // All offered copies of the passages that were taken. The ones that were taken themselves are not duplicates.
        let taken = &self.ids[first..first + picks.len()];
        let copies = offered.iter().copied().flatten().filter(|id| taken.contains(id)).count();
        let mut counts = Counts::default();
        counts.add(Reason::Duplicate, copies - picks.len());
        counts.add(Reason::NotSampled, all - copies);
        self.counts[row] = picks.len() as i64;
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

    /// The negatives taken, as (id, teacher).
    type Pairs = Vec<(i64, i64)>;

    /// Combines the lists of one query.
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
                lists: TeacherLists { n: N, ids, counts },
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
        fn ensembles_equal_the_naive_implementation(
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
                        let teacher = draw_teacher(seed, key, lists.len());
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
    fn arrays_of_different_shapes_are_refused() {
        let lists = TeacherLists { n: 1, ids: &[1], counts: &[1] };
        let fits = Teacher { lists, scores: &[0.5_f32], ranks: None, ceilings: &[1.0] };
        let refused = |teacher| {
            let outcome = ensemble(&[teacher], &[0], How::Intra(Duplicates::Keep), 1);
            matches!(outcome, Err(Error::Shape(_)))
        };
        assert!(!refused(fits));
        assert!(refused(Teacher { scores: &[], ..fits }));
        assert!(refused(Teacher { ranks: Some(&[]), ..fits }));
        assert!(refused(Teacher { ceilings: &[], ..fits }));
        assert!(refused(Teacher { lists: TeacherLists { n: 2, ..lists }, ..fits }));
        let huge = ensemble(&[fits], &[0], How::Intra(Duplicates::Keep), usize::MAX);
        assert!(matches!(huge, Err(Error::Memory { .. })));
    }
}
