//! Results of a command that are listed: the first ones in the order of the input, up to a
//! maximum. All others are only counted, because hostile logs can have very many.

use crate::input::At;

/// The maximum number of results that are listed.
pub(crate) const LISTED_MAX: usize = 100_000;

/// The first results in the order of the input, whatever the order in which they come.
pub(crate) struct Listed<T> {
    first: Vec<(At, T)>,
    /// The number of all results.
    count: u64,
}

impl<T> Listed<T> {
    pub(crate) fn new() -> Self {
        Listed { first: Vec::new(), count: 0 }
    }

    /// Adds a result. Results of one text have to come in their order.
    pub(crate) fn add(&mut self, at: At, result: T) {
        self.count += 1;
        self.first.push((at, result));
        if self.first.len() >= 2 * LISTED_MAX {
            self.cut();
        }
    }

    /// Returns the number of all results.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Returns the results that are listed, in the order of the input, and the number of the
    /// others.
    pub(crate) fn into_first(mut self) -> (Vec<(At, T)>, u64) {
        self.cut();
        let others = self.count - self.first.len() as u64;
        (self.first, others)
    }

    fn cut(&mut self) {
        self.first.sort_by_key(|(at, _)| *at);
        self.first.truncate(LISTED_MAX);
    }
}
