//! Times, each as often as it was added, with the least at hand. Eight octets and a little for each.
//!
//! Sorted rows of bounded length: what comes and goes moves little, however many there are.

use bridgehead_mail::Timestamp;

/// Times in one row.
const ROW_MAX: usize = 512;
/// Times for which a row has room at first.
const ROW_MIN: usize = 4;

/// A sorted bag of times.
#[derive(Default)]
pub(crate) struct Times {
    /// Sorted, none empty, and the last of one not after the first of the next.
    rows: Vec<Vec<Timestamp>>,
    /// The least, if there is one: a picture asks a great many of these for it.
    first: Timestamp,
}

impl Times {
    /// The least.
    pub(crate) fn first(&self) -> Option<Timestamp> {
        (!self.rows.is_empty()).then_some(self.first)
    }

    pub(crate) fn add(&mut self, at: Timestamp) {
        self.first = self.first().map_or(at, |first| first.min(at));
        self.place(at);
    }

    fn place(&mut self, at: Timestamp) {
        let place = self.row_of(at);
        let last = self.rows.len().saturating_sub(1);
        // Behind all others it goes into the last row; times mostly come in order.
        let behind = place > last;
        let Some(row) = self.rows.get_mut(place.min(last)) else {
            self.insert_row(0, vec![at]);
            return;
        };
        if row.len() < ROW_MAX {
            if row.len() == row.capacity() {
                row.reserve_exact((row.len() / 2).max(ROW_MIN));
            }
            let within = row.partition_point(|known| *known < at);
            row.insert(within, at);
        } else if behind {
            self.insert_row(place, vec![at]);
        } else {
            let half = row.split_off(ROW_MAX / 2);
            row.shrink_to_fit();
            self.insert_row(place.saturating_add(1), half);
            self.place(at);
        }
    }

    /// Takes one away that was added.
    pub(crate) fn remove(&mut self, at: Timestamp) {
        let place = self.row_of(at);
        let Some(row) = self.rows.get_mut(place) else {
            return;
        };
        if let Ok(within) = row.binary_search(&at) {
            row.remove(within);
        }
        if row.is_empty() {
            self.rows.remove(place);
            if self.rows.is_empty() {
                self.rows = Vec::new();
            }
        } else if row.len().max(ROW_MIN) < row.capacity() / 4 {
            let room = row.len().saturating_mul(2);
            row.shrink_to(room);
        }
        if at == self.first
            && let Some(first) = self.rows.first().and_then(|row| row.first())
        {
            self.first = *first;
        }
    }

    /// The first row whose last time isn't before this one.
    fn row_of(&self, at: Timestamp) -> usize {
        self.rows
            .partition_point(|row| row.last().is_none_or(|last| *last < at))
    }

    fn insert_row(&mut self, place: usize, row: Vec<Timestamp>) {
        // Most have one.
        if self.rows.is_empty() {
            self.rows.reserve_exact(1);
        }
        self.rows.insert(place, row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};
    use std::collections::BTreeMap;

    fn least(model: &BTreeMap<u64, u32>) -> Option<Timestamp> {
        let (at, _) = model.first_key_value()?;
        Some(Timestamp::from_millis(*at))
    }

    /// Many and few, in order and not, each some times: as a plain map counts them.
    #[test]
    fn the_least_is_that_of_a_map() {
        let mut random = StdRng::seed_from_u64(1);
        for (range, steps) in [(3, 200), (50, 2_000), (1_000_000, 20_000)] {
            let mut times = Times::default();
            let mut model: BTreeMap<u64, u32> = BTreeMap::new();
            for step in 0..steps {
                let grows = step < steps / 2;
                let at = match random.random_range(0..4) {
                    0 => step,
                    _ => random.random_range(0..range),
                };
                if random.random_range(0..10) < if grows { 8 } else { 1 } {
                    times.add(Timestamp::from_millis(at));
                    *model.entry(at).or_default() += 1;
                } else if let Some((at, _)) = model.range(at..).next().or(model.iter().next()) {
                    let at = *at;
                    times.remove(Timestamp::from_millis(at));
                    let count = model.get_mut(&at).unwrap();
                    *count -= 1;
                    if *count == 0 {
                        model.remove(&at);
                    }
                }
                assert_eq!(times.first(), least(&model), "step {step} of {steps}");
            }
            let held: usize = times.rows.iter().map(Vec::len).sum();
            assert_eq!(held as u32, model.values().sum::<u32>());
            assert!(
                times
                    .rows
                    .iter()
                    .all(|row| (1..=ROW_MAX).contains(&row.len()))
            );
        }
    }

    #[test]
    fn what_comes_in_order_fills_its_rows() {
        let mut times = Times::default();
        for at in 0..10_000 {
            times.add(Timestamp::from_millis(at));
        }
        assert_eq!(times.rows.len(), 10_000usize.div_ceil(ROW_MAX));
        for at in 0..10_000 {
            times.remove(Timestamp::from_millis(at));
        }
        assert!(times.rows.is_empty());
        times.remove(Timestamp::EPOCH);
        assert_eq!(times.first(), None);
    }
}
