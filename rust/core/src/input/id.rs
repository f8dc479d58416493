/*!
The integer types of passage ids, and which ids are padding.
*/

/// An element type of id arrays.
pub trait Id: Copy + Send + Sync {
    /// Whether the id stands for no passage: it is negative, or the maximum of an unsigned type.
    ///
    /// An unsigned id above `i64::MAX` is padding too, because results cannot hold it.
    fn is_padding(self) -> bool;

    /// Returns the same number in `i64`; an arbitrary number for padding.
    fn widen(self) -> i64;

    /// Returns the passage, or `None` for padding.
    fn passage(self) -> Option<i64> {
        if self.is_padding() { None } else { Some(self.widen()) }
    }
}

impl Id for i64 {
    fn is_padding(self) -> bool {
        self < 0
    }

    fn widen(self) -> i64 {
        self
    }
}

impl Id for i32 {
    fn is_padding(self) -> bool {
        self < 0
    }

    fn widen(self) -> i64 {
        i64::from(self)
    }
}

impl Id for u32 {
    fn is_padding(self) -> bool {
        self == Self::MAX
    }

    fn widen(self) -> i64 {
        i64::from(self)
    }
}

impl Id for u64 {
    fn is_padding(self) -> bool {
        self > i64::MAX as Self
    }

    fn widen(self) -> i64 {
        self as i64
    }
}

/// Which passages the candidates of a request are.
#[derive(Debug, Clone, Copy)]
pub enum Ids<'a, I> {
    /// The candidate in column `j` is passage `j`.
    Columns,
    /// One id for each score.
    Given(&'a [I]),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_negative_or_the_unsigned_maximum() {
        assert_eq!((-1_i64).passage(), None);
        assert_eq!(i32::MIN.passage(), None);
        assert_eq!(u32::MAX.passage(), None);
        assert_eq!(u64::MAX.passage(), None);
        assert_eq!(i32::MAX.passage(), Some(2_147_483_647));
        assert_eq!((u32::MAX - 1).passage(), Some(4_294_967_294));
    }
}
