pub(crate) mod filter;
pub(crate) mod near_duplicates;
pub(crate) mod race;
pub(crate) mod sample;
pub(crate) mod select;
