//! Of all that matches, the newest of each group, the newest groups first.
//!
//! Exact and with bounded memory: a group that is pushed out by newer ones comes back with a newer
//! member if it has one, since a full list only ever gets newer.

use std::collections::HashMap;
use std::sync::Arc;

use tantivy::collector::{Collector, SegmentCollector};
use tantivy::columnar::ColumnValues;
use tantivy::{DocAddress, DocId, Score, SegmentOrdinal, SegmentReader};

/// Collects at most so many.
pub(super) struct Newest(pub(super) usize);

/// The newest of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Member {
    at: u64,
    pub(super) address: DocAddress,
}

/// The newest groups so far.
struct Groups {
    most: usize,
    members: HashMap<u64, Member>,
    /// What is older than this changes nothing.
    oldest: u64,
}

impl Groups {
    fn put(&mut self, group: u64, member: Member) {
        let known = self.members.entry(group).or_insert(member);
        *known = member.max(*known);
        // Twice as many before the older half goes: a pass over all of them for each would be slow.
        if self.members.len() >= 2 * self.most {
            let mut order: Vec<(u64, u64)> =
                self.members.iter().map(|(group, known)| (known.at, *group)).collect();
            order.sort_unstable_by(|a, b| b.cmp(a));
            let last = order[self.most - 1];
            self.members.retain(|group, known| (known.at, *group) >= last);
            self.oldest = last.0;
        }
    }
}

impl Collector for Newest {
    type Fruit = Vec<Member>;
    type Child = OfSegment;

    fn for_segment(&self, segment: SegmentOrdinal, reader: &SegmentReader) -> tantivy::Result<OfSegment> {
        let column = |name| reader.fast_fields().u64(name).map(|column| column.first_or_default_col(0));
        let groups = Groups { most: self.0.max(1), members: HashMap::new(), oldest: 0 };
        Ok(OfSegment { segment, at: column("at")?, group: column("group")?, groups })
    }

    fn requires_scoring(&self) -> bool {
        false
    }

    fn merge_fruits(&self, segments: Vec<HashMap<u64, Member>>) -> tantivy::Result<Vec<Member>> {
        let mut members: HashMap<u64, Member> = HashMap::new();
        for (group, member) in segments.into_iter().flatten() {
            let known = members.entry(group).or_insert(member);
            *known = member.max(*known);
        }
        let mut members: Vec<Member> = members.into_values().collect();
        members.sort_unstable_by(|a, b| b.cmp(a));
        members.truncate(self.0);
        Ok(members)
    }
}

/// The same within one segment.
pub(super) struct OfSegment {
    segment: SegmentOrdinal,
    at: Arc<dyn ColumnValues<u64>>,
    group: Arc<dyn ColumnValues<u64>>,
    groups: Groups,
}

impl SegmentCollector for OfSegment {
    type Fruit = HashMap<u64, Member>;

    fn collect(&mut self, doc: DocId, _: Score) {
        let at = self.at.get_val(doc);
        if at >= self.groups.oldest {
            let address = DocAddress::new(self.segment, doc);
            self.groups.put(self.group.get_val(doc), Member { at, address });
        }
    }

    fn harvest(self) -> HashMap<u64, Member> {
        self.groups.members
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_newest_groups_are_those_of_a_sorted_list(
            members in proptest::collection::vec((0..20u64, 0..9u64), 0..200), most in 1..8usize,
        ) {
            let mut groups = Groups { most, members: HashMap::new(), oldest: 0 };
            let mut all = BTreeMap::new();
            for (doc, (group, at)) in members.into_iter().enumerate() {
                let member = Member { at, address: DocAddress::new(0, doc as u32) };
                if at >= groups.oldest {
                    groups.put(group, member);
                }
                let newest = all.entry(group).or_insert(at);
                *newest = at.max(*newest);
            }
            let newest = |mut times: Vec<u64>| {
                times.sort_unstable_by(|a, b| b.cmp(a));
                times.truncate(most);
                times
            };
            let found = groups.members.values().map(|member| member.at).collect();
            prop_assert_eq!(newest(found), newest(all.into_values().collect()));
        }
    }
}
