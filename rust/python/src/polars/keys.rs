//! Ids of queries: the keys that the core draws by, and the names for messages.

use arrow_array::cast::AsArray;
use arrow_array::types::{Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type};
use arrow_array::{Array, ArrowPrimitiveType};
use arrow_schema::DataType;
use blake2b_simd::Params;

/// The key of each query, equal to the one that Python computes: an integer is its own key, and the key of a text is
/// the first eight bytes of its `BLAKE2b` digest, little-endian.
///
/// # Errors
/// The row of the first null.
pub(crate) fn keys(column: &dyn Array) -> Result<Vec<u64>, usize> {
    fn integer_keys<A: ArrowPrimitiveType>(column: &dyn Array, key: impl Fn(A::Native) -> u64) -> Vec<u64> {
        column.as_primitive::<A>().values().iter().map(|&number| key(number)).collect()
    }
    if let Some(row) = (0..column.len()).find(|&row| column.is_null(row)) {
        return Err(row);
    }
    Ok(match column.data_type() {
        DataType::Int8 => integer_keys::<Int8Type>(column, |key| key as u64),
        DataType::Int16 => integer_keys::<Int16Type>(column, |key| key as u64),
        DataType::Int32 => integer_keys::<Int32Type>(column, |key| key as u64),
        DataType::Int64 => integer_keys::<Int64Type>(column, |key| key as u64),
        DataType::UInt8 => integer_keys::<UInt8Type>(column, u64::from),
        DataType::UInt16 => integer_keys::<UInt16Type>(column, u64::from),
        DataType::UInt32 => integer_keys::<UInt32Type>(column, u64::from),
        DataType::UInt64 => integer_keys::<UInt64Type>(column, |key| key),
        _ => {
            column.as_string_view_opt().map(|texts| texts.iter().flatten().map(text_key).collect()).unwrap_or_default()
        }
    })
}

fn text_key(text: &str) -> u64 {
    let digest = Params::new().hash_length(8).hash(text.as_bytes());
    digest.as_bytes().iter().rev().fold(0, |key, &byte| key << 8 | u64::from(byte))
}

/// The name of a row's query in messages: its integer id, or its text in quotes, shortened if it is long.
pub(crate) fn name(column: &dyn Array, keys: &[u64], row: usize) -> String {
    /// The text of a query can be as long as a document.
    const MAX_CHARS: usize = 200;
    match column.as_string_view_opt() {
        Some(texts) => format!("{:?}", texts.value(row).chars().take(MAX_CHARS).collect::<String>()),
        None if column.data_type().is_signed_integer() => (keys[row] as i64).to_string(),
        None => keys[row].to_string(),
    }
}
