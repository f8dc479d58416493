//! The hash behind every draw and every hash table of the core.

/// Mixes 64 bits so that every input bit affects every output bit: the output function of `SplitMix64` (Steele, Lea and
/// Flood 2014).
#[must_use]
pub fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
