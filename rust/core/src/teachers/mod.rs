/*!
Several teachers: their lists of negatives, ensembles of them, and how far they agree.
*/

pub(crate) mod agreement;
pub(crate) mod ensemble;
pub(crate) mod lists;
pub(crate) mod round_robin;
