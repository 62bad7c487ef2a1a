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
    fn the_example_of_rfc_1071_holds() {
        let sum = of(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
        assert_eq!(sum.to_le_bytes(), [0xdd, 0xf2]);
    }
}
