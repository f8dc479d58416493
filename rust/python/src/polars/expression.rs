/*!
`nvmine.polars.mine` on columns: the type of the result, and the result.

Rows are split where a chunk of any column ends. Each part lies in one chunk of every column, so nothing is
concatenated, and becomes one chunk of the result. Polars may call with any subset of the rows, so row numbers of a call
mean nothing to the user, and errors name queries by their ids.
*/

use super::arguments::ExpressionArguments;
use super::keys::{keys, name};
use crate::arrow::columns::{Column, IdColumn, RaggedNumbers, ScoreColumn, dtype_message, value_type};
use crate::errors::ErrorClass;
use crate::pool::pool;
use arrow_array::types::{Float32Type, Float64Type, Int64Type, UInt32Type};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, LargeListArray, PrimitiveArray, StructArray};
use arrow_buffer::{ArrowNativeType, OffsetBuffer};
use arrow_data::ArrayData;
use arrow_schema::{DataType, Field, Fields};
use nvmine_core::{Error, Exclusions, Extent, Id, Ids, Layout, Output, REASONS, Request, Score, Stored, mine_rows};
use std::collections::BTreeSet;
use std::sync::Arc;

/// With fewer candidates than this, starting other threads costs more time than they save.
const MIN_PARALLEL_CANDIDATES: usize = 1 << 16;

/// The name and type of the result, from those of the columns.
pub(crate) fn field(fields: &[Field], kwargs: &[u8]) -> Result<Field, String> {
    let arguments = ExpressionArguments::parse(kwargs)?;
    if fields.len() != arguments.columns.len() || fields.is_empty() {
        let (found, expected) = (fields.len(), arguments.columns.join(", "));
        return Err(format!("ShapeError: got {found} columns, expected one for each of {expected}"));
    }
    for (role, field) in arguments.columns.iter().zip(fields) {
        check(role, field)?;
    }
    let scores = match value_type(fields[0].data_type()).0 {
        DataType::Float64 => DataType::Float64,
        _ => DataType::Float32,
    };
    Ok(Field::new(fields[0].name(), DataType::Struct(result_fields(scores)), true))
}

fn result_fields(scores: DataType) -> Fields {
    let list = |name, values| Field::new(name, DataType::LargeList(item(values)), true);
    let rejected = REASONS.iter().map(|&reason| Field::new(reason, DataType::UInt32, true)).collect();
    Fields::from(vec![
        list("negative_ids", DataType::Int64),
        list("negative_scores", scores),
        Field::new("candidates", DataType::UInt32, true),
        Field::new("rejected", DataType::Struct(rejected), true),
    ])
}

fn item(values: DataType) -> Arc<Field> {
    Arc::new(Field::new("item", values, true))
}

/// Checks that the type of a column fits its role.
fn check(role: &str, field: &Field) -> Result<(), String> {
    let (values, listed) = value_type(field.data_type());
    let (fits, wanted) = match role {
        "scores" | "pos_scores" => {
            let fits = matches!(values, DataType::Float16 | DataType::Float32 | DataType::Float64 | DataType::Null);
            (fits, "Float32, Float64 or Float16")
        }
        "query_ids" => {
            let fits = values.is_integer() || matches!(values, DataType::Utf8View);
            (fits && !listed, "integers or String, one per row")
        }
        _ => {
            use DataType::{Int32, Int64, Null, UInt32, UInt64};
            (matches!(values, Int32 | Int64 | UInt32 | UInt64 | Null), "Int64, Int32, UInt64 or UInt32")
        }
    };
    if fits && (listed || !matches!(role, "scores" | "ids")) {
        return Ok(());
    }
    let found = if listed { format!("lists of {values}") } else { values.to_string() };
    let expected = match role {
        "query_ids" => wanted.to_owned(),
        "scores" | "ids" => format!("lists of {wanted}"),
        _ => format!("lists of {wanted}, or one value per row"),
    };
    let name = field.name();
    Err(format!("DtypeError: {role}: column {name:?} holds {found}, expected {expected}; cast the column"))
}

