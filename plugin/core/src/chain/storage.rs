//! The files of a chain, as a writer of the chain reaches them.

/// An open file of fixed layout, read and written in place.
pub trait Storage {
    /// The reason for which a file cannot be read or written.
    type Error;

    /// Reads from `offset` on, and returns how many bytes there were.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, Self::Error>;

    /// Writes all of `bytes` at `offset`.
    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), Self::Error>;

    /// Makes what was written last through a loss of power.
    fn sync(&self) -> Result<(), Self::Error>;
}
