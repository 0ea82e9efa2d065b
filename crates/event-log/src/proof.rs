//! Proofs about a tree (RFC 6962 §2.1.1 and §2.1.2), and their verification.
//!
//! A proof is a list of roots of subtrees. Which ones is arithmetic on sizes; the roots are
//! computed from the leaves when they are asked for.

use std::ops::Range;

use crate::tree::parent;
use crate::{Hash, TreeHead};

/// The subtrees, as ranges of leaves from 0, that prove that the leaf `index` is in a tree of
/// `size` leaves, from the leaf up. `None` when it can not be.
pub(crate) fn inclusion(index: u64, size: u64) -> Option<Vec<Range<u64>>> {
    let mut path = Vec::new();
    let mut tree = 0..size;
    if index >= size {
        return None;
    }
    while tree.end - tree.start > 1 {
        let (left, right) = halves(&tree);
        let (inner, beside) = if index < left.end { (left, right) } else { (right, left) };
        path.push(beside);
        tree = inner;
    }
    path.reverse();
    Some(path)
}

/// The subtrees that prove that a tree of `size` leaves begins with one of `before` leaves.
/// `None` when it can not.
pub(crate) fn consistency(before: u64, size: u64) -> Option<Vec<Range<u64>>> {
    if before > size {
        return None;
    }
    // Of nothing every tree is a continuation, and the same tree needs no proof.
    if before == 0 || before == size {
        return Some(Vec::new());
    }
    let mut path = Vec::new();
    let mut tree = 0..size;
    while tree.end != before {
        let (left, right) = halves(&tree);
        let (inner, beside) = if before <= left.end { (left, right) } else { (right, left) };
        path.push(beside);
        tree = inner;
    }
    // Whoever asks knows the old root, and with it this subtree when it is all of the old tree.
    if tree.start != 0 {
        path.push(tree);
    }
    path.reverse();
    Some(path)
}

/// A tree's two subtrees: the left one is the largest perfect one that is not all of it.
fn halves(tree: &Range<u64>) -> (Range<u64>, Range<u64>) {
    let size = tree.end - tree.start;
    let middle = tree.start + size.next_power_of_two() / 2;
    (tree.start..middle, middle..tree.end)
}

/// Whether a proof shows that the event at `position`, with this leaf hash, is in the tree.
///
/// # Source
/// RFC 9162 §2.1.3.2.
pub fn verify_inclusion(position: u64, leaf: Hash, proof: &[Hash], tree: &TreeHead) -> bool {
    let Some(mut index) = position.checked_sub(1).filter(|index| *index < tree.size) else {
        return false;
    };
    let mut last = tree.size - 1;
    let mut root = leaf;
    for hash in proof {
        if last == 0 {
            return false;
        }
        if index & 1 == 1 || index == last {
            root = parent(hash, &root);
            while index & 1 == 0 && index != 0 {
                index >>= 1;
                last >>= 1;
            }
        } else {
            root = parent(&root, hash);
        }
        index >>= 1;
        last >>= 1;
    }
    last == 0 && root == tree.root
}

