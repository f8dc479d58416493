/*!
The mining rule for one query, a step per file, in the order in which the steps apply.

[`filter`] rejects candidates, [`select`] puts the survivors in order, [`near_duplicates`] rejects survivors that are too
similar to a better one, [`outcome`] cuts the order into skipped, pooled and later survivors, and [`sample`] draws the
negatives from the pool, by the arithmetic of [`race`].
*/

pub(crate) mod candidate;
pub(crate) mod filter;
pub(crate) mod near_duplicates;
pub(crate) mod outcome;
pub(crate) mod race;
pub(crate) mod sample;
pub(crate) mod select;
