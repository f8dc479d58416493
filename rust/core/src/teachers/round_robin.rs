/*!
One query's turn in an ensemble: which teacher gives which of its passages.

A passage that was given is found by comparing with all that were: rows hold a handful, and no table beats that.
*/

use crate::rule::sample::uniform;

/// What an intra ensemble does with a passage that an earlier turn has given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duplicates {
    /// It is given again, and weighs more.
    Keep,
    /// The teacher gives its next passage that nobody has given.
    Replace,
}

/// A passage that a teacher gives: the one at `place` of its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Given {
    /// Which teacher.
    pub teacher: usize,
    /// Where in its list.
    pub place: usize,
    /// The passage.
    pub id: i64,
}

/// The turns of one thread: its memory is reused from query to query.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    next: Vec<usize>,
    given: Vec<Given>,
}

impl Turns {
    /// Rounds in which each teacher gives the best passage it has left, until `n` are given or nobody has more.
    ///
    /// O(n) for every offered passage under [`Duplicates::Replace`], else O(1).
    pub(crate) fn intra(&mut self, offered: &[&[i64]], n: usize, duplicates: Duplicates) -> &[Given] {
        self.next.clear();
        self.next.resize(offered.len(), 0);
        self.given.clear();
        loop {
            let before = self.given.len();
            for (teacher, list) in offered.iter().enumerate() {
                if self.given.len() == n {
                    return &self.given;
                }
                let place = &mut self.next[teacher];
                if duplicates == Duplicates::Replace {
                    let known = |id: &&i64| self.given.iter().any(|earlier| earlier.id == **id);
                    *place += list[*place..].iter().take_while(known).count();
                }
                if let Some(&id) = list.get(*place) {
                    self.given.push(Given { teacher, place: *place, id });
                    *place += 1;
                }
            }
            if self.given.len() == before {
                return &self.given;
            }
        }
    }

    /// The first `n` passages of one teacher.
    pub(crate) fn cross(&mut self, offered: &[&[i64]], n: usize, teacher: usize) -> &[Given] {
        self.given.clear();
        let list = offered.get(teacher).copied().unwrap_or_default();
        self.given.extend(list.iter().take(n).enumerate().map(|(place, &id)| Given { teacher, place, id }));
        &self.given
    }
}

/// The teacher of a query. No passage has the id -1, so the draw is none of those that pick passages.
#[must_use]
pub(crate) fn draw(seed: u64, key: u64, teachers: usize) -> usize {
    let place = (uniform(seed, key, -1) * teachers as f64) as usize;
    place.min(teachers.saturating_sub(1))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::collections::VecDeque;

    /// The slow, obvious twin: each teacher's passages as a queue.
    pub(crate) fn in_turns_naive(lists: &[Vec<i64>], n: usize, duplicates: Duplicates) -> Vec<(i64, i64)> {
        let mut queues: Vec<VecDeque<i64>> = lists.iter().map(|list| list.iter().copied().collect()).collect();
        let mut given: Vec<(i64, i64)> = Vec::new();
        while queues.iter().any(|queue| !queue.is_empty()) {
            for (number, queue) in queues.iter_mut().enumerate() {
                while let Some(id) = queue.pop_front() {
                    let known = given.iter().any(|(earlier, _)| *earlier == id);
                    if !known || duplicates == Duplicates::Keep {
                        given.push((id, number as i64));
                        break;
                    }
                }
            }
        }
        given.truncate(n);
        given
    }

    #[test]
    fn teachers_are_drawn_evenly() {
        let mut hits = [0; 3];
        for key in 0..30_000 {
            hits[draw(5, key, 3)] += 1;
        }
        // Five standard deviations of 30,000 draws are 408.
        assert!(hits.iter().all(|hit: &i32| (hit - 10_000).abs() < 408), "{hits:?}");
    }
}
