//! `_core.mine`: scores in, negatives out.

use crate::arrays::{IdArray, RowLayout, ScoreArray, bf16_elements, elements};
use crate::errors::Failure;
use crate::policy::PyPolicy;
use crate::pool::detached;
use numpy::{Element, IntoPyArray, PyArrayMethods, PyReadonlyArray1};
use nvmine_core::{
    Anchor, Exclusions, Extent, Id, Ids, Layout, Output, Policy, REASONS, Request, Score, Shingles, Texts, mine_rows,
};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::num::NonZeroUsize;

/// Cells mined between two checks for pending signals, which takes a fraction of a second.
const BLOCK_CELLS: usize = 1 << 24;

type LayoutAndIds<'py> = (RowLayout<'py>, PyReadonlyArray1<'py, i64>);
type OffsetsAndHashes<'py> = (PyReadonlyArray1<'py, i64>, PyReadonlyArray1<'py, u64>);
/// Shingles of the passages and of the queries, and the ids of the positives.
type NearTexts<'py> = (OffsetsAndHashes<'py>, Option<OffsetsAndHashes<'py>>, Option<LayoutAndIds<'py>>);

/// Mines hard negatives from flat arrays, and returns a dict of arrays with a row per result.
///
/// `nvmine.mine` converts its inputs to this form and documents the rule.
#[pyfunction]
#[pyo3(signature = (policy, scores, *, layout, ids, pos_scores, pos_layout, exclusions, classes, keys, texts, ranks,
    reasons, threads))]
#[expect(clippy::too_many_arguments, reason = "the arrays of one request, nearly all keyword-only")]
pub(crate) fn mine<'py>(
    py: Python<'py>,
    policy: &PyPolicy,
    scores: &Bound<'py, PyAny>,
    layout: RowLayout<'py>,
    ids: Option<&Bound<'py, PyAny>>,
    pos_scores: PyReadonlyArray1<'py, f64>,
    pos_layout: RowLayout<'py>,
    exclusions: Vec<LayoutAndIds<'py>>,
    classes: Option<PyReadonlyArray1<'py, i64>>,
    keys: Option<PyReadonlyArray1<'py, u64>>,
    texts: Option<NearTexts<'py>>,
    ranks: bool,
    reasons: bool,
    threads: Option<NonZeroUsize>,
) -> Result<Bound<'py, PyDict>, Failure> {
    let scores = ScoreArray::extract(scores)?;
    let ids = IdArray::extract(ids)?;
    let excluded = exclusions.iter().map(exclusions_of).collect::<Result<Vec<_>, Failure>>()?;
    let texts = match &texts {
        None => None,
        Some((passages, queries, positives)) => Some(Texts {
            passages: shingles_of(passages)?,
            queries: queries.as_ref().map(shingles_of).transpose()?,
            positives: positives.as_ref().map(exclusions_of).transpose()?,
        }),
    };
    let arguments = MineArguments {
        policy: &policy.0,
        layout: layout.get("scores")?,
        positive_scores: elements("pos_scores", &pos_scores)?,
        positive_layout: pos_layout.get("pos_scores")?,
        exclusions: &excluded,
        classes: classes.as_ref().map(|classes| elements("identity", classes)).transpose()?,
        keys: keys.as_ref().map(|keys| elements("query_ids", keys)).transpose()?,
        texts,
        extent: Extent { ranks, reasons },
        threads,
    };
    match &scores {
        ScoreArray::F16(array) => arguments.with_scores(py, elements("scores", array)?, &ids),
        ScoreArray::Bf16(array) => arguments.with_scores(py, bf16_elements(array)?, &ids),
        ScoreArray::F32(array) => arguments.with_scores(py, elements("scores", array)?, &ids),
        ScoreArray::F64(array) => arguments.with_scores(py, elements("scores", array)?, &ids),
    }
}

fn exclusions_of<'a>((layout, ids): &'a LayoutAndIds<'_>) -> Result<Exclusions<'a>, Failure> {
    Ok(Exclusions { layout: layout.get("pos_ids")?, ids: elements("pos_ids", ids)? })
}

