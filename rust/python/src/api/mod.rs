//! The functions and classes that Python calls, one file for each part of the core.

pub(crate) mod ensemble;
pub(crate) mod mine;
pub(crate) mod search;
pub(crate) mod shingles;
