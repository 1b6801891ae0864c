//! The values that rows and parts have: places, heads, and what is made of these.

use super::bytes::{Bytes, Damaged, put_number};
use super::rows::Stored;
use super::spool::Fingerprint;
use flb_audit_core::chain::{ChainId, Life, Place, Position, Run};
use std::ops::RangeInclusive;
use std::rc::Rc;

/// The maximum number of elements that a row has in the file.
const ELEMENTS_MAX: usize = 8;

impl Stored for () {
    fn put(&self, _: &mut Vec<u8>) {}

    fn take(_: &mut Bytes<'_>) -> Result<Self, Damaged> {
        Ok(())
    }
}

impl Stored for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.push((*self).into());
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Damaged> {
        Ok(from.byte()? == 1)
    }
}

impl Stored for u64 {
    fn put(&self, out: &mut Vec<u8>) {
        put_number(out, *self);
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Damaged> {
        from.number()
    }
}

impl Stored for u32 {
    fn put(&self, out: &mut Vec<u8>) {
        put_number(out, (*self).into());
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Damaged> {
        from.number()?.try_into().map_err(|_| Damaged)
    }
}

impl<const N: usize> Stored for [u8; N] {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Damaged> {
        from.array()
    }
}

impl Stored for Fingerprint {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Damaged> {
        Ok(Fingerprint(from.array()?))
    }
}

impl Stored for Run {
    fn put(&self, out: &mut Vec<u8>) {
        self.as_bytes().put(out);
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Damaged> {
        Run::from_text(&from.array::<6>()?).ok_or(Damaged)
    }
}

impl Stored for Place {
    fn put(&self, out: &mut Vec<u8>) {
        (self.segment, self.run).put(out);
        self.sequence.put(out);
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Damaged> {
        Ok(Place { segment: from.number()?, run: Run::take(from)?, sequence: from.number()? })
    }
}

impl Stored for Position {
    fn put(&self, out: &mut Vec<u8>) {
        (self.segment, self.sequence).put(out);
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Damaged> {
        Ok(Position { segment: from.number()?, sequence: from.number()? })
    }
}

impl Stored for Life {
    fn put(&self, out: &mut Vec<u8>) {
        self.chain.as_bytes().put(out);
        (self.segment, self.run).put(out);
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Damaged> {
        let chain = ChainId::from_text(&from.array::<12>()?).ok_or(Damaged)?;
        Ok(Life { chain, segment: from.number()?, run: Run::take(from)? })
    }
}

impl Stored for RangeInclusive<u64> {
    fn put(&self, out: &mut Vec<u8>) {
        (*self.start(), *self.end()).put(out);
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Damaged> {
        Ok(from.number()?..=from.number()?)
    }
}

impl<T: Stored> Stored for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_some().put(out);
        self.iter().for_each(|value| value.put(out));
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Damaged> {
        bool::take(from)?.then(|| T::take(from)).transpose()
    }
}

impl<T: Stored> Stored for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        put_number(out, self.len() as u64);
        self.iter().for_each(|value| value.put(out));
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Damaged> {
        (0..from.number()?).map(|_| T::take(from)).collect()
    }

    fn is_small(&self) -> bool {
        self.len() <= ELEMENTS_MAX
    }
}

impl<T: Stored> Stored for Rc<T> {
    fn put(&self, out: &mut Vec<u8>) {
        (**self).put(out);
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Damaged> {
        Ok(Rc::new(T::take(from)?))
    }

    fn is_small(&self) -> bool {
        (**self).is_small()
    }
}

macro_rules! tuples {
    ($(($($value:ident $at:tt),+);)+) => {
        $(impl<$($value: Stored),+> Stored for ($($value,)+) {
            fn put(&self, out: &mut Vec<u8>) {
                $(self.$at.put(out);)+
            }

            fn take(from: &mut Bytes<'_>) -> Result<Self, Damaged> {
                Ok(($($value::take(from)?,)+))
            }
        })+
    };
}

tuples! {
    (A 0, B 1);
    (A 0, B 1, C 2);
    (A 0, B 1, C 2, D 3, E 4);
}
