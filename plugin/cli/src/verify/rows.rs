//! Rows: an ordered map of which only a little is in memory, for maps that have a row for each
//! segment or key of a chain.
//!
//! A map is cut into batches of consecutive keys. One batch is open, and is in memory. All
//! others are in a temporary file, which all maps of a verification share, and have 8 MB of
//! memory before they take space on the disk. So in whatever order rows come, a map takes the
//! memory of one batch, and of one key for each of the others. The invariant: a map returns what
//! was put into it, whatever is in memory. So a verification finds the same for every order,
//! splitting and repetition of a log, however many segments it has.
//!
//! A row that is too large for a batch stays in memory. There are few of these: a life with
//! many pages of records, or a key that came into force many times.
//!
//! A failure of the file is kept in [`RowFile`], and maps lack rows from then on. Whoever has
//! drawn conclusions from maps has to ask [`RowFile::check`] before anybody sees them.

use super::bytes::{Bytes, Damaged};
use std::cell::{RefCell, RefMut};
use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::mem;
use std::ops::{Bound, RangeInclusive};
use std::rc::Rc;
use tempfile::SpooledTempFile;

/// The maximum length of the file in memory, in bytes.
const FILE_MEMORY_BYTES_MAX: usize = 8 << 20;
/// The lengths of places in the file are multiples of this, so that a batch which has grown a
/// little still has its place.
const PLACE_BYTES: u32 = 256;

/// A value that rows are made of.
pub(super) trait Stored: Clone {
    /// Appends the value.
    fn put(&self, out: &mut Vec<u8>);

    /// Reads a value that [`put`](Stored::put) has appended.
    fn take(from: &mut Bytes<'_>) -> Result<Self, Damaged>;

    /// Says whether the value may be in a batch. A value that may not stays in memory, and need
    /// not be stored.
    fn is_small(&self) -> bool {
        true
    }
}

/// The file of batches.
#[derive(Clone)]
pub(super) struct RowFile(Rc<RefCell<Batches>>);

struct Batches {
    file: SpooledTempFile,
    bytes: u64,
    /// The places that are not used any more, by their lengths.
    free: BTreeMap<u32, Vec<u64>>,
    failed: Option<io::Error>,
}

/// The place of a batch in the file.
#[derive(Clone, Copy, Default)]
struct Slot {
    at: u64,
    length: u32,
    room: u32,
}

impl RowFile {
    pub(super) fn new() -> Self {
        let file = SpooledTempFile::new(FILE_MEMORY_BYTES_MAX);
        RowFile(Rc::new(RefCell::new(Batches { file, bytes: 0, free: BTreeMap::new(), failed: None })))
    }

    /// Returns the first failure of the file, if one has failed. Then nothing that was concluded
    /// from rows holds.
    pub(super) fn check(&self) -> io::Result<()> {
        match self.0.borrow_mut().failed.take() {
            Some(failed) => Err(failed),
            None => Ok(()),
        }
    }

    fn write(&self, bytes: &[u8], slot: Slot) -> Slot {
        let mut file = self.0.borrow_mut();
        let written = file.write(bytes, slot);
        file.kept(written)
    }

    fn read(&self, slot: Slot) -> Vec<u8> {
        let mut file = self.0.borrow_mut();
        let read = file.read(slot);
        file.kept(read)
    }

    fn free(&self, slot: Slot) {
        if slot.room > 0 {
            self.0.borrow_mut().free.entry(slot.room).or_default().push(slot.at);
        }
    }

    fn fail(&self, failure: io::Error) {
        self.0.borrow_mut().kept::<()>(Err(failure));
    }
}

impl Batches {
    fn kept<T: Default>(&mut self, result: io::Result<T>) -> T {
        result.unwrap_or_else(|failure| {
            self.failed.get_or_insert(failure);
            T::default()
        })
    }

    /// Writes a batch into its old place, or, if it has grown, into another.
    fn write(&mut self, bytes: &[u8], old: Slot) -> io::Result<Slot> {
        let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        let mut slot = Slot { length, ..old };
        if length > old.room {
            if old.room > 0 {
                self.free.entry(old.room).or_default().push(old.at);
            }
            slot.room = length.next_multiple_of(PLACE_BYTES);
            slot.at = match self.free.get_mut(&slot.room).and_then(Vec::pop) {
                Some(at) => at,
                None => {
                    self.bytes += u64::from(slot.room);
                    self.bytes - u64::from(slot.room)
                }
            };
        }
        self.file.seek(SeekFrom::Start(slot.at))?;
        self.file.write_all(bytes)?;
        Ok(slot)
    }

