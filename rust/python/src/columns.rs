/*!
Arrow columns as the flat arrays that the core reads.

A list column lies in memory as the core wants it, values in a row and offsets beside them, so values are shared; they
are copied where a null list hides some or a null is among them. A null list is an empty one, a null score NaN, a null
id padding. Every array has been validated when it came in.
*/

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, make_array, new_empty_array};
use arrow_buffer::{ArrowNativeType, ScalarBuffer};
use arrow_data::ArrayData;
use arrow_data::transform::MutableArrayData;
use arrow_schema::{ArrowError, DataType, Field};
use blake2b_simd::Params;
use half::f16;
use nvmine_core::{Id, Score};
use std::ops::Range;

/// A column as another library hands it over.
pub(crate) struct Column {
    pub(crate) field: Field,
    pub(crate) chunks: Vec<ArrayRef>,
}

impl Column {
    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.chunks.iter().map(Array::len).sum()
    }

    /// Where chunks end.
    pub(crate) fn ends(&self) -> impl Iterator<Item = usize> {
        self.chunks.iter().scan(0, |end, chunk| {
            *end += chunk.len();
            Some(*end)
        })
    }

    /// Some rows, which lie in one chunk.
    pub(crate) fn part(&self, rows: Range<usize>) -> ArrayRef {
        let mut start = 0;
        for chunk in &self.chunks {
            if rows.start >= start && rows.end <= start + chunk.len() {
                return chunk.slice(rows.start - start, rows.len());
            }
            start += chunk.len();
        }
        new_empty_array(self.field.data_type())
    }

    /// The only row, `rows` times.
    pub(crate) fn repeated(&self, rows: usize) -> Result<ArrayRef, ArrowError> {
        let row = self.part(0..1).to_data();
        let mut copies = MutableArrayData::new(vec![&row], false, rows);
        for _ in 0..rows {
            copies.try_extend(0, 0, 1)?;
        }
        Ok(make_array(copies.freeze()))
    }
}

/// The type of a column's values, and whether they come in lists.
pub(crate) fn value_type(column: &DataType) -> (&DataType, bool) {
    match column {
        DataType::List(values) | DataType::LargeList(values) | DataType::FixedSizeList(values, _) => {
            (values.data_type(), true)
        }
        values => (values, false),
    }
}

pub(crate) fn refused(error: ArrowError) -> String {
    format!("DtypeError: {error}")
}

/// Row `i` holds `values[offsets[i]..offsets[i + 1]]`; the first offset is 0, the last one the number of values.
pub(crate) struct Lists {
    pub(crate) values: ArrayRef,
    pub(crate) offsets: Vec<i64>,
}

impl Lists {
    /// The rows of a list column or, one value each, of any other.
    pub(crate) fn of(column: &ArrayRef) -> Result<Self, ArrowError> {
        let (values, mut offsets, nulls): (_, Vec<i64>, _) = if let Some(lists) = column.as_list_opt::<i64>() {
            (lists.values(), lists.value_offsets().to_vec(), lists.nulls())
        } else if let Some(lists) = column.as_list_opt::<i32>() {
            (lists.values(), lists.value_offsets().iter().copied().map(i64::from).collect(), lists.nulls())
        } else if let Some(lists) = column.as_fixed_size_list_opt() {
            let width = i64::from(lists.value_length());
            (lists.values(), (0..=lists.len() as i64).map(|row| row * width).collect(), lists.nulls())
        } else {
            (column, (0..=column.len() as i64).collect(), None)
        };
        let rows = offsets.len() - 1;
        let (first, last) = (offsets[0], offsets[rows]);
        for offset in &mut offsets {
            *offset -= first;
        }
        let values = values.slice(first as usize, (last - first) as usize);
        // A null list may span values, which are none of the row's.
        let hidden = |row: usize| nulls.is_some_and(|nulls| nulls.is_null(row)) && offsets[row] < offsets[row + 1];
        if !(0..rows).any(hidden) {
            return Ok(Self { values, offsets });
        }
        let all = values.to_data();
        let (mut kept, mut ends) = (MutableArrayData::new(vec![&all], false, all.len()), vec![0]);
        for row in 0..rows {
            if !hidden(row) {
                kept.try_extend(0, offsets[row] as usize, offsets[row + 1] as usize)?;
            }
            ends.push(kept.len() as i64);
        }
        Ok(Self { values: make_array(kept.freeze()), offsets: ends })
    }

    /// Some columns of one type, one below the other.
    pub(crate) fn joined(mut parts: Vec<Self>) -> Result<Option<Self>, ArrowError> {
        if parts.len() < 2 {
            return Ok(parts.pop());
        }
        let data: Vec<_> = parts.iter().map(|part| part.values.to_data()).collect();
        let mut values = MutableArrayData::new(data.iter().collect(), false, data.iter().map(ArrayData::len).sum());
        let mut offsets = vec![0];
        for (number, part) in parts.iter().enumerate() {
            let start = values.len() as i64;
            offsets.extend(part.offsets[1..].iter().map(|end| start + end));
            values.try_extend(number, 0, part.values.len())?;
        }
        Ok(Some(Self { values: make_array(values.freeze()), offsets }))
    }
}

/// [`Lists`] of one type of value.
pub(crate) struct Rows<T: ArrowNativeType> {
    pub(crate) values: ScalarBuffer<T>,
    pub(crate) offsets: Vec<i64>,
}

