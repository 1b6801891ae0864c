//! Puts a policy's table into the filter's module, and finds it there.
//!
//! The module has a place of 24 bytes among its data: a mark, and the address and the
//! length of the table, both zero as long as there is no table. The table itself becomes
//! the last data segment, behind all memory that the module starts with; that memory
//! grows by the pages that the table needs. A table that is already there is replaced. The code
//! does the same as before, and is written as Fluent Bit's interpreter runs it fastest.

use crate::code;
use flb_audit_core::policy::MODULE_MARK;
use std::ops::Range;
use wasm_encoder::{ConstExpr, DataCountSection, DataSection, MemorySection, MemoryType, Module, RawSection};
use wasmparser::{DataKind, Operator, Parser, Payload};

/// The length of the mark, the address and the length; both numbers are little-endian.
const PLACE_BYTES: usize = 24;
const PAGE_BYTES: usize = 64 << 10;

/// The reason why a module cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The file is no WebAssembly module, or a damaged one.
    NotAModule(wasmparser::BinaryReaderError),
    /// The module is not a `filter_audit.wasm`.
    NotTheFilter,
    /// The table is not where the module says.
    Damaged,
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Error::NotAModule(error) => write!(f, "not a WebAssembly module: {error}"),
            Error::NotTheFilter => f.write_str(
                "not a filter_audit.wasm of this version: it has no place for a policy; use the one that came with \
                 this flb-audit",
            ),
            Error::Damaged => f.write_str("damaged: its policy is not where the module says"),
        }
    }
}

impl std::error::Error for Error {}

impl From<wasmparser::BinaryReaderError> for Error {
    fn from(error: wasmparser::BinaryReaderError) -> Self {
        Error::NotAModule(error)
    }
}

/// The parts of a module that putting a policy into it needs.
struct Parts<'a> {
    module: &'a [u8],
    /// All sections: their ids, and the places of their contents.
    sections: Vec<(u8, Range<usize>)>,
    memory: wasmparser::MemoryType,
    /// The data segments: address and contents.
    segments: Vec<(u32, &'a [u8])>,
    /// The segment that contains the place, and the offset of the place in it.
    place: (usize, usize),
}

impl<'a> Parts<'a> {
    fn of(module: &'a [u8]) -> Result<Self, Error> {
        let (mut sections, mut memory, mut segments) = (Vec::new(), None, Vec::new());
        for payload in Parser::new(0).parse_all(module) {
            let payload = payload?;
            sections.extend(payload.as_section());
            match payload {
                Payload::MemorySection(section) => memory = section.into_iter().next().transpose()?,
                Payload::DataSection(section) => {
                    for data in section {
                        let data = data?;
                        segments.push((address(&data.kind)?, data.data));
                    }
                }
                _ => {}
            }
        }
        let mark =
            |bytes: &[u8]| bytes.windows(PLACE_BYTES).position(|window| window.starts_with(MODULE_MARK));
        let mut places = segments.iter().enumerate().filter_map(|(at, (_, bytes))| Some((at, mark(bytes)?)));
        let (Some(memory), Some(place)) = (memory, places.next()) else {
            return Err(Error::NotTheFilter);
        };
        Ok(Parts { module, sections, memory, segments, place })
    }

    /// Returns the address and the length of the module's table, if it has one.
    fn table(&self) -> Result<Option<(u32, u32)>, Error> {
        let (segment, at) = self.place;
        let number = |at: usize| {
            let bytes = self.segments[segment].1.get(at..).and_then(|bytes| bytes.first_chunk());
            bytes.map(|bytes| u32::from_le_bytes(*bytes)).ok_or(Error::Damaged)
        };
        match (number(at + 16)?, number(at + 20)?) {
            (0, _) => Ok(None),
            place => Ok(Some(place)),
        }
    }
}

fn address(kind: &DataKind<'_>) -> Result<u32, Error> {
    let DataKind::Active { memory_index: 0, offset_expr } = kind else {
        return Err(Error::NotTheFilter);
    };
    match offset_expr.get_operators_reader().read()? {
        Operator::I32Const { value } => Ok(value as u32),
        _ => Err(Error::NotTheFilter),
    }
}

/// Returns the table in a module, or `None` if the module has none.
pub fn table(module: &[u8]) -> Result<Option<&[u8]>, Error> {
    let parts = Parts::of(module)?;
    match (parts.table()?, parts.segments.last()) {
        (None, _) => Ok(None),
        (Some((address, len)), Some((at, bytes))) if *at == address && bytes.len() == len as usize => {
            Ok(Some(bytes))
        }
        _ => Err(Error::Damaged),
    }
}

/// Returns the module with this table, and with code that is fast in Fluent Bit's interpreter. A
/// table that is already there is replaced.
pub fn with_table(module: &[u8], table: &[u8]) -> Result<Vec<u8>, Error> {
    let mut parts = Parts::of(module)?;
    let pages = |bytes: usize| bytes.div_ceil(PAGE_BYTES) as u64;
    let mut initial = parts.memory.initial;
    if self::table(module)?.is_some() {
        let old = parts.segments.pop().map_or(0, |(_, bytes)| bytes.len());
        initial -= pages(old).min(initial);
    }
    let address = initial as u32 * PAGE_BYTES as u32;
    let place = [MODULE_MARK, &address.to_le_bytes()[..], &(table.len() as u32).to_le_bytes()].concat();

    let mut data = DataSection::new();
    for (at, (address, bytes)) in parts.segments.iter().enumerate() {
        let mut bytes = bytes.to_vec();
        if at == parts.place.0 {
            bytes.splice(parts.place.1..parts.place.1 + PLACE_BYTES, place.iter().copied());
        }
        data.active(0, &ConstExpr::i32_const(*address as i32), bytes);
    }
    data.active(0, &ConstExpr::i32_const(address as i32), table.iter().copied());

    let mut memory = MemorySection::new();
    memory.memory(MemoryType {
        minimum: initial + pages(table.len()),
        maximum: parts.memory.maximum,
        memory64: parts.memory.memory64,
        shared: parts.memory.shared,
        page_size_log2: parts.memory.page_size_log2,
    });
    let mut out = Module::new();
    for (id, range) in &parts.sections {
        /// The ids of sections in WebAssembly's binary format.
        const MEMORY: u8 = 5;
        const CODE: u8 = 10;
        const DATA: u8 = 11;
        const DATA_COUNT: u8 = 12;
        match *id {
            MEMORY => out.section(&memory),
            DATA => out.section(&data),
            DATA_COUNT => out.section(&DataCountSection { count: parts.segments.len() as u32 + 1 }),
            CODE => {
                let data = &code::for_interpreter(&parts.module[range.clone()])?;
                out.section(&RawSection { id: CODE, data })
            }
            id => out.section(&RawSection { id, data: &parts.module[range.clone()] }),
        };
    }
    Ok(out.finish())
}
