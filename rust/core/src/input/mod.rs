pub(crate) mod layout;
