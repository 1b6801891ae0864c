//! A module whose functions report to the host when they are entered and left.
//!
//! Every call goes to a wrapper, which calls `enter`, the function itself, and `leave`.
//! Both are imported, and get the number of the function.

use anyhow::{Context, Result, ensure};
use std::collections::HashMap;
use std::ops::Range;
use wasm_encoder::Encode;
use wasmparser::{ElementItems, ExternalKind, KnownCustom, Name, Operator, Parser, Payload, TypeRef};

/// The module under which `enter` and `leave` are imported.
pub(crate) const IMPORTED_FROM: &str = "trace";
/// The number of functions that are imported in addition.
const ADDED: u32 = 2;

const TYPE: u8 = 1;
const IMPORT: u8 = 2;
const FUNCTION: u8 = 3;
const EXPORT: u8 = 7;
const ELEMENT: u8 = 9;
const CODE: u8 = 10;

/// A function of the module.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// The instructions of its wrapper between the calls of `enter` and `leave`, with that
    /// of `leave`.
    pub(crate) wrapper_fuel: u64,
    /// The length of its code, in bytes.
    pub(crate) code_bytes: usize,
}

/// A module that reports.
pub(crate) struct Traced {
    pub(crate) module: Vec<u8>,
    /// The functions, by the numbers that they report.
    pub(crate) functions: Vec<Function>,
}

/// The parts of a module that change.
#[derive(Default)]
struct Parts<'a> {
    types: Vec<wasmparser::FuncType>,
    imports: u32,
    /// The type of each function that is defined.
    defined: Vec<u32>,
    bodies: Vec<wasmparser::FunctionBody<'a>>,
    names: HashMap<u32, String>,
    sections: Vec<(u8, Range<usize>)>,
}

/// Makes a module report.
pub(crate) fn traced(module: &[u8]) -> Result<Traced> {
    let parts = Parts::of(module)?;
    let (imports, count) = (parts.imports, parts.defined.len() as u32);
    // Calls of imported functions stay; all others go to wrappers, which stand behind the
    // functions themselves.
    let target = |index: u32| if index < imports { index } else { index + ADDED + count };
    let mut out = module[..8].to_vec();
    for (id, range) in &parts.sections {
        let contents = &module[range.clone()];
        let contents = match *id {
            TYPE => appended(contents, parts.types.len() as u32, 1, &[0x60, 1, 0x7f, 0])?,
            IMPORT => {
                let mut added = Vec::new();
                for name in ["enter", "leave"] {
                    IMPORTED_FROM.encode(&mut added);
                    name.encode(&mut added);
                    added.push(0);
                    (parts.types.len() as u32).encode(&mut added);
                }
                appended(contents, imports, ADDED, &added)?
            }
            FUNCTION => {
                let mut added = Vec::new();
                parts.defined.iter().for_each(|ty| ty.encode(&mut added));
                appended(contents, count, count, &added)?
            }
            EXPORT => exports(contents, target)?,
            ELEMENT => elements(contents, target)?,
            CODE => parts.code(module, target)?,
            _ => contents.to_vec(),
        };
        out.push(*id);
        contents.encode(&mut out);
    }
    let functions = parts.defined.iter().zip(&parts.bodies).enumerate().map(|(at, (ty, body))| Function {
        name: parts.names.get(&(imports + at as u32)).cloned().unwrap_or_else(|| format!("function {at}")),
        wrapper_fuel: parts.types[*ty as usize].params().len() as u64 + 3,
        code_bytes: body.range().len(),
    });
    let functions = functions.collect();
    Ok(Traced { module: out, functions })
}

