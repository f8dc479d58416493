/*!
The mining rule of nvmine: which candidates of a query are its hard negatives.

The data flows through one file after the other: [`policy`] states the rule, [`rows`] reads a query's candidates,
[`filter`] rejects them for a reason or lets them survive, [`select`] puts the survivors in order, [`near`] rejects those
too similar to a better one, going by their [`shingles`], [`sample`] draws from the others, [`audit`] counts what became of each, and [`mine`](mod@mine) runs all that over many queries at once. [`search`]
comes before: exact best candidates from blocks of a score matrix. [`ensemble`](mod@ensemble) comes after: several
teachers' negatives as one; [`jaccard`] says how far they agree.

Knows nothing of Python and does no I/O. Nothing here panics on any input; what cannot be mined is an [`Error`].
*/

pub mod anchor;
mod arrivals;
pub mod audit;
mod dense;
mod descending;
pub mod dot;
pub mod ensemble;
mod error;
mod excluded;
mod fetch;
pub mod filter;
mod found;
pub mod jaccard;
mod levels;
mod list;
pub mod listed;
pub mod mine;
mod miner;
pub mod near;
mod network;
pub mod output;
mod overlap;
mod pages;
pub mod policy;
mod product;
mod rescored;
pub mod rows;
pub mod sample;
pub mod search;
pub mod select;
pub mod shingles;
mod shortlist;
mod sorting;
mod sought;
mod survey;
pub mod turns;
mod vector;
mod windows;

pub use audit::{Counts, REASONS, Reason};
pub use ensemble::{Ensemble, How, Teacher, ensemble};
pub use error::Error;
pub use jaccard::Lists;
pub use mine::{Exclusions, Request, mine};
pub use near::Texts;
pub use output::{Extent, Output};
pub use policy::{Anchor, Method, OnMissing, OnShort, Policy, Sampling};
pub use rows::{Id, Ids, Layout, Score};
pub use shingles::Shingles;
pub use turns::Duplicates;