    fn read(&mut self, slot: Slot) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; slot.length as usize];
        self.file.seek(SeekFrom::Start(slot.at))?;
        self.file.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

/// An ordered map. No row is ever removed.
pub(super) struct Rows<K: Ord, V> {
    file: RowFile,
    /// The maximum number of rows of a batch.
    batch_rows_max: usize,
    inner: RefCell<Inner<K, V>>,
}

struct Inner<K: Ord, V> {
    /// The places of all batches by their first keys. Only the open batch may have other keys
    /// before its first one.
    slots: BTreeMap<K, Slot>,
    /// The key of the open batch in `slots`, if a batch is open.
    open: Option<K>,
    /// The rows of the open batch.
    rows: Vec<(K, V)>,
    is_changed: bool,
    large: BTreeMap<K, V>,
    count: usize,
}

impl<K: Ord, V> Drop for Rows<K, V> {
    fn drop(&mut self) {
        self.inner.get_mut().slots.values().for_each(|slot| self.file.free(*slot));
    }
}

impl<K: Ord + Copy + Stored, V: Stored> Rows<K, V> {
    /// Makes a map without rows.
    pub(super) fn new(file: &RowFile, batch_rows_max: usize) -> Self {
        let inner = Inner {
            slots: BTreeMap::new(),
            open: None,
            rows: Vec::new(),
            is_changed: false,
            large: BTreeMap::new(),
            count: 0,
        };
        Rows { file: file.clone(), batch_rows_max, inner: RefCell::new(inner) }
    }

    /// Returns the number of rows.
    pub(super) fn len(&self) -> usize {
        self.inner.borrow().count
    }

    /// Returns the value of a key.
    pub(super) fn get(&self, key: &K) -> Option<V> {
        let inner = self.opened(key);
        match inner.found(key) {
            Ok(at) => Some(inner.rows[at].1.clone()),
            Err(_) => inner.large.get(key).cloned(),
        }
    }

    pub(super) fn contains_key(&self, key: &K) -> bool {
        let inner = self.opened(key);
        inner.found(key).is_ok() || inner.large.contains_key(key)
    }

    /// Sets the value of a key.
    pub(super) fn insert(&mut self, key: K, value: V) {
        let first = value.clone();
        *self.entry_or(key, || first) = value;
    }

    /// Returns the value of a key, after inserting `value` if there is none.
    pub(super) fn entry_or(&mut self, key: K, value: impl FnOnce() -> V) -> &mut V {
        let (inner, file) = (self.inner.get_mut(), &self.file);
        if inner.large.contains_key(&key) {
            return inner.large.entry(key).or_insert_with(value);
        }
        inner.open(&key, file);
        inner.is_changed = true;
        let at = match inner.found(&key) {
            Ok(at) => at,
            Err(at) => inner.insert(at, (key, value()), self.batch_rows_max, file),
        };
        &mut inner.rows[at].1
    }

    /// Returns the last row before a key.
    pub(super) fn before(&self, key: &K) -> Option<(K, V)> {
        let mut inner = self.opened(key);
        let mut at = inner.found(key).unwrap_or_else(|at| at);
        if at == 0
            && let Some(first) = inner.slots.range(..*key).next_back().map(|(first, _)| *first)
        {
            inner.open(&first, &self.file);
            at = inner.found(key).unwrap_or_else(|at| at);
        }
        let large = inner.large.range(..*key).next_back();
        later(at.checked_sub(1).map(|at| inner.rows[at].clone()), large)
    }

    /// Returns the last row.
    pub(super) fn last(&self) -> Option<(K, V)> {
        let mut inner = self.inner.borrow_mut();
        if let Some(first) = inner.slots.last_key_value().map(|(first, _)| *first) {
            inner.open(&first, &self.file);
        }
        later(inner.rows.last().cloned(), inner.large.last_key_value())
    }