fn shingles_of<'a>((offsets, values): &'a OffsetsAndHashes<'_>) -> Result<Shingles<'a>, Failure> {
    Ok(Shingles { offsets: elements("shingles", offsets)?, values: elements("shingles", values)? })
}

/// The arguments whose types do not depend on the widths of scores and ids.
#[derive(Clone, Copy)]
struct MineArguments<'a> {
    policy: &'a Policy,
    layout: Layout<'a>,
    positive_scores: &'a [f64],
    positive_layout: Layout<'a>,
    exclusions: &'a [Exclusions<'a>],
    classes: Option<&'a [i64]>,
    keys: Option<&'a [u64]>,
    texts: Option<Texts<'a>>,
    extent: Extent,
    threads: Option<NonZeroUsize>,
}

impl MineArguments<'_> {
    fn with_scores<'py, S>(
        self,
        py: Python<'py>,
        scores: &[S],
        ids: &IdArray<'_>,
    ) -> Result<Bound<'py, PyDict>, Failure>
    where
        S: Score<Stored: Element>,
    {
        match ids {
            IdArray::Columns => self.run::<S, i64>(py, scores, Ids::Columns),
            IdArray::I32(array) => self.run(py, scores, Ids::Given(elements("ids", array)?)),
            IdArray::I64(array) => self.run(py, scores, Ids::Given(elements("ids", array)?)),
            IdArray::U32(array) => self.run(py, scores, Ids::Given(elements("ids", array)?)),
            IdArray::U64(array) => self.run(py, scores, Ids::Given(elements("ids", array)?)),
        }
    }

    fn run<'py, S, I>(self, py: Python<'py>, scores: &[S], ids: Ids<'_, I>) -> Result<Bound<'py, PyDict>, Failure>
    where
        S: Score<Stored: Element>,
        I: Id,
    {
        let request = Request {
            scores,
            layout: self.layout,
            ids,
            positive_scores: self.positive_scores,
            positive_layout: self.positive_layout,
            exclusions: self.exclusions,
            classes: self.classes,
            keys: self.keys,
            texts: self.texts,
        };
        request.check()?;
        let mut output = Output::new(&request, self.policy, self.extent)?;
        let mut start = 0;
        while start < self.layout.rows() {
            let end = self.block_end(start);
            detached(py, self.threads, || mine_rows(&request, self.policy, start..end, &mut output))??;
            py.check_signals()?;
            start = end;
        }
        to_python(py, output, self.extent)
    }

    /// The end of the block of rows from `start` that has at most [`BLOCK_CELLS`] cells, or of one row with more. With
    /// an anchor for each positive, a cell counts once for each of them.
    fn block_end(&self, start: usize) -> usize {
        if let (Layout::Dense { rows, columns }, false) = (self.layout, self.policy.anchor == Anchor::Each) {
            return rows.min(start + (BLOCK_CELLS / columns.max(1)).max(1));
        }
        let mut cells = 0_usize;
        for row in start..self.layout.rows() {
            let anchors = match self.policy.anchor {
                Anchor::Each => self.positive_layout.cells(row).len(),
                _ => 1,
            };
            cells = cells.saturating_add(self.layout.cells(row).len().saturating_mul(anchors));
            if cells > BLOCK_CELLS {
                return row.max(start + 1);
            }
        }
        self.layout.rows()
    }
}

fn to_python<T: Element>(py: Python<'_>, output: Output<T>, extent: Extent) -> Result<Bound<'_, PyDict>, Failure> {
    let rows = output.counts.len();
    let result = PyDict::new(py);
    let shape = [rows, output.n];
    result.set_item("ids", output.ids.into_pyarray(py).reshape(shape)?)?;
    result.set_item("scores", output.scores.into_pyarray(py).reshape(shape)?)?;
    if extent.ranks {
        result.set_item("ranks", output.ranks.into_pyarray(py).reshape(shape)?)?;
    }
    result.set_item("counts", output.counts.into_pyarray(py))?;
    result.set_item("ceilings", output.ceilings.into_pyarray(py))?;
    result.set_item("candidates", output.candidates.into_pyarray(py))?;
    if extent.reasons {
        result.set_item("rejected", output.rejected.into_pyarray(py).reshape([rows, REASONS.len()])?)?;
    }
    Ok(result)
}
