/*!
Texts as sets of word shingles.
*/

pub(crate) mod shingle_index;
pub(crate) mod shingles;
