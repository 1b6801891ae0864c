//! The possible ends of a match.

/// The number of ends of a match among which the longest valid one is taken.
const ENDS_MAX: usize = 8;

/// The last places at which a match may end, the longest first.
pub(super) struct Ends {
    ends: [usize; ENDS_MAX],
    count: usize,
}

impl Ends {
    pub(super) fn new() -> Ends {
        Ends { ends: [0; ENDS_MAX], count: 0 }
    }

    pub(super) fn add(&mut self, end: usize) {
        self.ends[self.count % ENDS_MAX] = end;
        self.count += 1;
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        (1..=self.count.min(ENDS_MAX)).map(|back| self.ends[(self.count - back) % ENDS_MAX])
    }
}
