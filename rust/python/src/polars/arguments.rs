//! The arguments that Python passes to the expression: the role of each column, and the policy.
//!
//! Polars passes keyword arguments on as a pickled dict only. Python puts one text into it, with a line `name=value`
//! for each argument. The parser here reads only the few opcodes that such a pickle consists of; it builds no objects
//! and calls nothing by name.

use crate::policy::PolicyFields;
use nvmine_core::Policy;
use std::collections::HashMap;
use std::fmt::Display;
use std::str::FromStr;

/// The arguments of one expression.
pub(crate) struct ExpressionArguments {
    pub(crate) policy: Policy,
    /// The role of each column, in order: `scores`, `pos_scores`, then any of `ids`, `pos_ids`, `query_ids` and
    /// `exclude_ids`.
    pub(crate) columns: Vec<String>,
}

impl ExpressionArguments {
    pub(crate) fn parse(pickled: &[u8]) -> Result<Self, String> {
        let text = last_text(pickled).ok_or("InternalError: the arguments of the expression cannot be read")?;
        let values = NamedValues(text.lines().filter_map(|line| line.split_once('=')).collect());
        let fields = PolicyFields {
            method: values.get("method")?,
            percentage: values.number("percentage")?,
            margin: values.number("margin")?,
            max_score: values.optional("max_score")?,
            min_score: values.optional("min_score")?,
            near_duplicate: values.optional("near_duplicate")?,
            shift: values.number("shift")?,
            pool: values.optional("pool")?,
            n: values.number("n")?,
            sampling: values.get("sampling")?,
            first: values.number("first")?,
            temperature: values.number("temperature")?,
            simans_a: values.number("simans_a")?,
            simans_b: values.number("simans_b")?,
            bins: values.number("bins")?,
            anchor: values.get("anchor")?,
            on_short: values.get("on_short")?,
            on_missing: values.get("on_missing")?,
            seed: values.number("seed")?,
        };
        let policy = fields.validated().map_err(|error| format!("PolicyError: {error}"))?;
        Ok(Self { policy, columns: values.get("columns")?.split(' ').map(String::from).collect() })
    }
}

/// The values of the arguments by name.
struct NamedValues<'a>(HashMap<&'a str, &'a str>);

impl<'a> NamedValues<'a> {
    fn get(&self, name: &str) -> Result<&'a str, String> {
        self.0.get(name).copied().ok_or_else(|| format!("InternalError: the expression was built without {name}"))
    }

    /// The number with this name. It is the one that Python wrote: Python writes the shortest text that identifies a
    /// float, and Rust reads the float nearest to the text.
    fn number<T: FromStr<Err: Display>>(&self, name: &str) -> Result<T, String> {
        self.get(name)?.parse().map_err(|error| format!("InternalError: {name} of the expression: {error}"))
    }

    fn optional<T: FromStr<Err: Display>>(&self, name: &str) -> Result<Option<T>, String> {
        if self.get(name)? == "None" { Ok(None) } else { self.number(name).map(Some) }
    }
}

/// The last text in a pickled dict with one key and one value, both texts: the value.
fn last_text(mut rest: &[u8]) -> Option<&str> {
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
        let (&opcode, after) = rest.split_first()?;
        rest = match opcode {
            PROTO => after.get(1..)?,
            FRAME => after.get(8..)?,
            EMPTY_DICT | MEMOIZE | SETITEM => after,
            STOP => return last,
            _ => {
                let (len, text) = match opcode {
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
