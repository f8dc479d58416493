/*!
A software pipeline of two stages: a value goes through its second stage only after the next value has gone through its
first, so that memory prefetched in between has time to arrive.
*/

/// The value between its two stages, and a free one for reuse.
#[derive(Debug, Default)]
pub(crate) struct Pipeline<T> {
    pending: Option<Box<T>>,
    free: Option<Box<T>>,
}

impl<T: Default> Pipeline<T> {
    /// Runs the first stage of a new value, given the pending one. Returns the latter, whose second stage is due.
    #[inline]
    pub(crate) fn push(&mut self, first_stage: impl FnOnce(&mut T, Option<&T>)) -> Option<Box<T>> {
        let mut value = self.free.take().unwrap_or_default();
        first_stage(&mut value, self.pending.as_deref());
        self.pending.replace(value)
    }

    /// Returns the pending value, whose second stage is due.
    #[inline]
    pub(crate) fn flush(&mut self) -> Option<Box<T>> {
        self.pending.take()
    }

    /// Takes back a value after its second stage.
    #[inline]
    pub(crate) fn recycle(&mut self, value: Box<T>) {
        self.free = Some(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_due_after_the_next_one_has_started() {
        let mut pipeline = Pipeline::<Vec<i32>>::default();
        let push = |pipeline: &mut Pipeline<Vec<i32>>, number: i32| {
            pipeline.push(|value, pending| {
                value.clear();
                value.extend(pending.map(|pending| -pending[pending.len() - 1]));
                value.push(number);
            })
        };
        assert_eq!(push(&mut pipeline, 1), None);
        let due = push(&mut pipeline, 2);
        assert_eq!(due.as_deref(), Some(&vec![1]));
        if let Some(due) = due {
            pipeline.recycle(due);
        }
        assert_eq!(push(&mut pipeline, 3).as_deref(), Some(&vec![-1, 2]));
        assert_eq!(pipeline.flush().as_deref(), Some(&vec![-2, 3]));
        assert_eq!(pipeline.flush(), None);
        assert_eq!(push(&mut pipeline, 4), None);
    }
}
