//! The Merkle tree of RFC 6962 §2.1, as its right edge.
//!
//! An append needs only the roots of the perfect subtrees that the size's binary digits name, the
//! largest first: at most one for each digit. The root of the whole folds them from the right.
//!
//! A proof needs other subtrees too. Of the perfect ones every eighth level is kept, those of 256,
//! 65,536, … leaves: one for 256 events, and whatever lies between is a few hundred hashes away.

use sha2::{Digest, Sha256};

use crate::{Hash, TreeHead};

/// How many levels of the tree one kept level stands above the next.
const STEP: u32 = 8;

/// The right edge of a tree: enough to extend it and to know its root.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Edge {
    size: u64,
    subtrees: Vec<Hash>,
}

/// The root of a perfect subtree that is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Node {
    /// From 1: it spans 256 to this power leaves.
    pub(crate) level: u32,
    /// Which one of its level, from 0.
    pub(crate) number: u64,
    pub(crate) hash: Hash,
}

/// How many leaves a node of a kept level spans; level 0 is the leaves.
pub(crate) fn span(level: u32) -> u64 {
    1_u64.checked_shl(level * STEP).unwrap_or(u64::MAX)
}

impl Edge {
    /// Appends a leaf.
    pub fn push(&mut self, leaf: Hash) {
        self.push_noting(leaf, &mut Vec::new());
    }

    /// Appends a leaf, and notes the nodes to keep that it completes.
    pub(crate) fn push_noting(&mut self, leaf: Hash, completed: &mut Vec<Node>) {
        let mut node = leaf;
        for height in 1..=self.size.trailing_ones() {
            if let Some(left) = self.subtrees.pop() {
                node = parent(&left, &node);
            }
            if height.is_multiple_of(STEP) {
                let (level, number) = (height / STEP, self.size >> height);
                completed.push(Node { level, number, hash: node });
            }
        }
        self.subtrees.push(node);
        self.size += 1;
    }

    /// Appends the leaves below a node of a kept level. Their number must divide the size.
    pub(crate) fn push_subtree(&mut self, level: u32, hash: Hash) {
        let leaves = span(level);
        let mut node = hash;
        for _ in 0..(self.size / leaves).trailing_ones() {
            if let Some(left) = self.subtrees.pop() {
                node = parent(&left, &node);
            }
        }
        self.subtrees.push(node);
        self.size += leaves;
    }

    /// The number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Size and root.
    pub fn head(&self) -> TreeHead {
        let mut subtrees = self.subtrees.iter().rev();
        let root = match subtrees.next() {
            Some(last) => subtrees.fold(*last, |right, left| parent(left, &right)),
            None => Sha256::digest([]).into(),
        };
        TreeHead { size: self.size, root }
    }

    /// The subtrees one after the other, as they are stored beside the size.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        self.subtrees.concat()
    }

    /// `None` when there are not as many subtrees as a tree of this size has.
    pub(crate) fn from_bytes(size: u64, bytes: &[u8]) -> Option<Self> {
        let (subtrees, rest) = bytes.as_chunks();
        let fits = rest.is_empty() && subtrees.len() == size.count_ones() as usize;
        fits.then(|| Self { size, subtrees: subtrees.to_vec() })
    }

    /// The first leaf, from 0, of the first subtree that differs from another edge's of the same
    /// size.
    pub(crate) fn first_difference(&self, other: &Self) -> Option<u64> {
        let mut first = 0;
        let mut digits = self.size;
        for (ours, theirs) in self.subtrees.iter().zip(&other.subtrees) {
            if ours != theirs {
                return Some(first);
            }
            let largest = 1 << digits.ilog2();
            first += largest;
            digits -= largest;
        }
        None
    }
}

