//! Guests that are written by instruction, to measure Fluent Bit's interpreter.

use wasm_encoder::{
    CodeSection, ConstExpr, ExportKind, ExportSection, Function, FunctionSection, GlobalSection, GlobalType,
    InstructionSink, MemorySection, MemoryType, Module, TypeSection, ValType,
};

/// The locals of a guest's function: the record's address and length, a counter, a number
/// of 32 bits, one of 64 bits, and another one of 32 bits.
pub(crate) const ADDRESS: u32 = 4;
pub(crate) const LEN: u32 = 5;
pub(crate) const COUNTER: u32 = 6;
pub(crate) const NUMBER: u32 = 7;
pub(crate) const LONG: u32 = 8;
pub(crate) const OTHER: u32 = 9;
/// The number of a function that does nothing, and of one that returns its parameter.
pub(crate) const NOTHING: u32 = 3;
pub(crate) const SAME: u32 = 4;
/// An address that no record is put at. There are 512 KiB behind it.
pub(crate) const FREE: i32 = 3 << 20;

/// Returns a guest whose function is these instructions, which leave the address of the
/// result.
pub(crate) fn guest(write: impl FnOnce(&mut InstructionSink<'_>)) -> Vec<u8> {
    /// The first of the two places for records, and the distance to the second.
    const FIRST: i32 = 512 << 10;
    const APART: i32 = 1 << 20;
    const PAGES: u64 = 64;
    let (mut types, mut functions) = (TypeSection::new(), FunctionSection::new());
    types.ty().function([ValType::I32], [ValType::I32]);
    types.ty().function([ValType::I32], []);
    types.ty().function([ValType::I32; 6], [ValType::I32]);
    types.ty().function([], []);
    for ty in [0, 1, 2, 3, 0] {
        functions.function(ty);
    }
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: PAGES,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    let mut globals = GlobalSection::new();
    let place = GlobalType { val_type: ValType::I32, mutable: true, shared: false };
    globals.global(place, &ConstExpr::i32_const(FIRST));
    let mut exports = ExportSection::new();
    exports.export("memory", ExportKind::Memory, 0);
    for (name, index) in ["malloc", "free", "audit"].into_iter().zip(0..) {
        exports.export(name, ExportKind::Func, index);
    }
    let [mut malloc, mut free, mut nothing, mut same] = [(); 4].map(|()| Function::new([]));
    malloc.instructions().global_get(0).i32_const(APART).i32_xor().global_set(0).global_get(0).end();
    free.instructions().end();
    nothing.instructions().end();
    same.instructions().local_get(0).end();
    let mut audit = Function::new([(2, ValType::I32), (1, ValType::I64), (1, ValType::I32)]);
    let mut sink = audit.instructions();
    write(&mut sink);
    sink.end();
    let mut code = CodeSection::new();
    for function in [&malloc, &free, &audit, &nothing, &same] {
        code.function(function);
    }
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&memories).section(&globals).section(&exports);
    module.section(&code);
    module.finish()
}
