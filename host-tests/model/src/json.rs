//! JSON with exact numbers, and the canonical form.

/// A JSON value. A number is kept as its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number as it was written
    Number(String),
    /// A string without its escapes
    String(String),
    /// An array
    Array(Vec<Value>),
    /// An object, with duplicate keys, in the order of the text
    Object(Vec<(String, Value)>),
}

/// The greatest depth of nested arrays and objects.
pub const DEPTH_MAX: usize = 128;

impl Value {
    /// Reads a text that is one JSON value.
    pub fn parse(text: &str) -> Option<Value> {
        let mut reader = Reader { text: text.as_bytes(), at: 0 };
        let value = reader.value(0)?;
        reader.space();
        (reader.at == text.len()).then_some(value)
    }

    /// Returns the member of that name. Of several, returns the first.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.members().iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// Returns the members of an object, and none for any other value.
    pub fn members(&self) -> &[(String, Value)] {
        match self {
            Value::Object(members) => members,
            _ => &[],
        }
    }

    /// Returns the members of an object, to change them.
    pub fn members_mut(&mut self) -> Option<&mut Vec<(String, Value)>> {
        match self {
            Value::Object(members) => Some(members),
            _ => None,
        }
    }

    /// Returns the string, if the value is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the elements, if the value is an array.
    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Value::Array(values) => Some(values),
            _ => None,
        }
    }

    /// Returns an integer below 2^64 that is written without sign, fraction and exponent.
    pub fn as_integer(&self) -> Option<u64> {
        match self {
            Value::Number(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
            _ => None,
        }
    }

    /// Prints the value as it was read, without white space.
    pub fn text(&self) -> String {
        match self {
            Value::Null => "null".to_owned(),
            Value::Bool(value) => value.to_string(),
            Value::Number(text) => text.clone(),
            Value::String(text) => quoted(text),
            Value::Array(values) => format!("[{}]", joined(values.iter().map(Value::text))),
            Value::Object(members) => {
                format!(
                    "{{{}}}",
                    joined(members.iter().map(|(key, value)| format!("{}:{}", quoted(key), value.text())))
                )
            }
        }
    }

    /// Returns the canonical form. A value with a duplicate key has none.
    pub fn canonical(&self) -> Option<String> {
        match self {
            Value::Number(text) => number(text),
            Value::Array(values) => {
                let values = values.iter().map(Value::canonical).collect::<Option<Vec<_>>>()?;
                Some(format!("[{}]", values.join(",")))
            }
            Value::Object(members) => {
                let mut members: Vec<_> = members.iter().collect();
                members.sort_by_key(|(key, _)| key.encode_utf16().collect::<Vec<_>>());
                if members.windows(2).any(|two| two[0].0 == two[1].0) {
                    return None;
                }
                let written =
                    |(key, value): &(String, Value)| Some(format!("{}:{}", quoted(key), value.canonical()?));
                let members = members.into_iter().map(written).collect::<Option<Vec<_>>>()?;
                Some(format!("{{{}}}", members.join(",")))
            }
            _ => Some(self.text()),
        }
    }
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(",")
}

/// Writes a string with the escapes of RFC 8785.
fn quoted(text: &str) -> String {
    let mut out = "\"".to_owned();
    for character in text.chars() {
        match character {
            '"' => out += "\\\"",
            '\\' => out += "\\\\",
            '\u{8}' => out += "\\b",
            '\t' => out += "\\t",
            '\n' => out += "\\n",
            '\u{c}' => out += "\\f",
            '\r' => out += "\\r",
            '\0'..' ' => out += &format!("\\u{:04x}", u32::from(character)),
            _ => out.push(character),
        }
    }
    out + "\""
}

