pub(crate) mod agreement;
pub(crate) mod ensemble;
pub(crate) mod round_robin;