/// An inner node.
pub(crate) fn parent(left: &Hash, right: &Hash) -> Hash {
    let mut both = [1; 65];
    both[1..33].copy_from_slice(left);
    both[33..].copy_from_slice(right);
    Sha256::digest(both).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::HEXLOWER;
    use proptest::prelude::*;

    /// The definition in RFC 6962 §2.1, word for word and without any cleverness.
    fn naive(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Sha256::digest([]).into(),
            [leaf] => *leaf,
            _ => {
                let k = leaves.len().next_power_of_two() / 2;
                let (left, right) = leaves.split_at(k);
                Sha256::digest([[1].as_slice(), &naive(left), &naive(right)].concat()).into()
            }
        }
    }

    fn leaf(data: &[u8]) -> Hash {
        Sha256::digest([b"\0".as_slice(), data].concat()).into()
    }

    fn edge(leaves: &[Hash]) -> Edge {
        let mut edge = Edge::default();
        for leaf in leaves {
            edge.push(*leaf);
        }
        edge
    }

    /// The vectors that the implementations of certificate transparency share.
    #[test]
    fn known_roots() {
        let data = [
            "",
            "00",
            "10",
            "2021",
            "3031",
            "40414243",
            "5051525354555657",
            "606162636465666768696a6b6c6d6e6f",
        ];
        let roots = [
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let leaves: Vec<Hash> =
            data.iter().map(|hex| leaf(&HEXLOWER.decode(hex.as_bytes()).unwrap())).collect();
        for (size, root) in roots.iter().enumerate() {
            let head = edge(&leaves[..size]).head();
            assert_eq!((head.size, HEXLOWER.encode(&head.root).as_str()), (size as u64, *root));
        }
    }

    #[test]
    fn an_edge_of_the_wrong_length_is_refused() {
        assert_eq!(Edge::from_bytes(3, &[0; 32]), None);
        assert_eq!(Edge::from_bytes(1, &[0; 33]), None);
        assert_eq!(Edge::from_bytes(0, &[]), Some(Edge::default()));
    }

    #[test]
    fn every_eighth_level_is_noted_as_it_is_completed() {
        let leaves: Vec<Hash> = (0..70_000_u32).map(|it| leaf(&it.to_be_bytes())).collect();
        let (mut edge, mut noted) = (Edge::default(), Vec::new());
        for leaf in &leaves {
            edge.push_noting(*leaf, &mut noted);
        }
        let first = |level| noted.iter().filter(move |node| node.level == level);
        assert_eq!((first(1).count(), first(2).count(), noted.len()), (273, 1, 274));
        for (number, node) in (0..).zip(first(1)) {
            let start = usize::try_from(number * 256).unwrap();
            assert_eq!((node.number, node.hash), (number, naive(&leaves[start..start + 256])));
        }
        assert_eq!(first(2).next().unwrap().hash, naive(&leaves[..65_536]));

        // The tree comes back from its nodes.
        let mut again = Edge::default();
        again.push_subtree(2, first(2).next().unwrap().hash);
        for node in first(1).skip(256) {
            again.push_subtree(1, node.hash);
        }
        for leaf in &leaves[273 * 256..] {
            again.push_subtree(0, *leaf);
        }
        assert_eq!(again, edge);
    }

    proptest! {
        #[test]
        fn the_root_is_that_of_the_definition(leaves: Vec<Hash>) {
            prop_assert_eq!(edge(&leaves).head().root, naive(&leaves));
        }

        #[test]
        fn an_edge_comes_back_from_its_bytes(leaves: Vec<Hash>) {
            let edge = edge(&leaves);
            prop_assert_eq!(Edge::from_bytes(edge.size, &edge.to_bytes()), Some(edge));
        }

        #[test]
        fn a_difference_is_found_in_its_subtree(mut leaves in prop::collection::vec(any::<Hash>(), 1..70), index: prop::sample::Index) {
            let sound = edge(&leaves);
            let changed = index.index(leaves.len());
            leaves[changed][0] ^= 1;
            let first = sound.first_difference(&edge(&leaves)).unwrap();
            prop_assert!(first <= changed as u64);
            prop_assert_eq!(sound.first_difference(&sound), None);
        }
    }
}