impl<'a> Parts<'a> {
    fn of(module: &'a [u8]) -> Result<Self> {
        let mut parts = Parts::default();
        for payload in Parser::new(0).parse_all(module) {
            let payload = payload?;
            // Custom sections are left out: names would no longer be right.
            parts.sections.extend(payload.as_section().filter(|(id, _)| *id != 0));
            match payload {
                Payload::TypeSection(section) => {
                    for ty in section.into_iter_err_on_gc_types() {
                        parts.types.push(ty?);
                    }
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        ensure!(matches!(import?.ty, TypeRef::Func(_)), "only functions may be imported");
                        parts.imports += 1;
                    }
                }
                Payload::FunctionSection(section) => {
                    parts.defined = section.into_iter().collect::<Result<_, _>>()?;
                }
                Payload::CodeSectionEntry(body) => parts.bodies.push(body),
                Payload::CustomSection(section) => {
                    if let KnownCustom::Name(names) = section.as_known() {
                        for name in names {
                            if let Name::Function(functions) = name? {
                                for naming in functions {
                                    let naming = naming?;
                                    parts.names.insert(naming.index, demangled(naming.name));
                                }
                            }
                        }
                    }
                }
                _ => {}
            }
        }
        ensure!(!parts.names.is_empty(), "the module has no names of functions");
        Ok(parts)
    }

    fn code(&self, module: &[u8], target: impl Fn(u32) -> u32) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        (2 * self.bodies.len() as u32).encode(&mut out);
        for body in &self.bodies {
            let mut code = Vec::new();
            let mut copied = body.range().start;
            let mut operators = body.get_operators_reader()?;
            while !operators.eof() {
                let (operator, at) = operators.read_with_offset()?;
                if let Operator::Call { function_index } = operator {
                    code.extend_from_slice(&module[copied..=at]);
                    target(function_index).encode(&mut code);
                    copied = operators.original_position();
                }
            }
            code.extend_from_slice(&module[copied..body.range().end]);
            code.encode(&mut out);
        }
        for (at, ty) in (0u32..).zip(&self.defined) {
            const NUMBER: u8 = 0x41;
            const CALL: u8 = 0x10;
            const PARAMETER: u8 = 0x20;
            let mut code = vec![0];
            let report = |code: &mut Vec<u8>, import: u32| {
                code.push(NUMBER);
                at.cast_signed().encode(code);
                code.push(CALL);
                import.encode(code);
            };
            report(&mut code, self.imports);
            for parameter in 0..self.types[*ty as usize].params().len() as u32 {
                code.push(PARAMETER);
                parameter.encode(&mut code);
            }
            code.push(CALL);
            (self.imports + ADDED + at).encode(&mut code);
            report(&mut code, self.imports + 1);
            code.push(0x0b);
            code.encode(&mut out);
        }
        Ok(out)
    }
}

/// Returns a path of Rust from its symbol in the older mangling: `_ZN`, then each name
/// behind its length, the last of which is a hash. Other symbols stay.
fn demangled(symbol: &str) -> String {
    let mut names = Vec::new();
    let mut rest = symbol.strip_prefix("_ZN").unwrap_or_default();
    while let Some(digits) = rest.find(|byte: char| !byte.is_ascii_digit()).filter(|digits| *digits > 0) {
        let len: usize = rest[..digits].parse().unwrap_or_default();
        let Some(name) = rest.get(digits..digits + len) else { break };
        names.push(name);
        rest = &rest[digits + len..];
    }
    if names.pop().is_none() {
        return symbol.to_owned();
    }
    let escapes = [("$LT$", "<"), ("$GT$", ">"), ("$u20$", " "), ("$RF$", "&"), ("$C$", ","), ("..", "::")];
    let path = names.join("::");
    escapes.iter().fold(path, |path, (escape, text)| path.replace(escape, text))
}

/// Returns the contents of a section that is a list of `count` items, with `more` items added.
fn appended(contents: &[u8], count: u32, more: u32, added: &[u8]) -> Result<Vec<u8>> {
    let mut before = Vec::new();
    count.encode(&mut before);
    let items = contents.strip_prefix(before.as_slice()).context("a count that is written in another way")?;
    let mut out = Vec::new();
    (count + more).encode(&mut out);
    out.extend_from_slice(items);
    out.extend_from_slice(added);
    Ok(out)
}

fn exports(contents: &[u8], target: impl Fn(u32) -> u32) -> Result<Vec<u8>> {
    let mut section = wasm_encoder::ExportSection::new();
    for export in wasmparser::ExportSectionReader::new(wasmparser::BinaryReader::new(contents, 0))? {
        let export = export?;
        let (kind, index) = match export.kind {
            ExternalKind::Func => (wasm_encoder::ExportKind::Func, target(export.index)),
            ExternalKind::Memory => (wasm_encoder::ExportKind::Memory, export.index),
            ExternalKind::Global => (wasm_encoder::ExportKind::Global, export.index),
            other => anyhow::bail!("the export {} is a {other:?}", export.name),
        };
        section.export(export.name, kind, index);
    }
    contents_of(&section)
}

fn elements(contents: &[u8], target: impl Fn(u32) -> u32) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let section = wasmparser::ElementSectionReader::new(wasmparser::BinaryReader::new(contents, 0))?;
    section.count().encode(&mut out);
    for element in section {
        let element = element?;
        let (ElementItems::Functions(functions), wasmparser::ElementKind::Active { offset_expr, .. }) =
            (element.items, element.kind)
        else {
            anyhow::bail!("a table that is not of functions");
        };
        let reader = offset_expr.get_binary_reader();
        // An active segment of the first table.
        out.push(0);
        out.extend_from_slice(&contents[reader.range()]);
        functions.count().encode(&mut out);
        for function in functions {
            target(function?).encode(&mut out);
        }
    }
    Ok(out)
}

/// Returns an encoded section without its length.
fn contents_of(section: &impl Encode) -> Result<Vec<u8>> {
    let mut encoded = Vec::new();
    section.encode(&mut encoded);
    let mut reader = wasmparser::BinaryReader::new(&encoded, 0);
    let len = reader.read_var_u32()? as usize;
    Ok(reader.read_bytes(len)?.to_vec())
}
