//! `_core.mine`: arrays in, arrays out.

use crate::arrays::{PassageIds, RowLayout, Scores, bf16_elements, elements};
use crate::errors::Failure;
use crate::policy::CorePolicy;
use crate::pool::detached;
use numpy::{Element, IntoPyArray, PyArrayMethods, PyReadonlyArray1};
use nvmine_core::{
    Anchor, Exclusions, Extent, Id, Ids, Layout, Output, Policy, REASONS, Request, Score, Shingles, Texts, mine_rows,
};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::num::NonZeroUsize;

/// Cells mined between two looks at pending signals: a fraction of a second's work.
const BLOCK_CELLS: usize = 1 << 24;

type LayoutAndIds<'py> = (RowLayout<'py>, PyReadonlyArray1<'py, i64>);
type OffsetsAndHashes<'py> = (PyReadonlyArray1<'py, i64>, PyReadonlyArray1<'py, u64>);
/// Shingles of the passages and of the queries, and the positives.
type NearTexts<'py> = (OffsetsAndHashes<'py>, Option<OffsetsAndHashes<'py>>, Option<LayoutAndIds<'py>>);

/// Mines flat arrays; `nvmine.mine` brings any input into this form and documents the rule.
///
/// Returns a dict of flat arrays.
#[pyfunction]
#[pyo3(signature = (policy, scores, *, layout, ids, pos_scores, pos_layout, exclusions, classes, keys, texts, ranks,
    reasons, threads))]
#[expect(clippy::too_many_arguments, reason = "one array each, all named by the caller")]
pub(crate) fn mine<'py>(
    py: Python<'py>,
    policy: &CorePolicy,
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
    let scores = Scores::extract(scores)?;
    let ids = PassageIds::extract(ids)?;
    let excluded = exclusions.iter().map(exclusions_of).collect::<Result<Vec<_>, Failure>>()?;
    let texts = match &texts {
        None => None,
        Some((passages, queries, positives)) => Some(Texts {
            passages: shingles_of(passages)?,
            queries: queries.as_ref().map(shingles_of).transpose()?,
            positives: positives.as_ref().map(exclusions_of).transpose()?,
        }),
    };
    let call = Call {
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
        Scores::F16(array) => call.with_scores(py, elements("scores", array)?, &ids),
        Scores::Bf16(array) => call.with_scores(py, bf16_elements(array)?, &ids),
        Scores::F32(array) => call.with_scores(py, elements("scores", array)?, &ids),
        Scores::F64(array) => call.with_scores(py, elements("scores", array)?, &ids),
    }
}

fn exclusions_of<'a>((layout, ids): &'a LayoutAndIds<'_>) -> Result<Exclusions<'a>, Failure> {
    Ok(Exclusions { layout: layout.get("pos_ids")?, ids: elements("pos_ids", ids)? })
}

fn shingles_of<'a>((offsets, values): &'a OffsetsAndHashes<'_>) -> Result<Shingles<'a>, Failure> {
    Ok(Shingles { offsets: elements("shingles", offsets)?, values: elements("shingles", values)? })
}

/// The arguments whose types are settled.
#[derive(Clone, Copy)]
struct Call<'a> {
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

impl Call<'_> {
    fn with_scores<'py, S>(
        self,
        py: Python<'py>,
        scores: &[S],
        ids: &PassageIds<'_>,
    ) -> Result<Bound<'py, PyDict>, Failure>
    where
        S: Score<Stored: Element>,
    {
        match ids {
            PassageIds::Columns => self.run::<S, i64>(py, scores, Ids::Columns),
            PassageIds::I32(array) => self.run(py, scores, Ids::Given(elements("ids", array)?)),
            PassageIds::I64(array) => self.run(py, scores, Ids::Given(elements("ids", array)?)),
            PassageIds::U32(array) => self.run(py, scores, Ids::Given(elements("ids", array)?)),
            PassageIds::U64(array) => self.run(py, scores, Ids::Given(elements("ids", array)?)),
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

    /// Where a block of at most [`BLOCK_CELLS`] cells ends that starts at a row; a cell counts once for each anchor.
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
    let wide = [rows, output.n];
    result.set_item("ids", output.ids.into_pyarray(py).reshape(wide)?)?;
    result.set_item("scores", output.scores.into_pyarray(py).reshape(wide)?)?;
    if extent.ranks {
        result.set_item("ranks", output.ranks.into_pyarray(py).reshape(wide)?)?;
    }
    result.set_item("counts", output.counts.into_pyarray(py))?;
    result.set_item("ceilings", output.ceilings.into_pyarray(py))?;
    result.set_item("candidates", output.candidates.into_pyarray(py))?;
    if extent.reasons {
        result.set_item("rejected", output.rejected.into_pyarray(py).reshape([rows, REASONS.len()])?)?;
    }
    Ok(result)
}