/// The name and type of the result, and its chunks. `single_threaded` forbids other threads than the caller's.
pub(crate) fn mine(
    columns: &[Column],
    kwargs: &[u8],
    single_threaded: bool,
) -> Result<(Field, Vec<ArrayData>), String> {
    let fields: Vec<Field> = columns.iter().map(|column| column.field.clone()).collect();
    let field = field(&fields, kwargs)?;
    let arguments = ExpressionArguments::parse(kwargs)?;
    // A literal comes as one row and stands for every row.
    let rows = columns.iter().map(Column::len).find(|&rows| rows != 1).unwrap_or(1);
    if let Some((role, column)) = arguments.columns.iter().zip(columns).find(|(_, c)| ![1, rows].contains(&c.len())) {
        return Err(format!("ShapeError: {role} has {} rows, but other columns have {rows}", column.len()));
    }
    let whole = |column: &&Column| column.len() == rows;
    let ends: BTreeSet<usize> = columns.iter().filter(whole).flat_map(Column::ends).filter(|&end| end > 0).collect();
    let mut start = 0;
    let mut chunks = Vec::new();
    for end in if rows == 0 { BTreeSet::from([0]) } else { ends } {
        let part = |column: &Column| {
            if whole(&column) { Ok(column.part(start..end)) } else { column.repeated(end - start) }
        };
        let parts = columns.iter().map(part).collect::<Result<Vec<_>, _>>();
        let parts = parts.map_err(|error| format!("ShapeError: {error}"))?;
        let part = Part { arguments: &arguments, columns: &parts, single_threaded, first: start };
        chunks.push(part.mine()?.into());
        start = end;
    }
    Ok((field, chunks))
}

/// Consecutive rows that lie in one chunk of every column.
struct Part<'a> {
    arguments: &'a ExpressionArguments,
    columns: &'a [ArrayRef],
    single_threaded: bool,
    /// The first of the rows within the call.
    first: usize,
}

impl Part<'_> {
    fn column(&self, role: &str) -> Option<&ArrayRef> {
        let place = self.arguments.columns.iter().position(|column| column == role)?;
        self.columns.get(place)
    }

    fn mine(&self) -> Result<StructArray, String> {
        let [scores, positives, ..] = self.columns else {
            return Err("ShapeError: pass scores and pos_scores".into());
        };
        let ids = self.column("ids").map(IdColumn::of).transpose().map_err(dtype_message)?;
        match ScoreColumn::of(scores).map_err(dtype_message)? {
            ScoreColumn::F16(rows) => self.with_scores::<_, Float32Type>(&rows, ids, positives),
            ScoreColumn::F32(rows) => self.with_scores::<_, Float32Type>(&rows, ids, positives),
            ScoreColumn::F64(rows) => self.with_scores::<_, Float64Type>(&rows, ids, positives),
        }
    }

    fn with_scores<S, A>(
        &self,
        scores: &RaggedNumbers<S>,
        ids: Option<IdColumn>,
        positives: &ArrayRef,
    ) -> Result<StructArray, String>
    where
        S: Score<Stored = A::Native> + ArrowNativeType,
        A: ArrowPrimitiveType<Native: Stored>,
    {
        if let Some(ids) = &ids
            && let Some(row) = (0..scores.offsets.len()).find(|&row| ids.offsets()[row] != scores.offsets[row])
        {
            let len = |offsets: &[i64]| offsets[row] - offsets[row - 1];
            let lens = format!("{} ids for {} scores", len(ids.offsets()), len(&scores.offsets));
            return Err(format!("ShapeError: {}: {lens}", self.query_name(row - 1)));
        }
        match ids {
            None => self.run::<S, i64, A>(scores, Ids::Columns, positives),
            Some(IdColumn::I32(rows)) => self.run::<_, _, A>(scores, Ids::Given(&rows.values), positives),
            Some(IdColumn::I64(rows)) => self.run::<_, _, A>(scores, Ids::Given(&rows.values), positives),
            Some(IdColumn::U32(rows)) => self.run::<_, _, A>(scores, Ids::Given(&rows.values), positives),
            Some(IdColumn::U64(rows)) => self.run::<_, _, A>(scores, Ids::Given(&rows.values), positives),
        }
    }

    fn run<S, I, A>(
        &self,
        scores: &RaggedNumbers<S>,
        ids: Ids<'_, I>,
        positives: &ArrayRef,
    ) -> Result<StructArray, String>
    where
        S: Score<Stored = A::Native> + ArrowNativeType,
        I: Id,
        A: ArrowPrimitiveType<Native: Stored>,
    {
        let positives = ScoreColumn::of(positives).map_err(dtype_message)?.widened();
        let excluded = ["pos_ids", "exclude_ids"].into_iter().filter_map(|role| self.column(role));
        let excluded = excluded.map(|ids| Ok(IdColumn::of(ids)?.signed()));
        let excluded = excluded.collect::<Result<Vec<_>, _>>().map_err(dtype_message)?;
        let exclusions: Vec<_> = excluded
            .iter()
            .map(|rows| Exclusions { layout: Layout::Ragged { offsets: &rows.offsets }, ids: &rows.values })
            .collect();
        let keys = match self.column("query_ids").map(|column| keys(column)) {
            None => None,
            Some(Ok(keys)) => Some(keys),
            Some(Err(row)) => return Err(format!("DtypeError: query_ids is null in row {}", self.first + row)),
        };
        let request = Request {
            scores: &scores.values,
            layout: Layout::Ragged { offsets: &scores.offsets },
            ids,
            positive_scores: &positives.values,
            positive_layout: Layout::Ragged { offsets: &positives.offsets },
            exclusions: &exclusions,
            classes: None,
            keys: keys.as_deref(),
            texts: None,
        };
        let message = |error: Error| self.message(&error);
        let policy = &self.arguments.policy;
        request.check().map_err(message)?;
        let mut output = Output::new(&request, policy, Extent { ranks: false, reasons: true }).map_err(message)?;
        let mut work = || mine_rows(&request, policy, 0..request.layout.rows(), &mut output);
        if self.single_threaded || scores.values.len() < MIN_PARALLEL_CANDIDATES {
            work().map_err(message)?;
        } else {
            pool(None)?.install(work).map_err(message)?;
        }
        table::<A>(output).ok_or_else(|| "ShapeError: a query has 2**32 or more candidates".into())
    }

    /// The name of a row's query in messages: its id or, without ids, the number of the row within the call.
    fn query_name(&self, row: usize) -> String {
        match self.column("query_ids").map(|column| (column, keys(column))) {
            Some((column, Ok(keys))) => format!("query {}", name(column, &keys, row)),
            _ => format!("row {} of this batch (pass query_ids to see the query's id)", self.first + row),
        }
    }

    /// The message for an error of the core, with the class of the exception and the query.
    fn message(&self, error: &Error) -> String {
        let class = ErrorClass::of(error).name();
        match error.row() {
            Some(row) => format!("{class}: {}: {error}", self.query_name(row)),
            None => format!("{class}: {error}"),
        }
    }
}

