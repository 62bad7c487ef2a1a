//! The Internet checksum (RFC 1071) from partial sums.
//!
//! Sums are of 16-bit words *in memory order*: the one's complement sum does not care which octet is
//! the high one, as long as the result is stored the same way (RFC 1071 section 2(B)). Octets that
//! start at an odd offset of the message count with their halves swapped.

/// Adds eight octets to a sum. The sum has room for 2^31 such additions.
#[inline(always)]
pub fn add(sum: u64, word: u64) -> u64 {
    sum + (word & 0xffff_ffff) + (word >> 32)
}

/// A sum of words of eight octets, cheaper to add to: the words themselves, modulo 2^64, and their high halves.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sum {
    all: u64,
    high: u64,
}

impl Sum {
    /// Adds eight octets, at most 2^31 times.
    #[inline(always)]
    pub fn add(&mut self, word: u64) {
        self.all = self.all.wrapping_add(word);
        self.high += word >> 32;
    }

    /// The sum, as [`add`] would have it.
    #[inline(always)]
    pub fn get(self) -> u64 {
        // What the low halves come to is below 2^64, so that nothing of it is lost.
        self.all.wrapping_sub(self.high << 32) + self.high
    }
}

/// A sum as 16 bits.
#[inline(always)]
pub fn fold(sum: u64) -> u16 {
    let sum = (sum & 0xffff_ffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    sum as u16
}

/// A folded sum of octets that start at an odd offset if `odd`, as if they started at an even one.
#[inline(always)]
pub fn at(odd: bool, sum: u16) -> u64 {
    u64::from(if odd { sum.swap_bytes() } else { sum })
}

/// The folded sum of octets that start at an even offset.
pub fn of(octets: &[u8]) -> u16 {
    let mut sum = 0;
    for chunk in octets.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        sum = add(sum, u64::from_le_bytes(word));
    }
    fold(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_at_odd_offsets_add_up_to_the_whole() {
        let octets: [u8; 61] = core::array::from_fn(|i| (i * 37 + 11) as u8);
        for cut in 0..octets.len() {
            let (left, right) = octets.split_at(cut);
            let sum = u64::from(of(left)) + at(cut % 2 == 1, of(right));
            assert_eq!(fold(sum), of(&octets), "cut at {cut}");
        }
    }

    #[test]
    fn both_ways_to_add_words_come_to_the_same() {
        let mut sum = Sum::default();
        let mut expected = 0;
        for i in 0..100u64 {
            let word = (i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            sum.add(word);
            expected = add(expected, word);
        }
        assert_eq!(sum.get(), expected);
    }

    #[test]
    fn the_example_of_rfc_1071_holds() {
        let sum = of(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
        assert_eq!(sum.to_le_bytes(), [0xdd, 0xf2]);
    }
}
