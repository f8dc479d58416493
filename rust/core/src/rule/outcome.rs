/*!
What happens to the survivors of one query: some are skipped, some form the pool, and some of the pool become negatives.

```text
survivors, best first:   | shift |         pool         | beyond the pool |
                                 | n of them are picked |
```
*/

use crate::audit::{Counts, Reason};
use crate::error::Error;
use crate::input::request::Request;
use crate::policy::{OnShort, Policy};

/// One query and the anchor that it is mined against.
pub(crate) struct Case {
    pub(crate) query: usize,
    /// Key of the query for the random draws.
    pub(crate) key: u64,
    pub(crate) anchor: f64,
    pub(crate) ceiling: f64,
    /// Number of candidates of the query.
    pub(crate) candidates: usize,
}

impl Case {
    pub(crate) fn new<S, I>(request: &Request<'_, S, I>, query: usize, anchor: f64, ceiling: f64) -> Self {
        Self {
            query,
            key: request.keys.map_or(query as u64, |keys| keys[query]),
            anchor,
            ceiling,
            candidates: request.layout.cells(query).len(),
        }
    }
}

/// How the survivors of a query are divided.
pub(crate) struct Cut {
    /// Best survivors that are skipped.
    pub(crate) shifted: usize,
    /// Survivors after those that the sampler draws from.
    pub(crate) pooled: usize,
    /// Negatives to pick from the pool; 0 if the query is short and the policy drops short queries.
    pub(crate) picked: usize,
}

impl Cut {
    /// Divides `survivors` survivors, and counts those that are not picked.
    ///
    /// # Errors
    /// [`Error::Short`] if the query is short under [`OnShort::Raise`].
    #[inline]
    pub(crate) fn new(policy: &Policy, case: &Case, survivors: usize, counts: &mut Counts) -> Result<Self, Error> {
        let shifted = policy.shift.min(survivors);
        let pooled = (survivors - shifted).min(policy.window());
        let mut picked = pooled.min(policy.n);
        counts.add(Reason::Shifted, shifted);
        counts.add(Reason::BeyondPool, survivors - shifted - pooled);
        counts.add(Reason::NotSampled, pooled - picked);
        if picked < policy.n {
            match policy.on_short {
                OnShort::Keep => {}
                OnShort::Drop => {
                    counts.add(Reason::Dropped, picked);
                    picked = 0;
                }
                OnShort::Raise => {
                    let (wanted, candidates) = (policy.n, case.candidates);
                    return Err(Error::Short { row: case.query, found: picked, wanted, candidates });
                }
            }
        }
        Ok(Self { shifted, pooled, picked })
    }
}