impl<T: ArrowNativeType> Rows<T> {
    /// The rows of a column whose values are `A`s or all null.
    fn of<A: ArrowPrimitiveType<Native = T>>(column: &ArrayRef, null: T) -> Result<Self, ArrowError> {
        let Lists { values, offsets } = Lists::of(column)?;
        let values = match values.as_primitive_opt::<A>().map(|array| (array.values(), array.nulls())) {
            None => vec![null; values.len()].into(),
            Some((values, Some(nulls))) if nulls.null_count() > 0 => {
                values.iter().zip(nulls).map(|(&value, valid)| if valid { value } else { null }).collect()
            }
            Some((values, _)) => values.clone(),
        };
        Ok(Self { values, offsets })
    }

    fn map<U: ArrowNativeType>(self, convert: impl Fn(T) -> U) -> Rows<U> {
        Rows { values: self.values.iter().map(|&value| convert(value)).collect(), offsets: self.offsets }
    }
}

/// Scores of any width.
pub(crate) enum Scores {
    F16(Rows<f16>),
    F32(Rows<f32>),
    F64(Rows<f64>),
}

impl Scores {
    /// Values that are neither `Float16` nor `Float64` are `Float32` or all null.
    pub(crate) fn of(column: &ArrayRef) -> Result<Self, ArrowError> {
        Ok(match value_type(column.data_type()).0 {
            DataType::Float16 => Self::F16(Rows::of::<Float16Type>(column, f16::NAN)?),
            DataType::Float64 => Self::F64(Rows::of::<Float64Type>(column, f64::NAN)?),
            _ => Self::F32(Rows::of::<Float32Type>(column, f32::NAN)?),
        })
    }

    pub(crate) fn widened(self) -> Rows<f64> {
        match self {
            Self::F16(rows) => rows.map(Score::widen),
            Self::F32(rows) => rows.map(Score::widen),
            Self::F64(rows) => rows,
        }
    }
}

/// Ids of any width.
pub(crate) enum PassageIds {
    I32(Rows<i32>),
    I64(Rows<i64>),
    U32(Rows<u32>),
    U64(Rows<u64>),
}

impl PassageIds {
    /// Values that are of no other of these types are `Int64` or all null.
    pub(crate) fn of(column: &ArrayRef) -> Result<Self, ArrowError> {
        Ok(match value_type(column.data_type()).0 {
            DataType::Int32 => Self::I32(Rows::of::<Int32Type>(column, -1)?),
            DataType::UInt32 => Self::U32(Rows::of::<UInt32Type>(column, u32::MAX)?),
            DataType::UInt64 => Self::U64(Rows::of::<UInt64Type>(column, u64::MAX)?),
            _ => Self::I64(Rows::of::<Int64Type>(column, -1)?),
        })
    }

    pub(crate) fn offsets(&self) -> &[i64] {
        match self {
            Self::I32(rows) => &rows.offsets,
            Self::I64(rows) => &rows.offsets,
            Self::U32(rows) => &rows.offsets,
            Self::U64(rows) => &rows.offsets,
        }
    }

    /// As `i64`, padding as -1.
    pub(crate) fn signed(self) -> Rows<i64> {
        match self {
            Self::I32(rows) => rows.map(|id| id.passage().unwrap_or(-1)),
            Self::I64(rows) => rows,
            Self::U32(rows) => rows.map(|id| id.passage().unwrap_or(-1)),
            Self::U64(rows) => rows.map(|id| id.passage().unwrap_or(-1)),
        }
    }
}

/// The key of each query as `nvmine.keys` makes it: a whole number as it is, a text as the first eight bytes of its
/// `BLAKE2b` digest, little-endian. Gives the row of a null where there is one.
pub(crate) fn keys(column: &dyn Array) -> Result<Vec<u64>, usize> {
    fn whole<A: ArrowPrimitiveType>(column: &dyn Array, key: impl Fn(A::Native) -> u64) -> Vec<u64> {
        column.as_primitive::<A>().values().iter().map(|&number| key(number)).collect()
    }
    if let Some(row) = (0..column.len()).find(|&row| column.is_null(row)) {
        return Err(row);
    }
    Ok(match column.data_type() {
        DataType::Int8 => whole::<Int8Type>(column, |key| key as u64),
        DataType::Int16 => whole::<Int16Type>(column, |key| key as u64),
        DataType::Int32 => whole::<Int32Type>(column, |key| key as u64),
        DataType::Int64 => whole::<Int64Type>(column, |key| key as u64),
        DataType::UInt8 => whole::<UInt8Type>(column, u64::from),
        DataType::UInt16 => whole::<UInt16Type>(column, u64::from),
        DataType::UInt32 => whole::<UInt32Type>(column, u64::from),
        DataType::UInt64 => whole::<UInt64Type>(column, |key| key),
        _ => {
            column.as_string_view_opt().map(|texts| texts.iter().flatten().map(text_key).collect()).unwrap_or_default()
        }
    })
}

fn text_key(text: &str) -> u64 {
    let digest = Params::new().hash_length(8).hash(text.as_bytes());
    digest.as_bytes().iter().rev().fold(0, |key, &byte| key << 8 | u64::from(byte))
}

/// What the query of a row is called.
pub(crate) fn name(column: &dyn Array, keys: &[u64], row: usize) -> String {
    /// A name may be as long as a document.
    const LONGEST: usize = 200;
    match column.as_string_view_opt() {
        Some(texts) => format!("{:?}", texts.value(row).chars().take(LONGEST).collect::<String>()),
        None if column.data_type().is_signed_integer() => (keys[row] as i64).to_string(),
        None => keys[row].to_string(),
    }
}
