//! The files of a chain, from the view of its writer.

/// An open file of fixed layout, read and written in place.
pub trait Storage {
    /// The reason why a file cannot be read or written.
    type Error;

    /// Reads from `offset` on. Returns the number of bytes that were read.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, Self::Error>;

    /// Writes all of `bytes` at `offset`.
    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), Self::Error>;

    /// Makes everything written so far survive a loss of power.
    fn sync(&self) -> Result<(), Self::Error>;
}