/// Whether a proof shows that the tree `after` begins with the tree `before`.
///
/// # Source
/// RFC 9162 §2.1.4.2.
pub fn verify_consistency(before: &TreeHead, after: &TreeHead, proof: &[Hash]) -> bool {
    if before.size == 0 || before.size >= after.size {
        return proof.is_empty() && (before.size == 0 || before == after);
    }
    let known = before.size.is_power_of_two().then_some(before.root);
    let mut hashes = known.into_iter().chain(proof.iter().copied());
    let Some(first) = hashes.next() else { return false };
    let (mut index, mut last) = (before.size - 1, after.size - 1);
    let skipped = index.trailing_ones();
    index >>= skipped;
    last >>= skipped;
    let (mut old, mut new) = (first, first);
    for hash in hashes {
        if last == 0 {
            return false;
        }
        if index & 1 == 1 || index == last {
            old = parent(&hash, &old);
            new = parent(&hash, &new);
            while index & 1 == 0 && index != 0 {
                index >>= 1;
                last >>= 1;
            }
        } else {
            new = parent(&new, &hash);
        }
        index >>= 1;
        last >>= 1;
    }
    last == 0 && old == before.root && new == after.root
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Edge;
    use proptest::prelude::*;

    /// Leaves that differ.
    fn leaves(size: u64) -> Vec<Hash> {
        let leaf = |number: u64| {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&number.to_be_bytes());
            hash
        };
        (0..size).map(leaf).collect()
    }

    fn head(leaves: &[Hash]) -> TreeHead {
        let mut edge = Edge::default();
        for leaf in leaves {
            edge.push(*leaf);
        }
        edge.head()
    }

    fn roots(leaves: &[Hash], ranges: Vec<Range<u64>>) -> Vec<Hash> {
        let index = |number: u64| usize::try_from(number).unwrap();
        let root = |range: Range<u64>| head(&leaves[index(range.start)..index(range.end)]).root;
        ranges.into_iter().map(root).collect()
    }

    /// The tree of seven leaves in RFC 6962 §2.1.3. There, these are `b, h, l` and so on.
    #[test]
    fn the_examples_of_the_rfc() {
        assert_eq!(inclusion(0, 7).unwrap(), [1..2, 2..4, 4..7]);
        assert_eq!(inclusion(3, 7).unwrap(), [2..3, 0..2, 4..7]);
        assert_eq!(inclusion(4, 7).unwrap(), [5..6, 6..7, 0..4]);
        assert_eq!(inclusion(6, 7).unwrap(), [4..6, 0..4]);
        assert_eq!(consistency(3, 7).unwrap(), [2..3, 3..4, 0..2, 4..7]);
        assert!(consistency(4, 7).unwrap().into_iter().eq(std::iter::once(4..7)));
        assert_eq!(consistency(6, 7).unwrap(), [4..6, 6..7, 0..4]);
    }

    #[test]
    fn what_is_not_there_has_no_proof() {
        assert_eq!(inclusion(7, 7), None);
        assert_eq!(consistency(8, 7), None);
        assert_eq!(consistency(0, 7).unwrap(), []);
        assert_eq!(consistency(7, 7).unwrap(), []);
    }

    fn check_inclusion(size: u64, place: usize) {
        let leaves = leaves(size);
        let tree = head(&leaves);
        let position = place as u64 + 1;
        let proof = roots(&leaves, inclusion(position - 1, size).unwrap());
        assert!(verify_inclusion(position, leaves[place], &proof, &tree));
        for other in (0..=size + 1).filter(|other| *other != position) {
            assert!(!verify_inclusion(other, leaves[place], &proof, &tree));
        }
        assert!(!verify_inclusion(position, [9; 32], &proof, &tree));
        let forged = TreeHead { root: [9; 32], ..tree };
        assert!(!verify_inclusion(position, leaves[place], &proof, &forged));
    }

    fn check_consistency(size: u64, before: u64) {
        let leaves = leaves(size);
        let old = head(&leaves[..usize::try_from(before).unwrap()]);
        let new = head(&leaves);
        let proof = roots(&leaves, consistency(before, size).unwrap());
        assert!(verify_consistency(&old, &new, &proof));
        if before > 0 {
            let forge = |head| TreeHead { root: [9; 32], ..head };
            assert!(!verify_consistency(&forge(old), &new, &proof));
            assert!(!verify_consistency(&old, &forge(new), &proof));
        }
    }

    proptest! {
        #[test]
        fn a_leaf_is_shown_to_be_at_its_place_only(
            size in 1_u64..130,
            index: prop::sample::Index,
        ) {
            check_inclusion(size, index.index(usize::try_from(size).unwrap()));
        }

        #[test]
        fn a_tree_is_shown_to_begin_with_another(size in 0_u64..130, before in 0_u64..130) {
            check_consistency(size, before.min(size));
        }
    }
}
