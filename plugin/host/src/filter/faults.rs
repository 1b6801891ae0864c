//! Files whose operations meet faults that tests inject: a full disk, operations that fail,
//! and a process that is killed before or within an operation.
//!
//! These are the functions of WASI that filters call on files. Nothing is synced: a process
//! that is killed loses nothing that it has written.

use super::{WASI, World, memory};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wasmtime::{AsContextMut, Caller, Linker, Memory, Result, bail, format_err};

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The process is killed before the operation: the call traps.
    Kill,
    /// The process is killed when half of a write is done.
    KillInWrite,
    /// The disk is full: half of a write is done, and no file can be created.
    Full,
    /// Nothing can be synced.
    Unsynced,
    /// Nothing can be written.
    Unwritten,
    /// The bytes are written, and the operation is reported as failed.
    Unsure,
    /// Every operation fails.
    Broken,
}

/// The faults of one machine. The guests that share them count their operations together.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Mutex<Plan>>);

#[derive(Debug, Default)]
struct Plan {
    /// The number of operations before the fault.
    operations: u64,
    fault: Option<Fault>,
}

impl Faults {
    /// Lets so many operations succeed, and injects a fault into all later ones.
    pub fn inject(&self, operations: u64, fault: Fault) {
        *lock(&self.0) = Plan { operations, fault: Some(fault) };
    }

    /// Ends the fault.
    pub fn end(&self) {
        *lock(&self.0) = Plan::default();
    }

    /// Counts an operation. Returns the fault that it meets.
    fn next(&self) -> Option<Fault> {
        let mut plan = lock(&self.0);
        match plan.operations.checked_sub(1) {
            Some(left) => plan.operations = left,
            None => return plan.fault,
        }
        None
    }

    /// Puts the files of a directory into a linker, in place of WASI's.
    pub(super) fn define(&self, linker: &mut Linker<World>, directory: PathBuf) -> Result<()> {
        let files = Arc::new(Files { directory, open: Mutex::default(), faults: self.clone() });
        type Guest<'a> = Caller<'a, World>;
        let of = files.clone();
        linker.func_wrap(
            WASI,
            "path_open",
            move |mut guest: Guest<'_>,
                  _fd: i32,
                  _: i32,
                  name: i32,
                  len: i32,
                  flags: i32,
                  rights: i64,
                  _: i64,
                  _: i32,
                  fd: i32| { of.open(&mut guest, (name, len), flags, rights, fd) },
        )?;
        let of = files.clone();
        linker.func_wrap(
            WASI,
            "fd_pread",
            move |mut guest: Guest<'_>, fd: i32, parts: i32, _: i32, offset: i64, read: i32| {
                of.read(&mut guest, fd, parts, offset, read)
            },
        )?;
        let of = files.clone();
        linker.func_wrap(
            WASI,
            "fd_pwrite",
            move |mut guest: Guest<'_>, fd: i32, parts: i32, _: i32, offset: i64, written: i32| {
                of.write(&mut guest, fd, parts, offset, written)
            },
        )?;
        let of = files.clone();
        linker.func_wrap(WASI, "fd_datasync", move |_: i32| of.operate(Kind::Sync, |_| Ok(())))?;
        let of = files.clone();
        linker.func_wrap(
            WASI,
            "path_unlink_file",
            move |mut guest: Guest<'_>, _: i32, name: i32, len: i32| {
                let path = of.path(&mut guest, (name, len))?;
                of.operate(Kind::Other, |_| Ok(fs::remove_file(path)?))
            },
        )?;
        linker.func_wrap(WASI, "fd_close", move |fd: i32| {
            lock(&files.open).get_mut(fd as usize).map(Option::take);
            0
        })?;
        Ok(())
    }
}

/// The kind of an operation.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Create,
    Write,
    Sync,
    Other,
}

struct Files {
    directory: PathBuf,
    /// The open files, by descriptor.
    open: Mutex<Vec<Option<File>>>,
    faults: Faults,
}

impl Files {
    /// Does an operation, or what the fault leaves of it: `run` is told whether it is to do
    /// only half. Returns WASI's error number.
    fn operate(&self, kind: Kind, run: impl FnOnce(bool) -> Result<()>) -> Result<i32> {
        const IO: i32 = 29;
        const NO_SPACE: i32 = 51;
        match self.faults.next() {
            Some(Fault::Kill) => bail!("killed"),
            Some(Fault::KillInWrite) => {
                if kind == Kind::Write {
                    run(true)?;
                }
                bail!("killed")
            }
            Some(Fault::Full) if kind == Kind::Create => Ok(NO_SPACE),
            Some(Fault::Full) if kind == Kind::Write => run(true).map(|()| NO_SPACE),
            Some(Fault::Unsynced) if kind == Kind::Sync => Ok(IO),
            Some(Fault::Unwritten) if kind != Kind::Other => Ok(IO),
            Some(Fault::Broken) => Ok(IO),
            fault => match run(false) {
                Ok(()) if fault == Some(Fault::Unsure) && kind != Kind::Other => Ok(IO),
                Ok(()) => Ok(0),
                Err(error) => errno(error),
            },
        }
    }

