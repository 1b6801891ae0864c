//! Rewrites the code of a filter for the interpreter in which Fluent Bit runs it: WAMR's fast
//! interpreter.
//!
//! When that interpreter loads a module, it turns code into operations on local variables and
//! on the stack, both of which have fixed places. It does so differently for two instructions
//! that store a result:
//!
//! - `local.set`: the operation before it writes its result to the variable itself.
//! - `local.tee`: the operation before it writes its result to the stack, and a further
//!   operation copies it to the variable.
//!
//! Reading a variable by `local.get` is no operation at all. So `local.tee` becomes `local.set`
//! and `local.get`. Fewer operations are less time, although the code is longer.

use wasm_encoder::Encode;
use wasmparser::{BinaryReader, BinaryReaderError, CodeSectionReader, Operator};

const LOCAL_GET: u8 = 0x20;
const LOCAL_SET: u8 = 0x21;

/// Returns the contents of a code section, rewritten for the interpreter.
pub(crate) fn for_interpreter(section: &[u8]) -> Result<Vec<u8>, BinaryReaderError> {
    let bodies = CodeSectionReader::new(BinaryReader::new(section, 0))?;
    let mut out = Vec::new();
    bodies.count().encode(&mut out);
    for body in bodies {
        let body = body?;
        let mut code = Vec::new();
        let mut copied = body.range().start;
        let mut operators = body.get_operators_reader()?;
        let mut writes_result = false;
        while !operators.eof() {
            let (operator, at) = operators.read_with_offset()?;
            if let Operator::LocalTee { local_index } = operator
                && writes_result
            {
                code.extend_from_slice(&section[copied..at]);
                for instruction in [LOCAL_SET, LOCAL_GET] {
                    code.push(instruction);
                    local_index.encode(&mut code);
                }
                copied = operators.original_position();
            }
            writes_result = section.get(at).is_some_and(|opcode| is_written(*opcode));
        }
        code.extend_from_slice(&section[copied..body.range().end]);
        code.encode(&mut out);
    }
    Ok(out)
}

/// True for instructions whose result the interpreter writes to a variable at once: loads,
/// comparisons, arithmetic and conversions.
fn is_written(opcode: u8) -> bool {
    matches!(opcode, 0x28..=0x35 | 0x45..=0xbf)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_encoder::{CodeSection, Function, InstructionSink};

    /// Returns the contents of a code section with one function.
    fn code(write: impl FnOnce(&mut InstructionSink<'_>)) -> Vec<u8> {
        let mut function = Function::new([(2, wasm_encoder::ValType::I32)]);
        write(&mut function.instructions());
        let mut section = CodeSection::new();
        section.function(&function);
        let mut out = Vec::new();
        section.encode(&mut out);
        let mut reader = BinaryReader::new(&out, 0);
        let len = reader.read_var_u32().expect("a length") as usize;
        reader.read_bytes(len).expect("the contents").to_vec()
    }

    #[test]
    fn results_go_to_variables_at_once() {
        let before = code(|sink| {
            sink.local_get(0).i32_const(300).i32_add().local_tee(200).local_get(200).i32_mul().local_set(1);
            // The result of a call is copied in any case, and so is a variable.
            sink.call(0).local_tee(1).drop().local_get(0).local_tee(1).end();
        });
        let after = code(|sink| {
            sink.local_get(0).i32_const(300).i32_add().local_set(200).local_get(200);
            sink.local_get(200).i32_mul().local_set(1);
            sink.call(0).local_tee(1).drop().local_get(0).local_tee(1).end();
        });
        assert_eq!(for_interpreter(&before).expect("code"), after);
        assert_eq!(for_interpreter(&after).expect("code"), after);
        assert!(for_interpreter(&before[..before.len() - 3]).is_err());
    }
}