/// Prints a number canonically. A number beyond the range of doubles has no canonical
/// form.
fn number(text: &str) -> Option<String> {
    let in_range = |number: &i128| (-(1 << 63)..1 << 64).contains(number);
    if !text.contains(['.', 'e', 'E'])
        && let Some(integer) = text.parse::<i128>().ok().filter(in_range)
    {
        return Some(integer.to_string());
    }
    let double: f64 = text.parse().ok()?;
    if !double.is_finite() {
        return None;
    }
    if double.fract() == 0.0 && in_range(&(double as i128)) {
        return Some((double as i128).to_string());
    }
    Some(ryu_js::Buffer::new().format_finite(double).to_owned())
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, token: &str) -> Option<()> {
        let is_here = self.text[self.at..].starts_with(token.as_bytes());
        self.at += if is_here { token.len() } else { 0 };
        is_here.then_some(())
    }

    /// Returns true after a comma, and false after `end`.
    fn goes_on(&mut self, end: &str) -> Option<bool> {
        self.space();
        if self.take(",").is_some() {
            return Some(true);
        }
        self.take(end).map(|()| false)
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        self.space();
        match self.peek()? {
            b'n' => self.take("null").map(|()| Value::Null),
            b't' => self.take("true").map(|()| Value::Bool(true)),
            b'f' => self.take("false").map(|()| Value::Bool(false)),
            b'"' => self.string().map(Value::String),
            b'[' | b'{' if depth == DEPTH_MAX => None,
            b'[' => {
                self.at += 1;
                let mut values = Vec::new();
                self.space();
                if self.take("]").is_some() {
                    return Some(Value::Array(values));
                }
                loop {
                    values.push(self.value(depth + 1)?);
                    if !self.goes_on("]")? {
                        return Some(Value::Array(values));
                    }
                }
            }
            b'{' => {
                self.at += 1;
                let mut members = Vec::new();
                self.space();
                if self.take("}").is_some() {
                    return Some(Value::Object(members));
                }
                loop {
                    self.space();
                    let key = self.string()?;
                    self.space();
                    self.take(":")?;
                    members.push((key, self.value(depth + 1)?));
                    if !self.goes_on("}")? {
                        return Some(Value::Object(members));
                    }
                }
            }
            _ => self.number(),
        }
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    fn number(&mut self) -> Option<Value> {
        let start = self.at;
        let _ = self.take("-");
        if self.take("0").is_none() {
            self.digits()?;
        }
        if self.take(".").is_some() {
            self.digits()?;
        }
        if self.take("e").or_else(|| self.take("E")).is_some() {
            let _ = self.take("+").or_else(|| self.take("-"));
            self.digits()?;
        }
        let text = String::from_utf8(self.text[start..self.at].to_vec()).ok()?;
        // The number is beyond the range of doubles.
        let is_finite = text.parse().is_ok_and(f64::is_finite);
        is_finite.then_some(Value::Number(text))
    }

    fn string(&mut self) -> Option<String> {
        self.take("\"")?;
        let mut out = Vec::new();
        loop {
            let byte = self.peek()?;
            self.at += 1;
            match byte {
                b'"' => return String::from_utf8(out).ok(),
                b'\\' => {
                    let escape = self.peek()?;
                    self.at += 1;
                    let character = match escape {
                        b'"' | b'\\' | b'/' => char::from(escape),
                        b'b' => '\u{8}',
                        b'f' => '\u{c}',
                        b'n' => '\n',
                        b'r' => '\r',
                        b't' => '\t',
                        b'u' => self.escaped()?,
                        _ => return None,
                    };
                    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                }
                0..0x20 => return None,
                _ => out.push(byte),
            }
        }
    }

    fn unit(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        self.at += 4;
        let is_hex = digits.iter().all(u8::is_ascii_hexdigit);
        u32::from_str_radix(std::str::from_utf8(digits).ok().filter(|_| is_hex)?, 16).ok()
    }

    /// Reads what follows `\u`. A lone surrogate is not a character.
    fn escaped(&mut self) -> Option<char> {
        let high = self.unit()?;
        if !(0xd800..0xdc00).contains(&high) {
            return char::from_u32(high);
        }
        self.take("\\u")?;
        let low = self.unit().filter(|low| (0xdc00..0xe000).contains(low))?;
        char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00))
    }
}
