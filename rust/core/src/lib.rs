/*!
The mining rule of nvmine: which candidates of a query are its hard negatives.

The data flows through one file after the other: [`policy`] states the rule, [`rows`] reads a query's candidates,
[`filter`] rejects them for a reason or lets them survive, [`select`] puts the survivors in order, [`near`] rejects those
too similar to a better one, going by their [`shingles`], [`sample`] draws from the others, [`audit`] counts what became of each, and [`mine`](mod@mine) runs all that over many queries at once. [`search`]
comes before: exact best candidates from blocks of a score matrix. [`ensemble`](mod@ensemble) comes after: several
teachers' negatives as one; [`jaccard`] says how far they agree.

Knows nothing of Python and does no I/O. Nothing here panics on any input; what cannot be mined is an [`Error`].
*/

mod audit;
mod error;
mod hash;
mod huge_pages;
mod input;
mod lanes;
mod mine;
mod output;
mod policy;
mod rule;
mod search;
mod simd;
mod teachers;
mod texts;

pub use audit::{Counts, REASONS, Reason};
pub use error::Error;
pub use hash::mix;
pub use input::layout::{Id, Ids, Layout, Score, Stored};
pub use mine::{Exclusions, Request, mine, mine_rows};
pub use output::{Extent, Output};
pub use policy::{Anchor, Method, OnMissing, OnShort, Policy, Sampling};
pub use rule::near_duplicates::Texts;
pub use search::dot::{Similarity, reach, score_pairs};
pub use search::external::{Listed, Zones};
pub use search::{Best, Sought, Vectors, Which, excluded};
pub use teachers::agreement::{Lists, jaccard, jaccard_matrix};
pub use teachers::ensemble::{Ensemble, How, Teacher, ensemble};
pub use teachers::round_robin::Duplicates;
pub use texts::shingles::{Shingles, hash_shingles};
