//! The boundary: Fluent Bit's proxy interface for outputs, in C.
//!
//! It is the one that Go plugins use, and the same from Fluent Bit 2.0 to 5.1.
//! Nothing unwinds into Fluent Bit. A flush runs on a coroutine's stack of 24 to
//! 64 KiB and holds up the engine, so it copies the chunk, hands it to the output's own
//! thread, waits for a short time, and prints what there is to log.

use crate::misspelt;
use crate::properties::Properties;
use anyhow::bail;
use flb_audit_host::component::{Answer, Level};
use flb_audit_host::log::{self, Line};
use flb_audit_host::output::{self, Output};
use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

const FLB_PROXY_OUTPUT_PLUGIN: c_int = 2;
const FLB_PROXY_GOLANG: c_int = 11;
const FLB_ERROR: c_int = 0;
const FLB_OK: c_int = 1;
const FLB_RETRY: c_int = 2;

/// The start of `struct flb_plugin_proxy_def`, which ends here in older hosts.
#[repr(C)]
pub(crate) struct Definition {
    kind: c_int,
    proxy: c_int,
    flags: c_int,
    name: *const c_char,
    description: *const c_char,
}

/// The start of `struct flbgo_output_plugin`.
#[repr(C)]
pub(crate) struct Plugin {
    name: *const c_char,
    api: *const Api,
    instance: *mut c_void,
    context: *mut Context,
}

/// The start of `struct flb_plugin_proxy_context`.
#[repr(C)]
struct Context {
    remote_context: *mut c_void,
}

/// The start of `struct flb_api`.
#[repr(C)]
struct Api {
    output_get_property: unsafe extern "C" fn(*const c_char, *mut c_void) -> *const c_char,
    input_get_property: *const c_void,
    output_get_cmt_instance: *const c_void,
    input_get_cmt_instance: *const c_void,
    log_print: unsafe extern "C" fn(c_int, *const c_char, c_int, *const c_char, ...),
    input_log_check: *const c_void,
    output_log_check: unsafe extern "C" fn(*mut c_void, c_int) -> c_int,
}

/// One `[OUTPUT]` of the configuration, as Fluent Bit knows it.
#[derive(Clone, Copy)]
struct Host {
    api: *const Api,
    instance: *mut c_void,
}

/// What Fluent Bit hands back to each flush.
struct Running {
    host: Host,
    /// What stands before each line of the log.
    prefix: String,
    output: Output,
}

/// Says what this object is: an output named `wasm`.
///
/// # Safety
///
/// `definition` is one that Fluent Bit allocated.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn FLBPluginRegister(definition: *mut Definition) -> c_int {
    // SAFETY: the caller's.
    let definition = unsafe { &mut *definition };
    definition.kind = FLB_PROXY_OUTPUT_PLUGIN;
    definition.proxy = FLB_PROXY_GOLANG;
    definition.flags = 0;
    definition.name = c"wasm".as_ptr();
    definition.description = c"WebAssembly components as outputs".as_ptr();
    0
}

/// Starts an output, for one `[OUTPUT]`. 1 if it runs; else Fluent Bit does not
/// start.
///
/// # Safety
///
/// `plugin` is one that Fluent Bit filled in.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn FLBPluginInit(plugin: *mut Plugin) -> c_int {
    // SAFETY: the caller's.
    let plugin = unsafe { &*plugin };
    let host = Host { api: plugin.api, instance: plugin.instance };
    let prefix = format!("[output:wasm:{}] ", host.name());
    let mut lines = Vec::new();
    let started = catch_unwind(AssertUnwindSafe(|| start(host, &mut lines)));
    if let Ok(Err(error)) = &started {
        log::push(&mut lines, Level::Error, &format!("{error:#}"));
    }
    host.log(&prefix, &lines);
    let Ok(Ok(output)) = started else {
        return FLB_ERROR;
    };
    let running = Box::into_raw(Box::new(Running { host, prefix, output }));
    // SAFETY: the context is this instance's, and its slot is for this.
    unsafe { (*plugin.context).remote_context = running.cast() };
    FLB_OK
}

