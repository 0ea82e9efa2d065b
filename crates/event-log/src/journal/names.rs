//! The *names* of a block of entries ([`super::blocks`]): a Bloom filter of what its entries are looked for
//! by. It tells, rightly if it says no, whether one of them may have a name.

/// How many bits stand for a name. With ten bits for each, one block of a hundred is read in vain.
const NAME_BITS: u64 = 5;

/// A Bloom filter.
pub(super) struct Names(pub(super) Vec<u8>);

impl Names {
    /// None yet, with room for so many.
    pub(super) fn for_many(names: usize) -> Self {
        Self(vec![0; names * 10 / 8])
    }

    pub(super) fn add(&mut self, name: &[u8]) {
        for (byte, bit) in bits(name, self.0.len()) {
            self.0.get_mut(byte).into_iter().for_each(|byte| *byte |= bit);
        }
    }
}

/// Whether the names of a block may have one.
pub(super) fn may_have(names: &[u8], name: &[u8]) -> bool {
    bits(name, names.len()).all(|(byte, bit)| names.get(byte).is_none_or(|byte| byte & bit != 0))
}

/// The bits that stand for a name among so many bytes: which byte, and which of it.
///
/// # Source
/// FNV-1a of 64 bits, of which both halves make all places (A. Kirsch, M. Mitzenmacher, "Less Hashing, Same
/// Performance: Building a Better Bloom Filter", 2006).
fn bits(name: &[u8], bytes: usize) -> impl Iterator<Item = (usize, u8)> {
    let add = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = name.iter().fold(0xcbf2_9ce4_8422_2325, add);
    let (one, other) = (hash & 0xffff_ffff, hash >> 32);
    let places = (8 * bytes as u64).max(1);
    (0..NAME_BITS).map(move |number| {
        let bit = usize::try_from((one + number * other) % places).unwrap_or_default();
        (bit / 8, 1 << (bit % 8))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_there_and_most_else_is_not() {
        let mut names = Names::for_many(512);
        let name = |number: u64| number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
        (0..512).for_each(|number| names.add(&name(number)));
        assert!((0..512).all(|number| may_have(&names.0, &name(number))));
        let in_vain = (512..10_512).filter(|number| may_have(&names.0, &name(*number))).count();
        assert!(in_vain < 200, "{in_vain} of 10,000");
    }

    /// The stored format: this test is never to be changed.
    #[test]
    fn names_keep_their_places() {
        let places: Vec<_> = bits(b"ada", 640).collect();
        assert_eq!(places, [(423, 8), (554, 16), (45, 32), (176, 64), (307, 128)]);
    }
}
