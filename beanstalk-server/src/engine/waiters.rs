//! The connections that wait in a reserve for a job of one tube, in beanstalkd's own order.
//!
//! The order is not first come, first served. The server keeps them in an array, takes from a place that it remembers,
//! moves the last one into the hole, and moves the remembered place one further: four that came one after another are
//! served 1, 2, 4, 3.

/// A waiting connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Waiter {
    /// Its slot.
    pub(super) conn: usize,
    /// Which of its watched tubes this one is, so that it can be updated when its place changes.
    pub(super) watch: usize,
}

#[derive(Debug, Default)]
pub(super) struct Waiters {
    items: Vec<Waiter>,
    /// The place to take from next, modulo how many there are.
    next: usize,
}

impl Waiters {
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Adds one and gives its place.
    pub(super) fn push(&mut self, waiter: Waiter) -> usize {
        self.items.push(waiter);
        self.items.len() - 1
    }

    /// The one whose turn it is. It is for the caller to remove it.
    pub(super) fn choose(&mut self) -> Option<Waiter> {
        if self.items.is_empty() {
            return None;
        }
        let place = self.next % self.items.len();
        self.next = place + 1;
        Some(self.items[place])
    }

    /// What [`choose`](Self::choose) would leave behind if a connection came and was served at once.
    pub(super) fn pass_through(&mut self) {
        self.next = 1;
    }

    /// Removes the one at a place and gives the one that now has it.
    pub(super) fn remove(&mut self, place: usize) -> Option<Waiter> {
        self.items.swap_remove(place);
        self.items.get(place).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes all waiters out, as a row of jobs would.
    fn drain(waiters: &mut Waiters) -> Vec<usize> {
        let mut order = Vec::new();
        while let Some(waiter) = waiters.choose() {
            let place = waiters.items.iter().position(|&other| other == waiter).unwrap();
            waiters.remove(place);
            order.push(waiter.conn);
        }
        order
    }

    #[test]
    fn four_waiters_are_served_one_two_four_three() {
        let mut waiters = Waiters::default();
        for conn in 1..=4 {
            waiters.push(Waiter { conn, watch: 0 });
        }
        assert_eq!(drain(&mut waiters), [1, 2, 4, 3]);
    }
}
