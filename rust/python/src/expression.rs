/*!
`nvmine.polars.mine`, from columns to a column: the type of the result, and the result.

Rows are mined in parts that lie in one chunk of every column, so that nothing is copied together, and each part is a
chunk of the result. A call may hold any part of the data: row numbers mean nothing here, and errors name queries by
their ids.
*/

use crate::call::Call;
use crate::columns::{Column, PassageIds, Rows, Scores, keys, name, refused, value_type};
use crate::pool;
use arrow_array::types::{Float32Type, Float64Type, Int64Type, UInt32Type};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, LargeListArray, PrimitiveArray, StructArray};
use arrow_buffer::{ArrowNativeType, OffsetBuffer};
use arrow_data::ArrayData;
use arrow_schema::{DataType, Field, Fields};
use nvmine_core::{Error, Exclusions, Extent, Id, Ids, Layout, Output, REASONS, Request, Score, Stored, mine_rows};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Below so many candidates, other threads cost more than they bring.
const CANDIDATES_ALONE: usize = 1 << 16;

/// The name and type of the result.
pub(crate) fn field(fields: &[Field], kwargs: &[u8]) -> Result<Field, String> {
    let call = Call::read(kwargs)?;
    if fields.len() != call.columns.len() || fields.is_empty() {
        let (found, expected) = (fields.len(), call.columns.join(", "));
        return Err(format!("ShapeError: {found} columns, expected one each for {expected}"));
    }
    for (role, field) in call.columns.iter().zip(fields) {
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

/// Whether a column can be what it is given for.
fn check(role: &str, field: &Field) -> Result<(), String> {
    let (values, listed) = value_type(field.data_type());
    let (fits, wanted) = match role {
        "scores" | "pos_scores" => {
            let fits = matches!(values, DataType::Float16 | DataType::Float32 | DataType::Float64 | DataType::Null);
            (fits, "Float32, Float64 or Float16")
        }
        "query_ids" => {
            let fits = values.is_integer() || matches!(values, DataType::Utf8View);
            (fits && !listed, "whole numbers or String, one a row")
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
    let lists = match role {
        "query_ids" => "",
        "scores" | "ids" => "lists of ",
        _ => "lists, or one a row, of ",
    };
    Err(format!("DtypeError: {role}: column {:?} holds {found}, expected {lists}{wanted}; cast it", field.name()))
}

/// The name and type of the result, and its chunks.
pub(crate) fn mine(columns: &[Column], kwargs: &[u8], alone: bool) -> Result<(Field, Vec<ArrayData>), String> {
    let fields: Vec<Field> = columns.iter().map(|column| column.field.clone()).collect();
    let field = field(&fields, kwargs)?;
    let call = Call::read(kwargs)?;
    // Literals come as one row and stand for every row.
    let rows = columns.iter().map(Column::len).find(|&rows| rows != 1).unwrap_or(1);
    if let Some((role, column)) = call.columns.iter().zip(columns).find(|(_, c)| ![1, rows].contains(&c.len())) {
        return Err(format!("ShapeError: {role} has {} rows, other columns have {rows}", column.len()));
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
        chunks.push(Part { call: &call, parts: &parts, alone, first: start }.mine()?.into());
        start = end;
    }
    Ok((field, chunks))
}

/// Rows that lie in one chunk of every column.
struct Part<'a> {
    call: &'a Call,
    parts: &'a [ArrayRef],
    alone: bool,
    first: usize,
}

impl Part<'_> {
    fn column(&self, role: &str) -> Option<&ArrayRef> {
        let place = self.call.columns.iter().position(|column| column == role)?;
        self.parts.get(place)
    }

    fn mine(&self) -> Result<StructArray, String> {
        let [scores, positives, ..] = self.parts else {
            return Err("ShapeError: give scores and pos_scores".into());
        };
        let ids = self.column("ids").map(PassageIds::of).transpose().map_err(refused)?;
        match Scores::of(scores).map_err(refused)? {
            Scores::F16(rows) => self.with_scores::<_, Float32Type>(&rows, ids, positives),
            Scores::F32(rows) => self.with_scores::<_, Float32Type>(&rows, ids, positives),
            Scores::F64(rows) => self.with_scores::<_, Float64Type>(&rows, ids, positives),
        }
    }

    fn with_scores<S, A>(
        &self,
        scores: &Rows<S>,
        ids: Option<PassageIds>,
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
            return Err(format!("ShapeError: {}: {lens}", self.place(row - 1)));
        }
        match ids {
            None => self.run::<S, i64, A>(scores, Ids::Columns, positives),
            Some(PassageIds::I32(rows)) => self.run::<_, _, A>(scores, Ids::Given(&rows.values), positives),
            Some(PassageIds::I64(rows)) => self.run::<_, _, A>(scores, Ids::Given(&rows.values), positives),
            Some(PassageIds::U32(rows)) => self.run::<_, _, A>(scores, Ids::Given(&rows.values), positives),
            Some(PassageIds::U64(rows)) => self.run::<_, _, A>(scores, Ids::Given(&rows.values), positives),
        }
    }

    fn run<S, I, A>(&self, scores: &Rows<S>, ids: Ids<'_, I>, positives: &ArrayRef) -> Result<StructArray, String>
    where
        S: Score<Stored = A::Native> + ArrowNativeType,
        I: Id,
        A: ArrowPrimitiveType<Native: Stored>,
    {
        let positives = Scores::of(positives).map_err(refused)?.widened();
        let never = ["pos_ids", "exclude_ids"].into_iter().filter_map(|role| self.column(role));
        let never =
            never.map(|ids| Ok(PassageIds::of(ids)?.signed())).collect::<Result<Vec<_>, _>>().map_err(refused)?;
        let exclusions: Vec<_> = never
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
        let refused = |error: Error| self.refused(&error);
        request.check().map_err(refused)?;
        let mut output =
            Output::new(&request, &self.call.policy, Extent { ranks: false, reasons: true }).map_err(refused)?;
        let mut work = || mine_rows(&request, &self.call.policy, 0..request.layout.rows(), &mut output);
        if self.alone || scores.values.len() < CANDIDATES_ALONE {
            work().map_err(refused)?;
        } else {
            pool::shared(None)?.install(work).map_err(refused)?;
        }
        table::<A>(output).ok_or_else(|| "ShapeError: a query has 2**32 candidates or more".into())
    }

    /// A row for a message: the query's id, or else the number of the row within this call.
    fn place(&self, row: usize) -> String {
        match self.column("query_ids").map(|column| (column, keys(column))) {
            Some((column, Ok(keys))) => format!("query {}", name(column, &keys, row)),
            _ => format!("row {} of this batch (give query_ids to have queries named)", self.first + row),
        }
    }

    fn refused(&self, error: &Error) -> String {
        let class = crate::errors::class_name(error);
        match error.row() {
            Some(row) => format!("{class}: {}: {error}", self.place(row)),
            None => format!("{class}: {error}"),
        }
    }
}

/// Results as a table; `None` if a count does not fit.
fn table<A: ArrowPrimitiveType<Native: Stored>>(output: Output<A::Native>) -> Option<StructArray> {
    let counts = || output.counts.iter().map(|&count| count as usize);
    let offsets = OffsetBuffer::<i64>::from_lengths(counts());
    let held = || counts().enumerate().flat_map(|(row, count)| row * output.n..row * output.n + count);
    let ids = PrimitiveArray::<Int64Type>::from_iter_values(held().map(|cell| output.ids[cell]));
    let scores = PrimitiveArray::<A>::from_iter_values(held().map(|cell| output.scores[cell]));
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
