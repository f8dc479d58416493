//! What Python tells the expression: which columns come in what place, and the policy.
//!
//! It is one text, a line a `name=value`, inside a pickled dict, the only form in which Polars passes arguments. Only
//! the few operations that such a pickle consists of are read; nothing is ever built or called by name.

use crate::policy::Spelled;
use nvmine_core::Policy;
use std::collections::HashMap;
use std::fmt::Display;
use std::str::FromStr;

/// The arguments of one expression.
pub(crate) struct Call {
    pub(crate) policy: Policy,
    /// What the columns are, in their order: `scores`, `pos_scores` and some of `ids`, `pos_ids`, `query_ids` and
    /// `exclude_ids`.
    pub(crate) columns: Vec<String>,
}

impl Call {
    pub(crate) fn read(pickled: &[u8]) -> Result<Self, String> {
        let text = unpickled(pickled).ok_or("InternalError: the arguments of the expression cannot be read")?;
        let lines = Lines(text.lines().filter_map(|line| line.split_once('=')).collect());
        let policy = Spelled {
            method: lines.get("method")?,
            percentage: lines.number("percentage")?,
            margin: lines.number("margin")?,
            max_score: lines.optional("max_score")?,
            min_score: lines.optional("min_score")?,
            near_duplicate: lines.optional("near_duplicate")?,
            shift: lines.number("shift")?,
            pool: lines.optional("pool")?,
            n: lines.number("n")?,
            sampling: lines.get("sampling")?,
            first: lines.number("first")?,
            temperature: lines.number("temperature")?,
            simans_a: lines.number("simans_a")?,
            simans_b: lines.number("simans_b")?,
            bins: lines.number("bins")?,
            anchor: lines.get("anchor")?,
            on_short: lines.get("on_short")?,
            on_missing: lines.get("on_missing")?,
            seed: lines.number("seed")?,
        };
        let policy = policy.read().map_err(|error| format!("PolicyError: {error}"))?;
        Ok(Self { policy, columns: lines.get("columns")?.split(' ').map(String::from).collect() })
    }
}

struct Lines<'a>(HashMap<&'a str, &'a str>);

impl<'a> Lines<'a> {
    fn get(&self, name: &str) -> Result<&'a str, String> {
        self.0.get(name).copied().ok_or_else(|| format!("InternalError: the expression was made without {name}"))
    }

    /// Python writes the shortest text that gives the same number, and Rust reads the number nearest to a text.
    fn number<T: FromStr<Err: Display>>(&self, name: &str) -> Result<T, String> {
        self.get(name)?.parse().map_err(|error| format!("InternalError: the expression's {name}: {error}"))
    }

    fn optional<T: FromStr<Err: Display>>(&self, name: &str) -> Result<Option<T>, String> {
        if self.get(name)? == "None" { Ok(None) } else { self.number(name).map(Some) }
    }
}

/// The last text of a pickled dict of texts: the value of its only key.
fn unpickled(mut rest: &[u8]) -> Option<&str> {
    const PROTO: u8 = 0x80;
    const FRAME: u8 = 0x95;
    const EMPTY_DICT: u8 = b'}';
    const MEMOIZE: u8 = 0x94;
    const SETITEM: u8 = b's';
    const STOP: u8 = b'.';
    const SHORT_BINUNICODE: u8 = 0x8c;
    const BINUNICODE: u8 = b'X';
    let mut last = None;
    loop {
        let (&operation, after) = rest.split_first()?;
        rest = match operation {
            PROTO => after.get(1..)?,
            FRAME => after.get(8..)?,
            EMPTY_DICT | MEMOIZE | SETITEM => after,
            STOP => return last,
            _ => {
                let (len, text) = match operation {
                    SHORT_BINUNICODE => (usize::from(*after.first()?), after.get(1..)?),
                    BINUNICODE => {
                        let (len, text) = after.split_first_chunk::<4>()?;
                        (u32::from_le_bytes(*len) as usize, text)
                    }
                    _ => return None,
                };
                last = Some(std::str::from_utf8(text.get(..len)?).ok()?);
                text.get(len..)?
            }
        };
    }
}
