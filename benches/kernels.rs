//! Mines one score matrix in the core alone, to time it or to count its instructions.
//!
//! ```text
//! cargo bench --bench kernels                       times every case on one thread, in seconds and nanoseconds per candidate
//! cargo bench --bench kernels --no-run              builds the bench and prints its path; then, with that path:
//! valgrind --tool=callgrind --toggle-collect='*mined_once*' PATH 'unsorted, reasons'
//! ```
//!
//! Wall time is noisy on a shared machine. The number of instructions of a case is the same in every run.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark may panic")]

use nvmine_core::{
    Anchor, Exclusions, Extent, Ids, Layout, Method, OnMissing, OnShort, Output, Policy, Request, Sampling, mine,
};
use std::hint::black_box;
use std::time::Instant;

const COLUMNS: usize = 100;

const POLICY: Policy = Policy {
    method: Method::Margin(0.05),
    max_score: None,
    min_score: None,
    near_duplicate: None,
    shift: 0,
    pool: None,
    n: 4,
    sampling: Sampling::Top,
    first: 0,
    anchor: Anchor::Min,
    on_short: OnShort::Keep,
    on_missing: OnMissing::Raise,
    seed: 0,
};

struct Matrix {
    scores: Vec<f32>,
    ids: Vec<i64>,
    positive_scores: Vec<f64>,
    positive_ids: Vec<i64>,
}

/// Makes scores around 0.4 and positives around 0.7, of which three in four are among the candidates. The ids of a row are
/// distinct.
fn matrix(rows: usize) -> Matrix {
    let mut state = 1_u64;
    let mut draw = move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        nvmine_core::mix(state)
    };
    let mut normal = move || (0..4).map(|_| (draw() >> 40) as f64 / (1_u64 << 24) as f64 - 0.5).sum::<f64>() * 1.73;
    let mut made =
        Matrix { scores: Vec::new(), ids: Vec::new(), positive_scores: Vec::new(), positive_ids: Vec::new() };
    for row in 0..rows {
        let start = row as i64 * 7919 % 10_000_000;
        let positive = (0.7 + 0.1 * normal()) as f32;
        for column in 0..COLUMNS {
            made.scores.push((0.4 + 0.15 * normal()) as f32);
            made.ids.push(start + 37 * (column as i64 * 63 % COLUMNS as i64));
        }
        made.positive_scores.push(f64::from(positive));
        if row % 4 == 0 {
            made.positive_ids.push(99_000_000);
        } else {
            let place = row * COLUMNS + row % COLUMNS;
            made.scores[place] = positive;
            made.positive_ids.push(made.ids[place]);
        }
    }
    made
}

#[inline(never)]
fn mined_once(request: &Request<'_, f32, i64>, policy: &Policy, reasons: bool) -> Output<f32> {
    mine(black_box(request), black_box(policy), Extent { ranks: false, reasons }).unwrap()
}

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let rows = if wanted.is_empty() { 100_000 } else { 10_000 };
    let mut made = matrix(rows);
    let sampled = |sampling| Policy { sampling, pool: Some(10), ..POLICY };
    let cases = [
        ("unsorted", POLICY, true, false),
        ("unsorted, reasons", POLICY, true, true),
        ("columns", POLICY, false, false),
        ("uniform", sampled(Sampling::Uniform), true, false),
        ("softmax", sampled(Sampling::Softmax { temperature: 0.1 }), true, false),
        ("sorted", POLICY, true, false),
        ("sorted, reasons", POLICY, true, true),
    ];
    for (name, policy, with_ids, reasons) in cases {
        if !wanted.is_empty() && !wanted.iter().any(|one| one == name) {
            continue;
        }
        if name.starts_with("sorted") {
            for row in made.scores.chunks_exact_mut(COLUMNS) {
                row.sort_by(|a, b| b.total_cmp(a));
            }
        }
        let single = Layout::Dense { rows, columns: 1 };
        let exclusions = [Exclusions { layout: single, ids: &made.positive_ids }];
        let request = Request {
            scores: &made.scores,
            layout: Layout::Dense { rows, columns: COLUMNS },
            ids: if with_ids { Ids::Given(&made.ids) } else { Ids::Columns },
            positive_scores: &made.positive_scores,
            positive_layout: single,
            exclusions: if with_ids { &exclusions } else { &[] },
            classes: None,
            keys: None,
            texts: None,
        };
        let runs = if wanted.is_empty() { 7 } else { 1 };
        let mut best = f64::INFINITY;
        for _ in 0..runs {
            let start = Instant::now();
            black_box(mined_once(&request, &policy, reasons));
            best = best.min(start.elapsed().as_secs_f64());
        }
        let candidates = (rows * COLUMNS) as f64;
        println!("{name:<18} {best:8.4} s {:8.3} ns per candidate", best * 1e9 / candidates);
    }
}
