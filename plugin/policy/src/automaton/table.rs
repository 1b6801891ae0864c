//! The tables of an automaton's states.

use super::{Error, States, number_all};
use flb_audit_core::automaton::{EXCEPTIONS_MAX, TRANSITIONS_MAX};

/// States in the order in which a table has them: the dead one, those that
/// accept, all others.
pub(super) struct Numbered {
    starts: Vec<usize>,
    /// The class of each byte.
    classes: Vec<usize>,
    /// The next state by class; if acceptance is late, the last one is that of
    /// the end of the text.
    next: Vec<Vec<usize>>,
    /// What those that accept do accept.
    accepts: Vec<Vec<u16>>,
    is_late: bool,
}

impl Numbered {
    pub(super) fn of(states: &States, is_late: bool) -> Numbered {
        let mut order: Vec<usize> = (1..states.next.len()).collect();
        order.sort_by_key(|state| states.accepts[*state].is_empty());
        order.insert(0, 0);
        let mut numbers = vec![0; order.len()];
        order.iter().enumerate().for_each(|(number, state)| numbers[*state] = number);

        let columns: Vec<Vec<usize>> = (0..=states.end())
            .map(|symbol| order.iter().map(|state| numbers[states.next[*state][symbol]]).collect())
            .collect();
        let classes = number_all(states.symbols.iter().map(|symbol| &columns[*symbol]));
        let class_count = classes.iter().max().map_or(0, |last| last + 1);
        let first = |class: usize| {
            classes.iter().position(|other| *other == class).map_or(0, |byte| states.symbols[byte])
        };
        let symbols: Vec<usize> =
            (0..class_count).map(first).chain(is_late.then_some(states.end())).collect();
        let row = |number: usize| symbols.iter().map(|symbol| columns[*symbol][number]).collect();
        let accepts = order.iter().map(|state| &states.accepts[*state]);
        Numbered {
            starts: states.starts.iter().map(|start| numbers[*start]).collect(),
            next: (0..order.len()).map(row).collect(),
            accepts: accepts.filter(|accepts| !accepts.is_empty()).cloned().collect(),
            classes,
            is_late,
        }
    }

    fn class_count(&self) -> usize {
        self.next[0].len()
    }

    /// The dense table: a row for each state.
    pub(super) fn dense(&self) -> Result<Vec<u8>, Error> {
        let stride = self.class_count();
        if self.next.len() * stride > TRANSITIONS_MAX {
            return Err(Error::TooLarge);
        }
        let mut table = self.header(stride)?;
        table.extend(self.classes.iter().map(|class| *class as u8));
        put_all(&mut table, self.accepted())?;
        put_all(&mut table, self.next.iter().flatten().map(|state| state * stride))?;
        Ok(table)
    }

    /// The compact table: rows that states share, and exceptions.
    pub(super) fn compact(&self) -> Result<Vec<u8>, Error> {
        if self.next.len() * self.class_count() > TRANSITIONS_MAX {
            return Err(Error::TooLarge);
        }
        let rows = self.shared_rows();
        let (mut states, mut exceptions) = (Vec::new(), Vec::new());
        for next in &self.next {
            let fitting = rows.iter().enumerate().filter(|(_, row)| is_fit(row, next));
            let nearest = fitting.min_by_key(|(_, row)| differences(row, next).count());
            let (at, row) = nearest.ok_or(Error::TooLarge)?;
            states.extend([at * self.class_count(), exceptions.len()]);
            exceptions.extend(differences(row, next));
        }
        states.extend([rows.len() * self.class_count(), exceptions.len()]);

        let is_known = |class: &usize| *class != 0;
        let first_byte = self.classes.iter().position(is_known).unwrap_or(0);
        let end = self.classes.iter().rposition(is_known).map_or(0, |last| last + 1);
        let known = &self.classes[first_byte..end];
        let mut table = self.header(1)?;
        put_all(&mut table, [rows.len(), exceptions.len(), first_byte, known.len()])?;
        table.extend(known.iter().map(|class| *class as u8));
        put_all(&mut table, self.accepted())?;
        put_all(&mut table, states)?;
        put_all(&mut table, rows.into_iter().flatten().copied())?;
        for (class, next) in exceptions {
            table.push(class as u8);
            put_all(&mut table, [next])?;
        }
        Ok(table)
    }

    /// Rows of which each state has one, with a few exceptions to it.
    fn shared_rows(&self) -> Vec<&[usize]> {
        let mut rows: Vec<&[usize]> = Vec::new();
        // Most states differ least from these two.
        for next in [&self.next[0], &self.next[self.starts[0]]].into_iter().chain(&self.next) {
            if !rows.iter().any(|row| is_fit(row, next)) {
                rows.push(next);
            }
        }
        rows
    }

    /// What all tables start with; a state is called by a multiple of its
    /// number.
    fn header(&self, stride: usize) -> Result<Vec<u8>, Error> {
        let mut table = Vec::new();
        let ids = self.accepts.iter().map(Vec::len).sum();
        put_all(&mut table, [self.next.len(), self.class_count(), self.accepts.len(), ids])?;
        put_all(&mut table, self.starts.iter().map(|start| start * stride))?;
        put_all(&mut table, [self.is_late.into()])?;
        Ok(table)
    }

    /// Where among the ids those of each state that accepts start, and they
    /// end; and the ids.
    fn accepted(&self) -> impl Iterator<Item = usize> {
        let ends = self.accepts.iter().scan(0, |end, accepts| {
            *end += accepts.len();
            Some(*end)
        });
        [0].into_iter().chain(ends).chain(self.accepts.iter().flatten().map(|id| (*id).into()))
    }
}

/// The size of an exception, in bytes, and that of a state in a row.
const EXCEPTION_BYTES: usize = 3;
const STATE_BYTES: usize = 2;

/// The classes of which `row` does not say what `next` does, and what that
/// says.
fn differences(row: &[usize], next: &[usize]) -> impl Iterator<Item = (usize, usize)> {
    let pairs = row.iter().zip(next).enumerate();
    pairs.filter(|(_, (one, other))| one != other).map(|(class, (_, next))| (class, *next))
}

/// Whether a state may share this row, and saves anything by it.
fn is_fit(row: &[usize], next: &[usize]) -> bool {
    let count = differences(row, next).count();
    count <= EXCEPTIONS_MAX
        && (count == 0 || EXCEPTION_BYTES * count < STATE_BYTES * next.len())
        // The class of an exception is one byte.
        && differences(row, next).all(|(class, _)| class < 1 << 8)
}

fn put_all(table: &mut Vec<u8>, values: impl IntoIterator<Item = usize>) -> Result<(), Error> {
    for value in values {
        table.extend(u16::try_from(value).map_err(|_| Error::TooLarge)?.to_le_bytes());
    }
    Ok(())
}
