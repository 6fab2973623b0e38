// SPDX-License-Identifier: Apache-2.0
//! Sets of sequences, kept as ranges: what is held of a log.

use hongyan_protocol::ids::{Seq, SeqRange};

/// A set of sequences as ranges, rising, that neither overlap nor touch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct RangeSet(Vec<SeqRange>);

impl RangeSet {
    /// The ranges, rising.
    pub(crate) fn ranges(&self) -> &[SeqRange] {
        &self.0
    }

    /// Adds a range. Says whether that changed the set.
    pub(crate) fn insert(&mut self, range: SeqRange) -> bool {
        if range.is_empty() {
            return false;
        }
        // Those that overlap the range or touch it become one with it.
        let first = self.0.partition_point(|held| held.to.next() < range.from);
        let after = self.0.partition_point(|held| held.from <= range.to.next());
        let joined = match self.0.get(first..after) {
            Some([only]) if only.from <= range.from && range.to <= only.to => return false,
            Some([lowest, .., highest]) => SeqRange::new(lowest.from.min(range.from), highest.to.max(range.to)),
            Some([only]) => SeqRange::new(only.from.min(range.from), only.to.max(range.to)),
            _ => range,
        };
        self.0.splice(first..after, [joined]);
        true
    }

    /// The range that a sequence lies in.
    pub(crate) fn find(&self, seq: Seq) -> Option<SeqRange> {
        let at = self.0.partition_point(|held| held.to < seq);
        self.0.get(at).copied().filter(|held| held.contains(seq))
    }

    /// What of `within` is not in the set, as rising ranges.
    pub(crate) fn missing(&self, within: SeqRange) -> Vec<SeqRange> {
        let mut missing = Vec::new();
        let mut from = within.from;
        let first = self.0.partition_point(|held| held.to < within.from);
        for held in self.0.iter().skip(first).take_while(|held| held.from <= within.to) {
            if from < held.from {
                missing.push(SeqRange::new(from, held.from.previous()));
            }
            from = held.to.next();
        }
        if from <= within.to {
            missing.push(SeqRange::new(from, within.to));
        }
        missing
    }

    /// The last sequence in the set.
    pub(crate) fn last(&self) -> Option<Seq> {
        self.0.last().map(|held| held.to)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn range(from: i64, to: i64) -> SeqRange {
        SeqRange::new(Seq::parse(from).unwrap(), Seq::parse(to).unwrap())
    }

    fn members(ranges: &[SeqRange]) -> BTreeSet<i64> {
        ranges.iter().flat_map(|range| range.from.get()..=range.to.get()).collect()
    }

    fn any_range() -> impl Strategy<Value = SeqRange> {
        (1..60i64, 0..8i64).prop_map(|(from, more)| range(from, from + more - 1))
    }

    proptest! {
        #[test]
        fn a_range_set_is_the_set_of_its_sequences(inserts in prop::collection::vec(any_range(), 0..40), within in any_range()) {
            let mut set = RangeSet::default();
            let mut model = BTreeSet::new();
            for insert in inserts {
                let before = model.len();
                model.extend(insert.from.get()..=insert.to.get());
                prop_assert_eq!(set.insert(insert), model.len() != before);
                for pair in set.ranges().windows(2) {
                    prop_assert!(pair[0].to.next() < pair[1].from, "ranges stay apart: {:?}", set);
                }
                prop_assert_eq!(members(set.ranges()), model.clone());
            }
            let expected: BTreeSet<i64> =
                (within.from.get()..=within.to.get()).filter(|seq| !model.contains(seq)).collect();
            let missing = set.missing(within);
            prop_assert_eq!(members(&missing), expected);
            prop_assert!(missing.iter().all(|range| !range.is_empty()));
            for seq in 0..70 {
                let found = set.find(Seq::parse(seq).unwrap());
                prop_assert_eq!(found.is_some(), model.contains(&seq));
            }
            prop_assert_eq!(set.last().map(Seq::get), model.last().copied());
        }
    }
}