    /// Returns the rows from one key to another.
    pub(super) fn range(&self, keys: RangeInclusive<K>) -> Vec<(K, V)> {
        let mut inner = self.opened(keys.start());
        let mut firsts = vec![*keys.start()];
        let later = (Bound::Excluded(*keys.start()), Bound::Included(*keys.end()));
        firsts.extend(inner.slots.range(later).map(|(first, _)| *first));
        let mut rows: Vec<(K, V)> = Vec::new();
        for first in &firsts {
            inner.open(first, &self.file);
            let after = rows.last().map(|(key, _)| *key);
            let is_in = |key: &K| keys.contains(key) && after.is_none_or(|after| after < *key);
            rows.extend(inner.rows.iter().filter(|(key, _)| is_in(key)).cloned());
        }
        rows.extend(inner.large.range(keys).map(|(key, value)| (*key, value.clone())));
        rows.sort_unstable_by_key(|(key, _)| *key);
        rows
    }

    /// Returns all rows in the order of their keys. The rows may be read meanwhile.
    pub(super) fn iter(&self) -> impl Iterator<Item = (K, V)> {
        let firsts = self.firsts();
        (0..firsts.len()).flat_map(move |at| self.batch(&firsts, at))
    }

    /// Returns all rows, the last one first. The rows may be read meanwhile.
    pub(super) fn rev(&self) -> impl Iterator<Item = (K, V)> {
        let firsts = self.firsts();
        (0..firsts.len()).rev().flat_map(move |at| self.batch(&firsts, at).into_iter().rev())
    }

    /// Returns the first keys of all batches, or the first large row's if there is no batch.
    fn firsts(&self) -> Vec<K> {
        let mut inner = self.inner.borrow_mut();
        // Closing the open batch while rows are returned would change its first key.
        if inner.slots.len() > 1 {
            inner.close(&self.file);
        }
        match inner.slots.is_empty() {
            true => inner.large.keys().take(1).copied().collect(),
            false => inner.slots.keys().copied().collect(),
        }
    }

    /// Returns the rows of a batch, and the large ones before the next batch.
    fn batch(&self, firsts: &[K], at: usize) -> Vec<(K, V)> {
        let inner = self.opened(&firsts[at]);
        let mut rows = inner.rows.clone();
        let from = if at == 0 { Bound::Unbounded } else { Bound::Included(firsts[at]) };
        let to = firsts.get(at + 1).map_or(Bound::Unbounded, |next| Bound::Excluded(*next));
        if !inner.large.is_empty() {
            rows.extend(inner.large.range((from, to)).map(|(key, value)| (*key, value.clone())));
            rows.sort_unstable_by_key(|(key, _)| *key);
        }
        rows
    }

    fn opened(&self, key: &K) -> RefMut<'_, Inner<K, V>> {
        let mut inner = self.inner.borrow_mut();
        inner.open(key, &self.file);
        inner
    }
}

/// Returns the row with the later key.
fn later<K: Ord + Copy, V: Clone>(one: Option<(K, V)>, other: Option<(&K, &V)>) -> Option<(K, V)> {
    let other = other.filter(|(key, _)| one.as_ref().is_none_or(|(one, _)| one < *key));
    other.map(|(key, value)| (*key, value.clone())).or(one)
}

impl<K: Ord + Copy + Stored, V: Stored> Inner<K, V> {
    /// Returns the index of a key in the open batch, or else where it would be.
    fn found(&self, key: &K) -> Result<usize, usize> {
        match self.rows.last() {
            Some((last, _)) if last < key => Err(self.rows.len()),
            _ => self.rows.binary_search_by_key(key, |(key, _)| *key),
        }
    }

    /// Opens the batch that a key belongs to, if there is one.
    fn open(&mut self, key: &K, file: &RowFile) {
        let of_key = self.slots.range(..=*key).next_back().or_else(|| self.slots.first_key_value());
        let Some((first, slot)) = of_key.map(|(first, slot)| (*first, *slot)) else { return };
        if self.open == Some(first) {
            return;
        }
        self.close(file);
        let bytes = file.read(slot);
        let mut left = Bytes(&bytes);
        while !left.is_empty() {
            match K::take(&mut left).and_then(|key| Ok((key, V::take(&mut left)?))) {
                Ok(row) => self.rows.push(row),
                Err(damaged) => return file.fail(io::Error::other(damaged)),
            }
        }
        self.open = Some(first);
    }

    /// Writes the open batch into the file, apart from its large rows.
    fn close(&mut self, file: &RowFile) {
        let rows = mem::take(&mut self.rows);
        let Some(open) = self.open.take() else { return };
        if !mem::take(&mut self.is_changed) {
            return;
        }
        let slot = self.slots.remove(&open).unwrap_or_default();
        let (mut bytes, mut first) = (Vec::new(), None);
        for (key, value) in rows {
            if value.is_small() {
                first.get_or_insert(key);
                key.put(&mut bytes);
                value.put(&mut bytes);
            } else {
                self.large.insert(key, value);
            }
        }
        match first {
            Some(first) => drop(self.slots.insert(first, file.write(&bytes, slot))),
            None => file.free(slot),
        }
    }

