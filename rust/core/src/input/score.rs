/*!
The number types of scores.

A score of any width is widened to `f64`, which is exact, so one comparison in `f64` decides for every type.
*/

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

/// An element type of score arrays.
pub trait Score: Copy + Send + Sync {
    /// The type that results use, which holds every score exactly. A rounded score could cross its ceiling.
    type Stored: Stored;

    /// Whether `f32` holds every score exactly.
    const FITS_F32: bool;

    /// Returns the same number in `f64`.
    fn widen(self) -> f64;

    /// Returns the same numbers in `f32`, converted into `buffer` if necessary; an empty slice if the type does not fit.
    fn as_f32<'a>(scores: &'a [Self], buffer: &'a mut Vec<f32>) -> &'a [f32];
}

/// An element type of scores in results.
pub trait Stored: Copy + Default + Send + Sync {
    /// Stands in for a missing score: NaN.
    const MISSING: Self;

    /// Converts a score that this type holds exactly.
    fn store(score: f64) -> Self;
}

impl Stored for f32 {
    const MISSING: Self = Self::NAN;

    fn store(score: f64) -> Self {
        score as Self
    }
}

impl Stored for f64 {
    const MISSING: Self = Self::NAN;

    fn store(score: f64) -> Self {
        score
    }
}

impl Score for f64 {
    type Stored = f64;

    const FITS_F32: bool = false;

    fn widen(self) -> f64 {
        self
    }

    fn as_f32<'a>(_: &'a [Self], _: &'a mut Vec<f32>) -> &'a [f32] {
        &[]
    }
}

impl Score for f32 {
    type Stored = f32;

    const FITS_F32: bool = true;

    fn widen(self) -> f64 {
        f64::from(self)
    }

    fn as_f32<'a>(scores: &'a [Self], _: &'a mut Vec<f32>) -> &'a [f32] {
        scores
    }
}

impl Score for f16 {
    type Stored = f32;

    const FITS_F32: bool = true;

    fn widen(self) -> f64 {
        self.to_f64()
    }

    fn as_f32<'a>(scores: &'a [Self], buffer: &'a mut Vec<f32>) -> &'a [f32] {
        buffer.resize(scores.len(), 0.0);
        scores.convert_to_f32_slice(buffer);
        buffer
    }
}

impl Score for bf16 {
    type Stored = f32;

    const FITS_F32: bool = true;

    fn widen(self) -> f64 {
        self.to_f64()
    }

    fn as_f32<'a>(scores: &'a [Self], buffer: &'a mut Vec<f32>) -> &'a [f32] {
        buffer.resize(scores.len(), 0.0);
        scores.convert_to_f32_slice(buffer);
        buffer
    }
}