    fn path(&self, guest: &mut Caller<'_, World>, (name, len): (i32, i32)) -> Result<PathBuf> {
        let memory = memory(guest)?;
        let name = memory.data(&*guest).get(name as usize..).and_then(|name| name.get(..len as usize));
        let name = str::from_utf8(name.ok_or_else(|| format_err!("a name outside of the memory"))?)?;
        Ok(self.directory.join(name))
    }

    fn open(
        &self,
        guest: &mut Caller<'_, World>,
        name: (i32, i32),
        flags: i32,
        rights: i64,
        fd: i32,
    ) -> Result<i32> {
        const CREATE: i32 = 1;
        const MAY_WRITE: i64 = 1 << 6;
        let (path, memory) = (self.path(guest, name)?, memory(guest)?);
        let creates = flags & CREATE != 0;
        self.operate(if creates { Kind::Create } else { Kind::Other }, |_| {
            let mut options = OpenOptions::new();
            options.read(true).write(rights & MAY_WRITE != 0).create_new(creates);
            let file = options.open(path)?;
            let mut open = lock(&self.open);
            open.push(Some(file));
            write_number(memory, guest, fd, open.len() - 1)
        })
    }

    /// Passes the file, its offset, and the part of the memory that an operation is about.
    fn with<T>(
        &self,
        guest: &mut Caller<'_, World>,
        fd: i32,
        parts: i32,
        offset: i64,
        run: impl FnOnce(&mut File, &mut [u8]) -> io::Result<T>,
    ) -> Result<T> {
        let memory = memory(guest)?;
        let data = memory.data_mut(guest);
        let number = |at: i32| {
            let bytes = data.get(at as usize..).and_then(|bytes| bytes.first_chunk());
            bytes.map(|bytes| u32::from_le_bytes(*bytes) as usize)
        };
        let place = number(parts).zip(number(parts + 4));
        let bytes = place.and_then(|(at, len)| data.get_mut(at..at.checked_add(len)?));
        let bytes = bytes.ok_or_else(|| format_err!("bytes outside of the memory"))?;
        let mut open = lock(&self.open);
        let file = open.get_mut(fd as usize).and_then(Option::as_mut);
        let file = file.ok_or_else(|| format_err!("{fd}: not open"))?;
        file.seek(SeekFrom::Start(offset as u64))?;
        Ok(run(file, bytes)?)
    }

    fn read(
        &self,
        guest: &mut Caller<'_, World>,
        fd: i32,
        parts: i32,
        offset: i64,
        read: i32,
    ) -> Result<i32> {
        let memory = memory(guest)?;
        self.operate(Kind::Other, |_| {
            let len = self.with(guest, fd, parts, offset, |file, bytes| file.read(bytes))?;
            write_number(memory, guest, read, len)
        })
    }

    fn write(
        &self,
        guest: &mut Caller<'_, World>,
        fd: i32,
        parts: i32,
        offset: i64,
        written: i32,
    ) -> Result<i32> {
        let memory = memory(guest)?;
        self.operate(Kind::Write, |is_half| {
            let len = self.with(guest, fd, parts, offset, |file, bytes| {
                let len = if is_half { bytes.len() / 2 } else { bytes.len() };
                file.write_all(&bytes[..len]).map(|()| len)
            })?;
            write_number(memory, guest, written, len)
        })
    }
}

fn write_number(memory: Memory, guest: impl AsContextMut, at: i32, number: usize) -> Result<()> {
    Ok(memory.write(guest, at as usize, &(number as u32).to_le_bytes())?)
}

/// Returns WASI's number of an error of the file system, or any other error.
fn errno(error: wasmtime::Error) -> Result<i32> {
    const EXISTS: i32 = 20;
    const NOT_FOUND: i32 = 44;
    match error.downcast_ref::<io::Error>().map(io::Error::kind) {
        Some(ErrorKind::AlreadyExists) => Ok(EXISTS),
        Some(ErrorKind::NotFound) => Ok(NOT_FOUND),
        _ => Err(error),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