    /// Begins a batch with some rows.
    fn begin(&mut self, rows: Vec<(K, V)>) {
        self.open = rows.first().map(|(first, _)| *first);
        self.slots.extend(self.open.map(|first| (first, Slot::default())));
        (self.rows, self.is_changed) = (rows, true);
    }

    /// Inserts a row at an index of the open batch. Returns its index.
    fn insert(&mut self, mut at: usize, row: (K, V), rows_max: usize, file: &RowFile) -> usize {
        self.count += 1;
        let Some(open) = self.open else {
            self.begin(vec![row]);
            return 0;
        };
        if self.rows.len() >= rows_max {
            let is_last = self.slots.range(open..).nth(1).is_none();
            if is_last && at == self.rows.len() {
                self.close(file);
                self.begin(vec![row]);
                return 0;
            }
            let upper = self.rows.split_off(self.rows.len() / 2);
            self.close(file);
            self.begin(upper);
            self.open(&row.0, file);
            self.is_changed = true;
            at = self.found(&row.0).unwrap_or_else(|at| at);
        }
        self.rows.insert(at, row);
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Value(u64);

    impl Stored for Value {
        fn put(&self, out: &mut Vec<u8>) {
            self.0.put(out);
        }

        fn take(from: &mut Bytes<'_>) -> Result<Self, Damaged> {
            Ok(Value(u64::take(from)?))
        }

        fn is_small(&self) -> bool {
            !self.0.is_multiple_of(7)
        }
    }

    /// Returns the same numbers in every run.
    fn numbers() -> impl FnMut(u64) -> u64 {
        let mut state: u64 = 0x2545_f491_4f6c_dd1d;
        move |below| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        }
    }

    #[test]
    fn rows_are_the_map_of_what_was_put_in() {
        let file = RowFile::new();
        let mut number = numbers();
        for (keys, step) in [(40, 1), (3000, 0), (3000, 1), (3000, 2999)] {
            let mut rows = Rows::new(&file, 8);
            let mut map = BTreeMap::new();
            for turn in 0..4000 {
                let key = if step == 0 { number(keys) } else { turn * step % keys };
                let value = Value(number(1000));
                rows.insert(key, value.clone());
                map.insert(key, value);
                let asked = number(keys + 2);
                assert_eq!(rows.get(&asked), map.get(&asked).cloned());
                assert_eq!(rows.contains_key(&asked), map.contains_key(&asked));
                let before = map.range(..asked).next_back().map(|(key, value)| (*key, value.clone()));
                assert_eq!(rows.before(&asked), before);
                if turn % 100 == 0 {
                    let owned = |(key, value): (&u64, &Value)| (*key, value.clone());
                    let all: Vec<_> = map.iter().map(owned).collect();
                    assert_eq!(rows.len(), all.len());
                    assert_eq!(rows.last(), all.last().cloned());
                    assert_eq!(rows.iter().collect::<Vec<_>>(), all);
                    assert!(rows.rev().eq(all.into_iter().rev()));
                    let asked = asked..=asked + number(200);
                    assert_eq!(rows.range(asked.clone()), map.range(asked).map(owned).collect::<Vec<_>>());
                }
            }
        }
        file.check().expect("no failure");
    }

    #[test]
    fn memory_has_one_batch_and_places_are_used_again() {
        let file = RowFile::new();
        for _ in 0..3 {
            let mut rows = Rows::new(&file, 8);
            for key in 0..10_000_u64 {
                rows.insert(key, Value(1));
            }
            let inner = rows.inner.borrow();
            assert!(inner.rows.len() <= 8 && inner.large.is_empty());
        }
        assert!(file.0.borrow().bytes <= 10_000 / 8 * u64::from(PLACE_BYTES));
    }

    #[test]
    fn a_failure_of_the_file_is_kept() {
        let file = RowFile::new();
        let mut rows = Rows::new(&file, 8);
        (0..100_u64).for_each(|key| rows.insert(key, Value(1)));
        assert_eq!(rows.get(&3), Some(Value(1)));
        file.0.borrow_mut().file.set_len(0).expect("a shorter file");
        assert_eq!(rows.get(&50), None);
        assert!(file.check().is_err());
    }
}