/// The results as a column of structs; `None` if a count does not fit into 32 bits.
fn table<A: ArrowPrimitiveType<Native: Stored>>(output: Output<A::Native>) -> Option<StructArray> {
    let counts = || output.counts.iter().map(|&count| count as usize);
    let offsets = OffsetBuffer::<i64>::from_lengths(counts());
    let filled = || counts().enumerate().flat_map(|(row, count)| row * output.n..row * output.n + count);
    let ids = PrimitiveArray::<Int64Type>::from_iter_values(filled().map(|cell| output.ids[cell]));
    let scores = PrimitiveArray::<A>::from_iter_values(filled().map(|cell| output.scores[cell]));
    let list = |values: ArrayRef| -> Option<ArrayRef> {
        let lists = LargeListArray::try_new(item(values.data_type().clone()), offsets.clone(), values, None);
        Some(Arc::new(lists.ok()?))
    };
    let column = |counts: &mut dyn Iterator<Item = &i64>| -> Option<ArrayRef> {
        let counts = counts.map(|&count| u32::try_from(count).ok()).collect::<Option<Vec<u32>>>()?;
        Some(Arc::new(PrimitiveArray::<UInt32Type>::from(counts)))
    };
    let of_reason = |reason| column(&mut output.rejected.iter().skip(reason).step_by(REASONS.len()));
    let rejected = (0..REASONS.len()).map(of_reason).collect::<Option<Vec<_>>>()?;
    let fields = result_fields(A::DATA_TYPE);
    let DataType::Struct(reasons) = fields[3].data_type() else { return None };
    let rejected = StructArray::try_new(reasons.clone(), rejected, None).ok()?;
    let columns =
        vec![list(Arc::new(ids))?, list(Arc::new(scores))?, column(&mut output.candidates.iter())?, Arc::new(rejected)];
    StructArray::try_new(fields, columns, None).ok()
}
