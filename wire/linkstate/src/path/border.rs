//! The border of a search: groups by what it costs to reach them, the cheapest first.
//!
//! Guards: groups come out in the order of their costs, as long as none is put in at a cost of [`SPAN`] or more above the cheapest.
//! Costs are small numbers, so a ring of buckets does what a heap would do, without comparing anything. Within one cost there is
//! no order: every connector costs something, so groups of equal cost have no say in each other's ways.

use crate::topology::{COST_MAX, GroupId};

/// So many costs are told apart at a time.
pub(super) const SPAN: u32 = 512;
const WORDS: usize = SPAN as usize / 64;
const NOTHING: u32 = u32::MAX;

// A connector costs at most this, and what load adds to it.
const _: () = assert!(COST_MAX + (u8::MAX as u32) < SPAN);

/// Groups that wait to be looked at.
pub(super) struct Border {
    /// Of each bucket: its last entry.
    heads: [u32; SPAN as usize],
    /// Which buckets aren't empty, one bit each.
    full: [u64; WORDS],
    /// Group, and the entry before it in its bucket.
    entries: Vec<(GroupId, u32)>,
    /// The cost of the cheapest.
    cost: u32,
}

impl Border {
    /// An empty one; so many groups are expected.
    pub(super) fn new(groups: usize) -> Self {
        Self {
            heads: [NOTHING; SPAN as usize],
            full: [0; WORDS],
            entries: Vec::with_capacity(groups.saturating_mul(2)),
            cost: 0,
        }
    }

    /// Puts a group in that is reached at this cost.
    pub(super) fn push(&mut self, cost: u32, group: GroupId) {
        let bucket = (cost % SPAN) as usize;
        let entry = u32::try_from(self.entries.len()).unwrap_or(NOTHING);
        if let (Some(head), Some(word)) =
            (self.heads.get_mut(bucket), self.full.get_mut(bucket / 64))
        {
            self.entries.push((group, *head));
            *head = entry;
            *word |= 1 << (bucket % 64);
        }
    }

    /// Takes one of the cheapest out, with its cost.
    pub(super) fn pop(&mut self) -> Option<(u32, GroupId)> {
        let bucket = self.next_full()?;
        let ahead = (bucket + SPAN - self.cost % SPAN) % SPAN;
        self.cost = self.cost.saturating_add(ahead);
        let head = self.heads.get_mut(bucket as usize)?;
        let (group, before) = *self.entries.get(*head as usize)?;
        *head = before;
        if before == NOTHING
            && let Some(word) = self.full.get_mut(bucket as usize / 64)
        {
            *word &= !(1 << (bucket % 64));
        }
        Some((self.cost, group))
    }

    /// The bucket of the least cost that isn't empty, in the ring that begins at the present one.
    fn next_full(&self) -> Option<u32> {
        let start = (self.cost % SPAN) as usize;
        for step in 0..=WORDS {
            let at = (start / 64 + step) % WORDS;
            let word = *self.full.get(at)?;
            let above = u64::MAX << (start % 64);
            let wanted = match step {
                0 => word & above,
                // Once around: what is below the start.
                WORDS => word & !above,
                _ => word,
            };
            if wanted != 0 {
                return u32::try_from(at * 64)
                    .ok()?
                    .checked_add(wanted.trailing_zeros());
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{Border, SPAN};
    use crate::topology::GroupId;

    #[test]
    fn groups_come_out_by_cost_around_the_ring() {
        let mut border = Border::new(4);
        assert_eq!(border.pop(), None);
        border.push(0, GroupId(0));
        let (mut cost, mut popped) = (0, Vec::new());
        // Each puts in two further on, one of them nearly a whole ring away.
        while let Some((at, group)) = border.pop() {
            assert!(at >= cost, "{at} after {cost}");
            cost = at;
            popped.push((at, group.0));
            if popped.len() < 40 {
                border.push(at + 1, group);
                border.push(at + SPAN - 1, GroupId(group.0 + 1));
            }
        }
        assert_eq!(popped.len(), 79);
        // Those that were put in near come first, then those of the first round of the far ones, in the order of their costs.
        let near: Vec<_> = (0..40).map(|at| (at, 0)).collect();
        assert_eq!(popped[..40], near[..]);
        let far: Vec<_> = (0..39).map(|at| (at + SPAN - 1, 1)).collect();
        assert_eq!(popped[40..], far[..]);
    }

    #[test]
    fn one_cost_holds_many() {
        let mut border = Border::new(0);
        for number in 0..1000 {
            border.push(number % 3, GroupId(number));
        }
        let mut costs = Vec::new();
        while let Some((cost, _)) = border.pop() {
            costs.push(cost);
        }
        assert!(costs.is_sorted());
        assert_eq!(costs.len(), 1000);
    }
}
