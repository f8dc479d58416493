/*!
The mining rule of nvmine: which candidates of a query are its hard negatives.

The data flows through one file after the other: [`policy`] states the rule, [`rows`] reads a query's candidates,
[`filter`] rejects them for a reason or lets them survive, [`select`] puts the survivors in order, [`sample`] draws from
them, [`audit`] counts what became of each, and [`mine`](mod@mine) runs all that over many queries at once. [`search`]
comes before: exact best candidates from blocks of a score matrix.

Knows nothing of Python and does no I/O. Nothing here panics on any input; what cannot be mined is an [`Error`].
*/

pub mod audit;
mod dense;
pub mod dot;
mod error;
pub mod filter;
pub mod mine;
mod miner;
mod network;
pub mod output;
pub mod policy;
pub mod rows;
pub mod sample;
pub mod search;
pub mod select;
mod survey;
mod vector;

pub use audit::{Counts, REASONS, Reason};
pub use error::Error;
pub use mine::{Exclusions, Request, mine};
pub use output::Output;
pub use policy::{Anchor, Method, OnMissing, OnShort, Policy, Sampling};
pub use rows::{Id, Ids, Layout, Score};
