pub(crate) mod shingle_index;
pub(crate) mod shingles;
