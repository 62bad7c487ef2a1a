//! Names by eight octets at a time: end, case folding (RFC 4343) and the seeded key.
//!
//! Length octets are folded along with the rest: they are at most 63, below `A`, so folding leaves
//! them alone, and a compression pointer (192 and up) never equals a stored name's octet.

/// One in every octet.
const ONES: u64 = 0x0101_0101_0101_0101;
/// The high bit of every octet.
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// The high bit of each zero octet of `word`; exact up to the first one, which is what is used.
#[inline(always)]
pub fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGHS
}

/// Whether `word` may have a zero octet: if it has one, and of words with an octet of 129 or more. Cheaper than [`zeros`].
#[inline(always)]
pub fn may_end(word: u64) -> bool {
    word.wrapping_sub(ONES) & HIGHS != 0
}

/// For [`is_any`]: marks octets from `@` to `_`, all upper case letters among them. The marks of several words are
/// gathered by `|`.
#[inline(always)]
pub fn may_be_upper(word: u64) -> u64 {
    word & !(word << 1)
}

/// Whether [`may_be_upper`] marked anything.
#[inline(always)]
pub fn is_any(marks: u64) -> bool {
    marks & (ONES << 6) != 0
}

/// The octets before the first zero octet, given [`zeros`] of a word that has one.
#[inline(always)]
pub fn before_zero(zeros: u64) -> u64 {
    ((zeros & zeros.wrapping_neg()) >> 7).wrapping_sub(1)
}

/// How many octets a mask from [`before_zero`] covers, 0 to 7.
#[inline(always)]
pub fn octets(mask: u64) -> usize {
    // At most 7 octets of one each: their sum in the top octet does not overflow.
    ((mask & ONES).wrapping_mul(ONES) >> 56) as usize
}

/// ASCII upper case to lower case, all eight octets.
#[inline(always)]
pub fn lower(word: u64) -> u64 {
    let low = word & !HIGHS;
    let from_a = low.wrapping_add(ONES * (0x80 - u64::from(b'A')));
    let past_z = low.wrapping_add(ONES * (0x7f - u64::from(b'Z')));
    let upper = (from_a ^ past_z) & !word & HIGHS;
    word | upper >> 2
}

/// The two secrets of a run. They keep a tenant from choosing names whose keys collide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Seed {
    /// Where the hash starts.
    pub start: u64,
    /// What each step multiplies by; odd.
    pub factor: u64,
}

impl Seed {
    /// One step: eight folded octets into the hash.
    #[inline(always)]
    pub fn step(&self, hash: u64, word: u64) -> u64 {
        let product = (hash ^ word).wrapping_mul(self.factor);
        product ^ product >> 32
    }

    /// The key of a name in wire form, folding it: what [`query::parse`](crate::query::parse) makes
    /// of the same octets.
    pub fn key(&self, name: &[u8]) -> u64 {
        let mut hash = self.start;
        for chunk in name.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            hash = self.step(hash, lower(u64::from_le_bytes(word)));
        }
        hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_octet_folds_as_ascii_does() {
        for octet in 0..=255u8 {
            for at in 0..8 {
                let word = u64::from_le_bytes([b'Z'; 8]) & !(0xff << (8 * at));
                let word = word | u64::from(octet) << (8 * at);
                let expected = word.to_le_bytes().map(|octet| octet.to_ascii_lowercase());
                assert_eq!(lower(word).to_le_bytes(), expected);
            }
        }
    }

    #[test]
    fn the_first_zero_octet_ends_the_name() {
        for at in 0..8 {
            let mut word = [0xff; 8];
            word[at] = 0;
            let mask = before_zero(zeros(u64::from_le_bytes(word)));
            assert_eq!(octets(mask), at);
            assert_eq!(mask, (1u64 << (8 * at)) - 1);
        }
        assert_eq!(zeros(0x0101_80ff_7f41_5a01), 0);
    }

    #[test]
    fn every_word_that_folding_changes_is_marked() {
        for octet in 0..=255u8 {
            for at in 0..8 {
                let word = u64::from_le_bytes([b'a'; 8]) & !(0xff << (8 * at));
                let word = word | u64::from(octet) << (8 * at);
                assert!(is_any(may_be_upper(word)) || lower(word) == word);
            }
        }
        assert!(!is_any(may_be_upper(u64::from_le_bytes(*b"\x03web-09z"))));
    }

    #[test]
    fn a_zero_octet_is_never_taken_for_another() {
        for octet in 0..=255u8 {
            for at in 0..8 {
                let word = u64::from_le_bytes([1; 8]) & !(0xff << (8 * at));
                let word = word | u64::from(octet) << (8 * at);
                assert_eq!(may_end(word), octet == 0 || octet > 128, "{octet}");
            }
        }
    }

    #[test]
    fn keys_ignore_case_and_nothing_else() {
        let seed = Seed {
            start: 3,
            factor: 0x9e37_79b9_7f4a_7c15,
        };
        assert_eq!(
            seed.key(b"\x03WEB\x05Local\0"),
            seed.key(b"\x03web\x05local\0")
        );
        assert_ne!(
            seed.key(b"\x03web\x05local\0"),
            seed.key(b"\x03wec\x05local\0")
        );
    }
}
