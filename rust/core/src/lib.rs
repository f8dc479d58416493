/*!
The mining rule of nvmine: which candidates of a query are its hard negatives.

The crate knows nothing of Python and does no I/O. No input makes it panic; a request that cannot be served is an [`Error`].

- [`mine`](fn@mine) applies a [`Policy`] to the candidates of many queries, a [`Request`], and gives an [`Output`]. The rule
  is written down a step per file in `rule`; `lanes` is the same rule on eight rows at a time.
- [`Best`] comes before: an exact search for the best candidates, block by block.
- [`ensemble`](fn@ensemble) comes after: it combines the negatives of several teachers, and [`jaccard`] measures how far they
  agree.

Every module is private. The names below are the whole interface.
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
mod rounding;
mod rule;
mod search;
mod simd;
mod teachers;
mod texts;

pub use audit::{Counts, REASONS, Reason};
pub use error::Error;
pub use hash::mix;
pub use input::id::{Id, Ids};
pub use input::layout::Layout;
pub use input::request::{Exclusions, Extent, Request, Texts};
pub use input::score::{Score, Stored};
pub use mine::{mine, mine_rows};
pub use output::Output;
pub use policy::{Anchor, Method, OnMissing, OnShort, Policy, Sampling};
pub use search::Best;
pub use search::dot::{Similarity, score_error, score_pairs};
pub use search::external::{Shortlist, ZoneColumns};
pub use search::rescore::Vectors;
pub use search::target::{Scope, Target, excluded};
pub use teachers::agreement::{jaccard, jaccard_matrix};
pub use teachers::ensemble::{Ensemble, How, Teacher, ensemble};
pub use teachers::lists::TeacherLists;
pub use teachers::round_robin::Duplicates;
pub use texts::shingles::{Shingles, hash_shingles};
