//! The entry point: all unsafe code of this program.

/// Runs the program: Fluent Bit's `exec_wasi` calls this.
#[unsafe(no_mangle)]
extern "C" fn _start() {
    crate::print_checkpoints();
}
