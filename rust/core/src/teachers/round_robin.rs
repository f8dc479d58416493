/*!
Which passages of which teachers an ensemble takes for one query.

A passage is compared with every passage taken so far. Rows hold only a few, so a hash table would be slower.
*/

use crate::rule::sample::uniform;

/// What an intra ensemble does with a passage that it has already taken from another teacher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duplicates {
    /// It takes the passage again, which gives it more weight in training.
    Keep,
    /// It takes the teacher's next passage that has not been taken.
    Replace,
}

/// A passage that is taken from a teacher's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pick {
    /// Number of the teacher.
    pub teacher: usize,
    /// Position in the teacher's list.
    pub place: usize,
    /// Id of the passage.
    pub id: i64,
}

/// Takes passages for one query after the other. Its memory is reused from query to query.
#[derive(Debug, Default)]
pub(crate) struct RoundRobin {
    next: Vec<usize>,
    picks: Vec<Pick>,
}

impl RoundRobin {
    /// Takes the best passage that is left of each teacher in turn, until there are `n` or no teacher has any left.
    ///
    /// O(n) per offered passage under [`Duplicates::Replace`], otherwise O(1).
    pub(crate) fn intra(&mut self, offered: &[&[i64]], n: usize, duplicates: Duplicates) -> &[Pick] {
        self.next.clear();
        self.next.resize(offered.len(), 0);
        self.picks.clear();
        loop {
            let before = self.picks.len();
            for (teacher, list) in offered.iter().enumerate() {
                if self.picks.len() == n {
                    return &self.picks;
                }
                let place = &mut self.next[teacher];
                if duplicates == Duplicates::Replace {
                    let known = |id: &&i64| self.picks.iter().any(|earlier| earlier.id == **id);
                    *place += list[*place..].iter().take_while(known).count();
                }
                if let Some(&id) = list.get(*place) {
                    self.picks.push(Pick { teacher, place: *place, id });
                    *place += 1;
                }
            }
            if self.picks.len() == before {
                return &self.picks;
            }
        }
    }

    /// Takes the first `n` passages of one teacher.
    pub(crate) fn cross(&mut self, offered: &[&[i64]], n: usize, teacher: usize) -> &[Pick] {
        self.picks.clear();
        let list = offered.get(teacher).copied().unwrap_or_default();
        self.picks.extend(list.iter().take(n).enumerate().map(|(place, &id)| Pick { teacher, place, id }));
        &self.picks
    }
}

/// Draws the teacher of a query. No passage has the id -1, so the draw is independent of the draws of passages.
#[must_use]
pub(crate) fn draw_teacher(seed: u64, key: u64, teachers: usize) -> usize {
    let place = (uniform(seed, key, -1) * teachers as f64) as usize;
    place.min(teachers.saturating_sub(1))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::collections::VecDeque;

    /// The obvious, slow implementation, with each teacher's passages in a queue.
    pub(crate) fn in_turns_naive(lists: &[Vec<i64>], n: usize, duplicates: Duplicates) -> Vec<(i64, i64)> {
        let mut queues: Vec<VecDeque<i64>> = lists.iter().map(|list| list.iter().copied().collect()).collect();
        let mut picks: Vec<(i64, i64)> = Vec::new();
        while queues.iter().any(|queue| !queue.is_empty()) {
            for (number, queue) in queues.iter_mut().enumerate() {
                while let Some(id) = queue.pop_front() {
                    let known = picks.iter().any(|(earlier, _)| *earlier == id);
                    if !known || duplicates == Duplicates::Keep {
                        picks.push((id, number as i64));
                        break;
                    }
                }
            }
        }
        picks.truncate(n);
        picks
    }

    #[test]
    fn every_teacher_is_drawn_equally_often() {
        let mut hits = [0; 3];
        for key in 0..30_000 {
            hits[draw_teacher(5, key, 3)] += 1;
        }
        // Five standard deviations of the hits in 30,000 draws are 408.
        assert!(hits.iter().all(|hit: &i32| (hit - 10_000).abs() < 408), "{hits:?}");
    }
}
