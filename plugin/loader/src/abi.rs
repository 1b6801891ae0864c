//! The interface to Fluent Bit: its proxy interface for outputs, in C.
//!
//! Go plugins use the same interface, and it is equal from Fluent Bit 2.0 to 5.1. No
//! panic unwinds into Fluent Bit. A flush runs on a coroutine's stack of 24 to 64 KiB and
//! blocks the engine. So it copies the chunk, hands it to the output's own thread, waits
//! for a short time, and prints the lines to log.

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

/// The start of `struct flb_plugin_proxy_def`. In older hosts, the struct ends here.
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

/// One `[OUTPUT]` of the configuration, with which Fluent Bit's functions are called.
#[derive(Clone, Copy)]
struct Host {
    api: *const Api,
    instance: *mut c_void,
}

/// The state of an output, which Fluent Bit passes to each flush.
struct Running {
    host: Host,
    /// The text before each line of the log.
    prefix: String,
    output: Output,
}

/// Describes this plugin: an output named `wasm`.
///
/// # Safety
///
/// `definition` must point to a definition that Fluent Bit allocated.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn FLBPluginRegister(definition: *mut Definition) -> c_int {
    // SAFETY: the caller guarantees it.
    let definition = unsafe { &mut *definition };
    definition.kind = FLB_PROXY_OUTPUT_PLUGIN;
    definition.proxy = FLB_PROXY_GOLANG;
    definition.flags = 0;
    definition.name = c"wasm".as_ptr();
    definition.description = c"WebAssembly components as outputs".as_ptr();
    0
}

/// Starts the output of one `[OUTPUT]`. Returns 1 if it runs. Otherwise Fluent Bit does
/// not start.
///
/// # Safety
///
/// `plugin` must point to a plugin that Fluent Bit filled in.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn FLBPluginInit(plugin: *mut Plugin) -> c_int {
    // SAFETY: the caller guarantees it.
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
    // SAFETY: the context belongs to this instance, and has this slot for the plugin's
    // state.
    unsafe { (*plugin.context).remote_context = running.cast() };
    FLB_OK
}

/// Delivers a chunk.
///
/// # Safety
///
/// `context` must be the one that [`FLBPluginInit`] stored. `data` must have `size`
/// bytes, and `tag` must end with a NUL.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn FLBPluginFlushCtx(
    context: *mut c_void,
    data: *const c_void,
    size: usize,
    tag: *const c_char,
) -> c_int {
    // SAFETY: the caller guarantees it. Several threads may be here, and they share
    // `Running`.
    let running = unsafe { &*context.cast::<Running>() };
    // SAFETY: the caller guarantees it.
    let tag = unsafe { CStr::from_ptr(tag) };
    let chunk = if size == 0 {
        &[]
    } else {
        // SAFETY: the caller guarantees it.
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
/// `context` must be the one that [`FLBPluginInit`] stored, and no flush may be running.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn FLBPluginExitCtx(context: *mut c_void) -> c_int {
    if context.is_null() {
        return FLB_OK;
    }
    // SAFETY: `Box::into_raw` made it, and nothing uses it after this.
    let Running { host, prefix, output } = *unsafe { Box::from_raw(context.cast::<Running>()) };
    let ended = catch_unwind(AssertUnwindSafe(|| host.log(&prefix, &output.drain())));
    if ended.is_ok() { FLB_OK } else { FLB_ERROR }
}

fn start(host: Host, lines: &mut Vec<Line>) -> anyhow::Result<Output> {
    // The names of all properties that are read.
    let names = RefCell::new(Vec::new());
    let get = |name: &str| {
        names.borrow_mut().push(name.to_owned());
        host.property(name)
    };
    let Properties { component, limits, failures_max } = Properties::read(get)?;
    let output = output::start(&component, limits, failures_max, get, lines)?;
    if let Some((wrong, name)) = misspelt::find(&names.borrow(), |name| host.property(name).is_some()) {
        lines.append(&mut output.drain());
        bail!("property {wrong} does not exist: do you mean {name}?");
    }
    Ok(output)
}

/// Fluent Bit's function `flb_output_name`, which returns the alias of an output, or its
/// own name if there is no alias.
type OutputName = unsafe extern "C" fn(*mut c_void) -> *const c_char;

unsafe extern "C" {
    /// Finds a function by its name (C library).
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
}

/// `RTLD_DEFAULT`, which searches all objects of the process.
#[cfg(target_os = "macos")]
const EVERYWHERE: *mut c_void = -2_isize as *mut c_void;
#[cfg(not(target_os = "macos"))]
const EVERYWHERE: *mut c_void = std::ptr::null_mut();

impl Host {
    /// Returns the output's name, which Fluent Bit uses in its own log and counters.
    fn name(&self) -> String {
        // SAFETY: the name ends with a NUL.
        let function = unsafe { dlsym(EVERYWHERE, c"flb_output_name".as_ptr()) };
        if function.is_null() {
            return "wasm".to_owned();
        }
        // SAFETY: the function has had this type in all versions of Fluent Bit.
        let function = unsafe { std::mem::transmute::<*mut c_void, OutputName>(function) };
        // SAFETY: the instance belongs to Fluent Bit.
        let name = unsafe { function(self.instance) };
        if name.is_null() {
            return "wasm".to_owned();
        }
        // SAFETY: the function returns a C string that lives as long as the instance.
        unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned()
    }

    fn property(&self, name: &str) -> Option<String> {
        let name = CString::new(name).ok()?;
        // SAFETY: function and instance belong to Fluent Bit, and the name ends with a
        // NUL.
        let value = unsafe { ((*self.api).output_get_property)(name.as_ptr(), self.instance) };
        if value.is_null() {
            return None;
        }
        // SAFETY: the function returns a C string that lives as long as the instance.
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
            // SAFETY: functions and instance belong to Fluent Bit. The text is a C
            // string, and is printed as one.
            unsafe {
                if ((*self.api).output_log_check)(self.instance, level) != 0 {
                    ((*self.api).log_print)(level, std::ptr::null(), 0, c"%s".as_ptr(), line.as_ptr());
                }
            }
        }
    }
}
