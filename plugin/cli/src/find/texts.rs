//! The texts of a record, decoded: every string, number and key, with its path.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::fmt::Write;

/// Passes every string, number and key of a record to `see`, with its path. Duplicate
/// keys are passed, too.
///
/// # Errors
/// Fails if the text is not JSON, or is nested more than 128 levels deep.
pub(super) fn walk(text: &[u8], mut see: impl FnMut(&str, &str)) -> serde_json::Result<()> {
    let mut json = serde_json::Deserializer::from_slice(text);
    let mut path = String::new();
    Walk { path: &mut path, see: &mut see }.deserialize(&mut json)?;
    json.end()
}

struct Walk<'a> {
    path: &'a mut String,
    see: &'a mut dyn FnMut(&str, &str),
}

impl Walk<'_> {
    fn saw(&mut self, text: &str) {
        (self.see)(self.path, text);
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(mut self, number: i64) -> Result<(), E> {
        self.saw(&number.to_string());
        Ok(())
    }

    fn visit_u64<E: Error>(mut self, number: u64) -> Result<(), E> {
        self.saw(&number.to_string());
        Ok(())
    }

    fn visit_f64<E: Error>(mut self, number: f64) -> Result<(), E> {
        self.saw(&number.to_string());
        Ok(())
    }

    fn visit_str<E: Error>(mut self, text: &str) -> Result<(), E> {
        self.saw(text);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Walk { path, see } = self;
        let len = path.len();
        for at in 0_u64.. {
            // Writing to a string cannot fail.
            let _ = write!(path, "[{at}]");
            let item = items.next_element_seed(Walk { path, see })?;
            path.truncate(len);
            if item.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let Walk { path, see } = self;
        let len = path.len();
        while let Some(key) = members.next_key::<String>()? {
            if len > 0 {
                path.push('.');
            }
            path.push_str(&key);
            see(path, &key);
            members.next_value_seed(Walk { path, see })?;
            path.truncate(len);
        }
        Ok(())
    }
}
