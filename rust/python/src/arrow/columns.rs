/*!
Arrow columns as the flat arrays that the core reads.

A list column already has the memory layout that the core wants, values in a row and offsets beside them, so values are
shared. They are copied only where a null list hides values or a value is null. A null list becomes an empty one, a null
score NaN, and a null id padding. The functions here trust offsets and lengths: [`ffi`](crate::arrow::ffi) validates
every array when it comes in.
*/

use arrow_array::cast::AsArray;
use arrow_array::types::{Float16Type, Float32Type, Float64Type, Int32Type, Int64Type, UInt32Type, UInt64Type};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, make_array, new_empty_array};
use arrow_buffer::{ArrowNativeType, ScalarBuffer};
use arrow_data::ArrayData;
use arrow_data::transform::MutableArrayData;
use arrow_schema::{ArrowError, DataType, Field};
use half::f16;
use nvmine_core::{Id, Score};
use std::ops::Range;

/// A column of another library.
pub(crate) struct Column {
    pub(crate) field: Field,
    pub(crate) chunks: Vec<ArrayRef>,
}

impl Column {
    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.chunks.iter().map(Array::len).sum()
    }

    /// The row after the last one of each chunk.
    pub(crate) fn ends(&self) -> impl Iterator<Item = usize> {
        self.chunks.iter().scan(0, |end, chunk| {
            *end += chunk.len();
            Some(*end)
        })
    }

    /// A range of rows that lies in one chunk.
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

    /// The only row of a column, repeated `rows` times.
    pub(crate) fn repeated(&self, rows: usize) -> Result<ArrayRef, ArrowError> {
        let row = self.part(0..1).to_data();
        let mut copies = MutableArrayData::new(vec![&row], false, rows);
        for _ in 0..rows {
            copies.try_extend(0, 0, 1)?;
        }
        Ok(make_array(copies.freeze()))
    }
}

/// The type of a column's values, and whether the column holds lists of them.
pub(crate) fn value_type(column: &DataType) -> (&DataType, bool) {
    match column {
        DataType::List(values) | DataType::LargeList(values) | DataType::FixedSizeList(values, _) => {
            (values.data_type(), true)
        }
        values => (values, false),
    }
}

/// The message for a column that cannot be read, for callers that can pass on text only.
pub(crate) fn dtype_message(error: ArrowError) -> String {
    format!("DtypeError: {error}")
}

/// Rows of values: row `i` is `values[offsets[i]..offsets[i + 1]]`. The first offset is 0, the last one the number of
/// values.
pub(crate) struct RaggedColumn {
    pub(crate) values: ArrayRef,
    pub(crate) offsets: Vec<i64>,
}

impl RaggedColumn {
    /// The rows of a list column, or of any other column with one value per row.
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
        // A null list may span values, which do not belong to the row.
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

    /// Concatenates columns of one type; `None` if there are none.
    pub(crate) fn concatenated(mut parts: Vec<Self>) -> Result<Option<Self>, ArrowError> {
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

/// A [`RaggedColumn`] whose values are numbers of a known type.
pub(crate) struct RaggedNumbers<T: ArrowNativeType> {
    pub(crate) values: ScalarBuffer<T>,
    pub(crate) offsets: Vec<i64>,
}

impl<T: ArrowNativeType> RaggedNumbers<T> {
    /// The rows of a column whose values have the type `A` or are all null; nulls become `null`.
    fn of<A: ArrowPrimitiveType<Native = T>>(column: &ArrayRef, null: T) -> Result<Self, ArrowError> {
        let RaggedColumn { values, offsets } = RaggedColumn::of(column)?;
        let values = match values.as_primitive_opt::<A>().map(|array| (array.values(), array.nulls())) {
            None => vec![null; values.len()].into(),
            Some((values, Some(nulls))) if nulls.null_count() > 0 => {
                values.iter().zip(nulls).map(|(&value, valid)| if valid { value } else { null }).collect()
            }
            Some((values, _)) => values.clone(),
        };
        Ok(Self { values, offsets })
    }

    fn map<U: ArrowNativeType>(self, convert: impl Fn(T) -> U) -> RaggedNumbers<U> {
        RaggedNumbers { values: self.values.iter().map(|&value| convert(value)).collect(), offsets: self.offsets }
    }
}

/// A column of scores of any supported width.
pub(crate) enum ScoreColumn {
    F16(RaggedNumbers<f16>),
    F32(RaggedNumbers<f32>),
    F64(RaggedNumbers<f64>),
}

impl ScoreColumn {
    /// Reads a column whose values are `Float16`, `Float32` or `Float64`, or all null.
    pub(crate) fn of(column: &ArrayRef) -> Result<Self, ArrowError> {
        Ok(match value_type(column.data_type()).0 {
            DataType::Float16 => Self::F16(RaggedNumbers::of::<Float16Type>(column, f16::NAN)?),
            DataType::Float64 => Self::F64(RaggedNumbers::of::<Float64Type>(column, f64::NAN)?),
            _ => Self::F32(RaggedNumbers::of::<Float32Type>(column, f32::NAN)?),
        })
    }

    /// The scores as `f64`.
    pub(crate) fn widened(self) -> RaggedNumbers<f64> {
        match self {
            Self::F16(rows) => rows.map(Score::widen),
            Self::F32(rows) => rows.map(Score::widen),
            Self::F64(rows) => rows,
        }
    }
}

/// A column of passage ids of any supported width.
pub(crate) enum IdColumn {
    I32(RaggedNumbers<i32>),
    I64(RaggedNumbers<i64>),
    U32(RaggedNumbers<u32>),
    U64(RaggedNumbers<u64>),
}

impl IdColumn {
    /// Reads a column whose values are `Int32`, `Int64`, `UInt32` or `UInt64`, or all null.
    pub(crate) fn of(column: &ArrayRef) -> Result<Self, ArrowError> {
        Ok(match value_type(column.data_type()).0 {
            DataType::Int32 => Self::I32(RaggedNumbers::of::<Int32Type>(column, -1)?),
            DataType::UInt32 => Self::U32(RaggedNumbers::of::<UInt32Type>(column, u32::MAX)?),
            DataType::UInt64 => Self::U64(RaggedNumbers::of::<UInt64Type>(column, u64::MAX)?),
            _ => Self::I64(RaggedNumbers::of::<Int64Type>(column, -1)?),
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

    /// The ids as `i64`, with padding as -1.
    pub(crate) fn signed(self) -> RaggedNumbers<i64> {
        match self {
            Self::I32(rows) => rows.map(|id| id.passage().unwrap_or(-1)),
            Self::I64(rows) => rows,
            Self::U32(rows) => rows.map(|id| id.passage().unwrap_or(-1)),
            Self::U64(rows) => rows.map(|id| id.passage().unwrap_or(-1)),
        }
    }
}
