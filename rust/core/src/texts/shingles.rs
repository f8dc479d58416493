/*!
Hashes of the word shingles of texts, which near-duplicates share.

A shingle is a run of consecutive words. Its hash depends only on its words and is the same on every platform and in every
run. Two different shingles have equal hashes with a probability of about 2^-64. Callers separate words by spaces, and so
decide what a word is.
*/

use crate::hash::mix;
use rayon::prelude::*;

/// Number of texts that one task hashes.
const TASK_TEXTS: usize = 256;

/// The distinct shingle hashes of many texts. Those of text `i` are `values[offsets[i]..offsets[i + 1]]`, ascending.
///
/// The arrays may come from callers, so every access is checked.
#[derive(Debug, Clone, Copy)]
pub struct Shingles<'a> {
    /// Start of each row, and the end of the last one.
    pub offsets: &'a [i64],
    /// Hashes of all rows.
    pub values: &'a [u64],
}

impl<'a> Shingles<'a> {
    /// Returns the number of texts.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Returns the hashes of one text; `None` if the arrays do not contain the row.
    #[must_use]
    pub fn row(&self, number: i64) -> Option<&'a [u64]> {
        let number = usize::try_from(number).ok()?;
        let start = usize::try_from(*self.offsets.get(number)?).ok()?;
        let end = usize::try_from(*self.offsets.get(number.checked_add(1)?)?).ok()?;
        self.values.get(start..end)
    }
}

/// Hashes the shingles of `words` words of each text. Returns the number of distinct hashes of each text, and the hashes,
/// ascending within a text.
///
/// A text with fewer words has one shingle of all its words, and a text without words has none. `words` is at least 1. The
/// threads of the current rayon pool share the work, which is O(words) per word of the texts.
///
/// # Examples
/// ```
/// # use nvmine_core::hash_shingles;
/// let (counts, values) = hash_shingles(&["a cold river", "a cold river bed", "cold", ""], 3);
/// assert_eq!(counts, [1, 2, 1, 0]);
/// assert!(values[1..3].contains(&values[0]));
/// ```
#[must_use]
pub fn hash_shingles<T: AsRef<str> + Sync>(texts: &[T], words: usize) -> (Vec<i64>, Vec<u64>) {
    let tasks: Vec<(Vec<i64>, Vec<u64>)> = texts.par_chunks(TASK_TEXTS).map(|texts| hash_task(texts, words)).collect();
    let (counts, values): (Vec<_>, Vec<_>) = tasks.into_iter().unzip();
    (counts.concat(), values.concat())
}

fn hash_task<T: AsRef<str>>(texts: &[T], words: usize) -> (Vec<i64>, Vec<u64>) {
    let (mut counts, mut values) = (Vec::with_capacity(texts.len()), Vec::new());
    let (mut of_words, mut of_shingles) = (Vec::new(), Vec::new());
    for text in texts {
        of_words.clear();
        of_words.extend(text.as_ref().split(' ').filter(|word| !word.is_empty()).map(hash_word));
        of_shingles.clear();
        if !of_words.is_empty() {
            of_shingles.extend(of_words.windows(words.clamp(1, of_words.len())).map(hash_words));
        }
        of_shingles.sort_unstable();
        of_shingles.dedup();
        counts.push(of_shingles.len() as i64);
        values.extend_from_slice(&of_shingles);
    }
    (counts, values)
}

/// Hashes the UTF-8 bytes of a word with FNV-1a (Fowler, Noll and Vo). Its low bits are weak, but [`hash_words`] mixes them.
fn hash_word(word: &str) -> u64 {
    word.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Combines the hashes of words to one that depends on every word and its position.
fn hash_words(words: &[u64]) -> u64 {
    words.iter().fold(0, |hash, &word| mix((hash ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    fn naive(text: &str, words: usize) -> HashSet<Vec<&str>> {
        let all: Vec<&str> = text.split_whitespace().collect();
        if all.is_empty() {
            return HashSet::new();
        }
        all.windows(words.min(all.len())).map(<[_]>::to_vec).collect()
    }

    proptest! {
        #[test]
        fn texts_share_hashes_exactly_if_they_share_runs_of_words(texts in prop::collection::vec("([abé]{1,2} ){0,9}", 0..6), words in 1_usize..5) {
            let (counts, values) = hash_shingles(&texts, words);
            let mut ends = vec![0];
            ends.extend(counts.iter().scan(0, |end, count| { *end += count; Some(*end) }));
            let shingles = Shingles { offsets: &ends, values: &values };
            prop_assert_eq!(shingles.rows(), texts.len());
            for (a, left) in texts.iter().enumerate() {
                for (b, right) in texts.iter().enumerate() {
                    let (here, there) = (shingles.row(a as i64).unwrap_or(&[]), shingles.row(b as i64).unwrap_or(&[]));
                    prop_assert!(here.windows(2).all(|pair| pair[0] < pair[1]));
                    let common = here.iter().filter(|hash| there.contains(hash)).count();
                    prop_assert_eq!(common, naive(left, words).intersection(&naive(right, words)).count());
                }
            }
        }
    }

    #[test]
    fn hashes_never_change() {
        // Users may store shingles, so hashes must not change. The hashes of words are those that the authors of FNV publish.
        assert_eq!(hash_word("a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(hash_word("foobar"), 0x8594_4171_f739_67e8);
        assert_eq!(hash_shingles(&["cold"], 3).1, [mix(hash_word("cold").wrapping_add(0x9e37_79b9_7f4a_7c15))]);
        assert_ne!(hash_shingles(&["a b"], 2).1, hash_shingles(&["b a"], 2).1);
        assert_ne!(hash_shingles(&["a a"], 2).1, hash_shingles(&["a"], 2).1);
    }

    #[test]
    fn rows_outside_the_arrays_do_not_exist() {
        let shingles = Shingles { offsets: &[0, 1, 5, 3, -1], values: &[7, 8, 9] };
        assert_eq!(shingles.row(0), Some(&[7][..]));
        for row in [-1, 1, 2, 3, 4, i64::MAX, i64::MIN] {
            assert_eq!(shingles.row(row), None, "{row}");
        }
        assert_eq!(Shingles { offsets: &[], values: &[] }.rows(), 0);
    }
}
