//! The expression `nvmine.polars.mine`: [`plugin`] is the C ABI that Polars calls, [`arguments`] parses what Python
//! passed on, [`expression`] mines the columns, and [`keys`] reads the ids of queries.

mod arguments;
mod expression;
mod keys;
mod plugin;
