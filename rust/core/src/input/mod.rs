/*!
What is mined, as views of the caller's arrays.
*/

pub(crate) mod id;
pub(crate) mod layout;
pub(crate) mod request;
pub(crate) mod score;
