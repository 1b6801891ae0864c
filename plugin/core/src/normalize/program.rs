//! A mapping, compiled: tables of rows of 16-bit numbers, and two texts.
//!
//! | bytes | |
//! |---|---|
//! | 0..2, … | how many rows each table has, in the order of [`ProgramParts`] |
//! | 2 each | the number of slots; the depth that the event adds; the length of the tokens and of the texts, in bytes |
//! | | the tables, the tokens, the texts |
//!
//! A *slot* holds the place of a value on the record's tape. *Edges* say which member
//! or element goes into which slot; the table of edges is a hash table. *Tokens* are
//! keys with their colons and constants, as they stand in JSON; *texts* are what values are
//! compared with.

use crate::recognize::hash;
use crate::text::is_same;
use alloc::vec;
use alloc::vec::Vec;

/// Stands for no slot, no state, no text.
pub const NONE: u16 = u16::MAX;
/// The number of elements of an array that are looked at.
pub const ELEMENTS_MAX: usize = 64;
/// The number of steps of a path through a record.
pub const STEPS_MAX: usize = 8;
/// The maximum depth of an event's containers, without the values copied into them.
pub const TARGET_DEPTH_MAX: usize = 12;

/// Makes a struct of 16-bit numbers out of each line, which is a row of a table.
macro_rules! rows {
    ($($(#[doc = $doc:literal])+ $name:ident [$len:literal] { $($(#[doc = $field_doc:literal])+ $field:ident),+ $(,)? })+) => {$(
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name {
            $($(#[doc = $field_doc])+ pub $field: u16),+
        }

        impl $name {
            #[inline(always)]
            fn read(row: &[[u8; 2]; $len]) -> Self {
                let [$($field),+] = *row;
                $name { $($field: u16::from_le_bytes($field)),+ }
            }

            fn write(&self, out: &mut Vec<u8>) {
                $(out.extend(self.$field.to_le_bytes());)+
            }
        }
    )+};
}

rows! {
    /// One class of events, and the records that become one.
    Case[5] {
        /// The first of its conditions.
        condition,
        /// The number of its conditions.
        conditions,
        /// The first of its turns.
        turn,
        /// The number of its turns.
        turns,
        /// The uid of its class.
        class,
    }
    /// A container that is looked into.
    State[3] {
        /// The first of the elements that are told by a member.
        pick,
        /// The number of these.
        picks,
        /// The number of elements at the start that are looked at.
        elements,
    }
    /// A step from a container into a member or element.
    Edge[6] {
        /// The state of the container.
        from,
        /// The state of the value; [`NONE`] if nothing in it is looked for.
        to,
        /// The slot of the value.
        slot,
        /// 1 if it leads to an element.
        is_element,
        /// The key's place in the texts, or the number of the element.
        start,
        /// The length of the key.
        len,
    }
    /// An element that is told by one of its members.
    Pick[6] {
        /// The place of the member's key in the texts.
        key,
        /// The length of the key.
        key_len,
        /// The place of the member's text.
        text,
        /// The length of the text.
        text_len,
        /// The state of the element.
        to,
        /// The slot of the element.
        slot,
    }
    /// A question about a value.
    Question[5] {
        /// A [`Test`].
        test,
        /// 1 if it has to be answered with no, 2 if the next question may be answered instead, or both.
        flags,
        /// The slot.
        slot,
        /// The place of the text that the value is compared with, or a type.
        start,
        /// The length of the text.
        len,
    }
    /// An operation: it writes a part of the event.
    Op[5] {
        /// An [`OpCode`].
        code,
        /// The key's place in the tokens.
        key,
        /// The length of the key; 0 for an element.
        key_len,
        /// The first of a member's sources; a slot; a loop.
        a,
        /// The number of sources, or a second number that the code needs.
        b,
    }
    /// A source of a member's value.
    Source[6] {
        /// A [`Conversion`].
        conversion,
        /// The slot; where a constant is in the tokens.
        slot,
        /// The first of its conditions.
        condition,
        /// The first of the cuts; the length of a constant.
        cut,
        /// The lookup.
        lookup,
        /// The number of conditions, plus 256 times the number of cuts.
        counts,
    }
    /// A place of the hash table of edges.
    Bucket[1] {
        /// The edge; [`NONE`] if the place is empty.
        edge,
    }
    /// An operation in its place.
    Turn[1] {
        /// The operation, as its number.
        op,
    }
    /// A part that is cut out of a text.
    Cut[6] {
        /// A [`CutAt`].
        at,
        /// The number of separators before the part.
        count,
        /// The place of the text before the part.
        before,
        /// The length of the text before the part.
        before_len,
        /// The place of the text after the part.
        after,
        /// The length of the text after the part.
        after_len,
    }
    /// A table from texts to constants.
    Lookup[4] {
        /// The first entry of the lookup.
        entry,
        /// The number of entries of the lookup.
        entries,
        /// The place in the tokens of the constant for other texts; [`NONE`] if there is none.
        default,
        /// The length of the constant.
        default_len,
    }
    /// An entry of a lookup.
    Entry[5] {
        /// A [`Fits`].
        fits,
        /// The place of the entry's text.
        start,
        /// The length of the text.
        len,
        /// The constant's place in the tokens.
        token,
        /// The length of the constant.
        token_len,
    }
    /// A loop over the elements of an array.
    Loop[5] {
        /// The state of an element; [`NONE`] if nothing in the element is looked for.
        state,
        /// The slot of the element, the first of those that are filled for each.
        slot,
        /// The number of these slots.
        slots,
        /// The slot of the array.
        array,
        /// 1 if an element becomes a value, and no object.
        is_value,
    }
    /// The members of an element that are a key and its value.
    Pair[4] {
        /// The place of the name of the key's member.
        key,
        /// The length of the name of the key's member.
        key_len,
        /// The place of the name of the value's member.
        value,
        /// The length of the name of the value's member.
        value_len,
    }
    /// A text that stands for a missing value.
    Absent[2] {
        /// The place of the text.
        start,
        /// The length of the text.
        len,
    }
}

/// Makes each list an enum with numbers from 0 on.
macro_rules! numbered {
    ($($(#[doc = $doc:literal])+ $name:ident { $($(#[doc = $variant_doc:literal])+ $variant:ident),+ $(,)? })+) => {$(
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[doc = $variant_doc])+ $variant),+
        }

        impl $name {
            const ALL: &[$name] = &[$($name::$variant),+];

            /// Returns the variant with this number.
            #[inline(always)]
            pub(super) fn of(number: u16) -> Option<Self> {
                Self::ALL.get(usize::from(number)).copied()
            }
        }
    )+};
}

numbered! {
    /// The kinds of operations.
    OpCode {
        /// Opens an object. The key is with the colon and the brace.
        Object,
        /// Opens an array, in the same way.
        Array,
        /// Closes the object or array that was opened last, or removes it if it is empty.
        Close,
        /// Writes the value of the first source that yields one.
        Member,
        /// Writes a member in the same way, and remembers its value as the activity.
        Activity,
        /// Writes a member in the same way, if the activity has no number of its own.
        ActivityName,
        /// Begins the loop `a`, with a key as that of an array; `b` is 1 if it is for arrays in place of the one before it.
        Each,
        /// Ends the loop's body.
        Next,
        /// Writes the object that an array of pairs, in slot `a`, stands for; `b` is the pair.
        Pairs,
        /// Takes the value in slot `a`, which nothing is written for.
        Drop,
        /// Writes `type_uid`.
        TypeUid,
        /// Writes the rest of the record.
        Unmapped,
        /// Writes the record as text, if the policy asks for the text.
        RawData,
        /// Writes members that are constants, each with a comma behind it, which stand where the key
        /// would.
        Literal,
        /// Remembers where the members stand whose keys are greater than `audit` (`a` is 0),
        /// `raw_data` (1) or `unmapped` (2).
        Mark,
    }
    /// The questions about a value.
    Test {
        /// There is a value.
        Has,
        /// The value is this text, number or word.
        Is,
        /// The value is a string that starts with this text.
        Starts,
        /// The value is a string that ends with this text.
        Ends,
        /// The value is a string that contains this text.
        Contains,
        /// The value is of this type: a [`ValueType`](crate::recognize::ValueType).
        Type,
    }
    /// The conversion of a value. The first two need no value.
    Conversion {
        /// A constant replaces the value.
        Constant,
        /// Fluent Bit's time replaces the value.
        Now,
        /// The value is copied.
        Copy,
        /// A lookup says what replaces the value.
        Lookup,
        /// An array of texts becomes one text; the cut has the text between them.
        Join,
        /// The value becomes text.
        String,
        /// The value becomes an integer.
        Integer,
        /// The value becomes `true` or `false`.
        Boolean,
        /// The value is copied if it is an IP address.
        Ip,
        /// The value is copied if it is no IP address.
        Host,
        /// The value is copied if it is an e-mail address.
        Email,
        /// A date becomes milliseconds.
        Time,
        /// Seconds become milliseconds.
        Seconds,
        /// Milliseconds stay.
        Milliseconds,
        /// Microseconds become milliseconds.
        Microseconds,
        /// Nanoseconds become milliseconds.
        Nanoseconds,
        /// The value is copied if it is an array of texts.
        Texts,
    }
    /// The way in which a part of a text is found.
    CutAt {
        /// The part is behind the first text `before`, up to the next text `after`.
        First,
        /// The part is behind the last text `before`, or before the last text `after`.
        Last,
        /// The part is between the separators `count` and `count` + 1.
        Part,
        /// The part is behind separator `count`.
        Rest,
    }
    /// The way in which a text fits an entry.
    Fits {
        /// The text equals the entry's text.
        Is,
        /// The text starts with the entry's text.
        Starts,
        /// The text ends with the entry's text.
        Ends,
        /// The text contains the entry's text.
        Contains,
        /// The text is an integer in the entry's range, which is two integers of 64 bits.
        Range,
    }
}

/// The bit of a question that has to be answered with no.
pub const NEGATED: u16 = 1;
/// The bit of a question in whose place the next one may be answered with yes.
pub const OR: u16 = 2;

/// Makes the tables, which are read and written in one order.
macro_rules! tables {
    ($($(#[doc = $doc:literal])+ $field:ident: $row:ident [$len:literal]),+ $(,)?) => {
        /// A mapping to write.
        #[derive(Clone, Debug, Default)]
        pub struct ProgramParts {
            $($(#[doc = $doc])+ pub $field: Vec<$row>,)+
            /// The number of slots.
            pub slots: u16,
            /// The number of levels by which its event may be deeper than the record.
            pub depth: u16,
            /// Keys, each with its colon, and constants, as they stand in JSON.
            pub tokens: Vec<u8>,
            /// Texts that values are compared with.
            pub texts: Vec<u8>,
        }

        /// A mapping, as it stands in a policy's table.
        #[derive(Clone, Copy, Debug)]
        pub struct Program<'a> {
            $($field: &'a [[[u8; 2]; $len]],)+
            pub(super) slots: usize,
            pub(super) depth: usize,
            tokens: &'a [u8],
            texts: &'a [u8],
        }

        impl<'a> Program<'a> {
            const TABLES: usize = [$($len),+].len();

            /// The mapping in its part of a table.
            #[inline(never)]
            pub fn read(part: &'a [u8]) -> Option<Self> {
                let halves = part.as_chunks::<2>().0;
                let header = halves.get(..Self::TABLES + 4)?;
                let mut rest = halves.get(Self::TABLES + 4..)?;
                let number = |at: usize| header.get(at).map_or(0, |half| usize::from(u16::from_le_bytes(*half)));
                let mut table = 0;
                $(
                    let (rows, after) = rest.split_at_checked(number(table) * $len)?;
                    let $field = rows.as_chunks::<$len>().0;
                    rest = after;
                    table += 1;
                )+
                let tokens = part.len() - 2 * rest.len() - part.len() % 2;
                let texts = tokens + number(table + 2);
                Some(Program {
                    $($field,)+
                    slots: number(table),
                    depth: number(table + 1),
                    tokens: part.get(tokens..texts)?,
                    texts: part.get(texts..texts + number(table + 3))?,
                })
            }

            $(
                $(#[doc = $doc])+
                #[inline(always)]
                pub(super) fn $field(&self, index: usize) -> Option<$row> {
                    self.$field.get(index).map($row::read)
                }
            )+
        }

        impl ProgramParts {
            /// Writes the part. Returns none if there is more of something than fits.
            pub fn write(mut self) -> Option<Vec<u8>> {
                self.buckets = hashed(&self.edges, &self.texts)?;
                let mut part = Vec::new();
                $(part.extend(u16::try_from(self.$field.len()).ok()?.to_le_bytes());)+
                for number in [self.slots, self.depth] {
                    part.extend(number.to_le_bytes());
                }
                for text in [&self.tokens, &self.texts] {
                    part.extend(u16::try_from(text.len()).ok()?.to_le_bytes());
                }
                $(self.$field.iter().for_each(|row| row.write(&mut part));)+
                part.extend(self.tokens);
                part.extend(self.texts);
                Some(part)
            }
        }
    };
}

tables! {
    /// The cases, of which the first whose conditions hold is taken.
    cases: Case[5],
    /// The containers that are looked into; 0 is the record.
    states: State[3],
    /// The steps from them.
    edges: Edge[6],
    /// The hash table of these.
    buckets: Bucket[1],
    /// The elements that are told by a member.
    picks: Pick[6],
    /// The conditions.
    questions: Question[5],
    /// The operations of all cases, each once.
    ops: Op[5],
    /// The operations of each case, in their order.
    turns: Turn[1],
    /// The sources of the members.
    sources: Source[6],
    /// The cuts.
    cuts: Cut[6],
    /// The lookups.
    lookups: Lookup[4],
    /// The entries of the lookups.
    entries: Entry[5],
    /// The loops.
    loops: Loop[5],
    /// The pairs.
    pairs: Pair[4],
    /// The texts that stand for a missing value.
    absent: Absent[2],
}

impl<'a> Program<'a> {
    /// A text, by its place and length.
    #[inline(always)]
    pub(super) fn text(&self, start: u16, len: u16) -> &'a [u8] {
        self.texts.get(start.into()..usize::from(start) + usize::from(len)).unwrap_or_default()
    }

    /// A key, with the colon behind it, or a constant, by its place and length.
    #[inline(always)]
    pub(super) fn token(&self, start: u16, len: u16) -> &'a [u8] {
        self.tokens.get(start.into()..usize::from(start) + usize::from(len)).unwrap_or_default()
    }

    /// Returns the number of texts that stand for nothing.
    #[inline(always)]
    pub(super) fn absent_len(&self) -> usize {
        self.absent.len()
    }

    /// The edge from a state by a key, the first `len` bytes of `text`.
    #[inline(always)]
    pub(super) fn member(&self, from: u16, text: &[u8], len: usize) -> Option<Edge> {
        let key = text.get(..len)?;
        let is_it = |edge: &Edge| {
            edge.is_element == 0
                && usize::from(edge.len) == len
                && is_same(self.text(edge.start, edge.len), key)
        };
        self.edge(from, hash(text, len), is_it)
    }

    /// The edge from a state to an element.
    pub(super) fn element(&self, from: u16, index: usize) -> Option<Edge> {
        self.edge(from, index as u64, |edge| edge.is_element == 1 && usize::from(edge.start) == index)
    }

    #[inline(always)]
    fn edge(&self, from: u16, hash: u64, is_it: impl Fn(&Edge) -> bool) -> Option<Edge> {
        let mask = self.buckets.len().wrapping_sub(1);
        let mut at = bucket_of(from, hash) & mask;
        for _ in 0..self.buckets.len() {
            let edge = self.edges(self.buckets(at)?.edge.into())?;
            if edge.from == from && is_it(&edge) {
                return Some(edge);
            }
            at = (at + 1) & mask;
        }
        None
    }

    /// The operation whose turn it is.
    #[inline(always)]
    pub(super) fn op(&self, turn: usize) -> Option<Op> {
        self.ops(self.turns(turn)?.op.into())
    }
}

/// Returns the place at which the search for an edge begins.
#[inline(always)]
fn bucket_of(from: u16, hash: u64) -> usize {
    let mixed = (hash ^ u64::from(from) << 40).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 48) as usize
}

/// The hash table of edges, of which a quarter at least is empty.
fn hashed(edges: &[Edge], texts: &[u8]) -> Option<Vec<Bucket>> {
    let mut table = vec![Bucket { edge: NONE }; (edges.len() + edges.len() / 3 + 1).next_power_of_two()];
    let mask = table.len() - 1;
    for (index, edge) in edges.iter().enumerate() {
        let key = texts.get(edge.start.into()..usize::from(edge.start) + usize::from(edge.len));
        let hash = if edge.is_element == 1 { u64::from(edge.start) } else { hash(key?, edge.len.into()) };
        let mut at = bucket_of(edge.from, hash) & mask;
        while table.get(at)?.edge != NONE {
            at = (at + 1) & mask;
        }
        table.get_mut(at)?.edge = u16::try_from(index).ok()?;
    }
    Some(table)
}