/// Delivers a chunk.
///
/// # Safety
///
/// `context` is what [`FLBPluginInit`] has left; `data` has `size` bytes, and
/// `tag` ends with a NUL.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn FLBPluginFlushCtx(
    context: *mut c_void,
    data: *const c_void,
    size: usize,
    tag: *const c_char,
) -> c_int {
    // SAFETY: the caller's. Several threads may be here; `Running` is shared.
    let running = unsafe { &*context.cast::<Running>() };
    // SAFETY: the caller's.
    let tag = unsafe { CStr::from_ptr(tag) };
    let chunk = if size == 0 {
        &[]
    } else {
        // SAFETY: the caller's.
        unsafe { std::slice::from_raw_parts(data.cast::<u8>(), size) }
    };
    let flushed = catch_unwind(AssertUnwindSafe(|| {
        let reply = running.output.offer(tag.to_bytes(), chunk);
        running.host.log(&running.prefix, &reply.lines);
        match reply.answer {
            Answer::Ok => FLB_OK,
            Answer::Retry(_) => FLB_RETRY,
            Answer::Refuse(_) => FLB_ERROR,
        }
    }));
    flushed.unwrap_or(FLB_RETRY)
}

/// Ends an output.
///
/// # Safety
///
/// `context` is what [`FLBPluginInit`] has left, and no flush is under way.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn FLBPluginExitCtx(context: *mut c_void) -> c_int {
    if context.is_null() {
        return FLB_OK;
    }
    // SAFETY: it was made by `Box::into_raw`, and is not used after this.
    let Running { host, prefix, output } = *unsafe { Box::from_raw(context.cast::<Running>()) };
    let ended = catch_unwind(AssertUnwindSafe(|| host.log(&prefix, &output.drain())));
    if ended.is_ok() { FLB_OK } else { FLB_ERROR }
}

fn start(host: Host, lines: &mut Vec<Line>) -> anyhow::Result<Output> {
    // Every name that is asked for.
    let names = RefCell::new(Vec::new());
    let get = |name: &str| {
        names.borrow_mut().push(name.to_owned());
        host.property(name)
    };
    let Properties { component, limits, failures_max } = Properties::read(get)?;
    let setting = |name: &str| get(&format!("config.{name}"));
    let output = output::start(&component, limits, failures_max, setting, lines)?;
    if let Some((wrong, name)) = misspelt::find(&names.borrow(), |name| host.property(name).is_some()) {
        lines.append(&mut output.drain());
        bail!("property {wrong}: there is none of that name; there is {name}");
    }
    Ok(output)
}

/// Fluent Bit's function of this name: the alias of an output, or what it is called
/// without one.
type OutputName = unsafe extern "C" fn(*mut c_void) -> *const c_char;

unsafe extern "C" {
    /// A function of the C library.
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
}

/// `RTLD_DEFAULT`: all objects of the process.
#[cfg(target_os = "macos")]
const EVERYWHERE: *mut c_void = -2_isize as *mut c_void;
#[cfg(not(target_os = "macos"))]
const EVERYWHERE: *mut c_void = std::ptr::null_mut();

impl Host {
    /// The output's name, as in what Fluent Bit itself logs and counts.
    fn name(&self) -> String {
        // SAFETY: the name ends with a NUL.
        let function = unsafe { dlsym(EVERYWHERE, c"flb_output_name".as_ptr()) };
        if function.is_null() {
            return "wasm".to_owned();
        }
        // SAFETY: the function has had this type in all versions of Fluent Bit.
        let function = unsafe { std::mem::transmute::<*mut c_void, OutputName>(function) };
        // SAFETY: the instance is Fluent Bit's own.
        let name = unsafe { function(self.instance) };
        if name.is_null() {
            return "wasm".to_owned();
        }
        // SAFETY: it is a C string that lives as long as the instance.
        unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned()
    }

    fn property(&self, name: &str) -> Option<String> {
        let name = CString::new(name).ok()?;
        // SAFETY: Fluent Bit's own function and instance; the name ends with a
        // NUL.
        let value = unsafe { ((*self.api).output_get_property)(name.as_ptr(), self.instance) };
        if value.is_null() {
            return None;
        }
        // SAFETY: it is a C string that lives as long as the instance.
        Some(unsafe { CStr::from_ptr(value) }.to_string_lossy().into_owned())
    }

    fn log(&self, prefix: &str, lines: &[Line]) {
        for (level, line) in lines {
            let level = match level {
                Level::Error => 1,
                Level::Warn => 2,
                Level::Info => 3,
                Level::Debug => 4,
            };
            let line = CString::new(format!("{prefix}{line}").replace('\0', " ")).unwrap_or_default();
            // SAFETY: Fluent Bit's own functions and instance; the text is a C
            // string, printed as one.
            unsafe {
                if ((*self.api).output_log_check)(self.instance, level) != 0 {
                    ((*self.api).log_print)(level, std::ptr::null(), 0, c"%s".as_ptr(), line.as_ptr());
                }
            }
        }
    }
}
