//! A writer of MessagePack, for the types that a record can hold.

/// A value with the type that it has in MessagePack.
#[derive(Clone, Debug)]
pub enum Value {
    /// The value nil.
    Nil,
    /// A boolean.
    Bool(bool),
    /// A signed integer.
    Int(i64),
    /// An unsigned integer.
    Uint(u64),
    /// A float of 32 bits.
    F32(f32),
    /// A float of 64 bits.
    F64(f64),
    /// A string, which may be invalid UTF-8.
    Str(Vec<u8>),
    /// Bytes.
    Bin(Vec<u8>),
    /// An extension: its type and its bytes.
    Ext(i8, Vec<u8>),
    /// Values in order.
    Array(Vec<Value>),
    /// Keys and their values, in order.
    Map(Vec<(Value, Value)>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Str(text.into())
    }
}

impl From<&serde_json::Value> for Value {
    fn from(json: &serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Value::Nil,
            serde_json::Value::Bool(value) => Value::Bool(*value),
            serde_json::Value::Number(number) => {
                let token = number.as_str();
                let integer = token.parse().map(Value::Int).or_else(|_| token.parse().map(Value::Uint));
                integer.unwrap_or_else(|_| Value::F64(number.as_f64().unwrap_or(f64::NAN)))
            }
            serde_json::Value::String(text) => Value::from(text.as_str()),
            serde_json::Value::Array(items) => Value::Array(items.iter().map(Value::from).collect()),
            serde_json::Value::Object(fields) => {
                let pair = |(key, value): (&String, _)| (Value::from(key.as_str()), Value::from(value));
                Value::Map(fields.iter().map(pair).collect())
            }
        }
    }
}

impl Value {
    /// Appends the value in the longest form of its type, because readers must accept
    /// every form.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Value::Nil => out.push(0xc0),
            Value::Bool(value) => out.push(0xc2 + u8::from(*value)),
            Value::Int(value) => put(out, 0xd3, value.to_be_bytes()),
            Value::Uint(value) => put(out, 0xcf, value.to_be_bytes()),
            Value::F32(value) => put(out, 0xca, value.to_bits().to_be_bytes()),
            Value::F64(value) => put(out, 0xcb, value.to_bits().to_be_bytes()),
            Value::Str(text) => {
                put(out, 0xdb, len(text.len()));
                out.extend_from_slice(text);
            }
            Value::Bin(bytes) => {
                put(out, 0xc6, len(bytes.len()));
                out.extend_from_slice(bytes);
            }
            // Fluent Bit recognizes its times by this fixed length.
            Value::Ext(kind, bytes) if bytes.len() == 8 => {
                put(out, 0xd7, kind.to_be_bytes());
                out.extend_from_slice(bytes);
            }
            Value::Ext(kind, bytes) => {
                put(out, 0xc9, len(bytes.len()));
                out.extend_from_slice(&kind.to_be_bytes());
                out.extend_from_slice(bytes);
            }
            Value::Array(items) => {
                put(out, 0xdd, len(items.len()));
                items.iter().for_each(|item| item.write(out));
            }
            Value::Map(fields) => {
                put(out, 0xdf, len(fields.len()));
                for (key, value) in fields {
                    key.write(out);
                    value.write(out);
                }
            }
        }
    }
}

fn put<const N: usize>(out: &mut Vec<u8>, kind: u8, bytes: [u8; N]) {
    out.push(kind);
    out.extend_from_slice(&bytes);
}

/// Encodes a length. Everything here fits into 32 bits.
fn len(len: usize) -> [u8; 4] {
    (len as u32).to_be_bytes()
}
