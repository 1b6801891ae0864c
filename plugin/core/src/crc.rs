//! CRC-32 as defined by IEEE 802.3. It detects torn writes, and the tokens of some
//! vendors end with it.

/// The number of bytes that one step takes, each with a table of its own.
const SLICE: usize = 4;
const TABLES: [[u32; 256]; SLICE] = tables();

/// Returns the checksum of `bytes`. It is computed for every record: an interpreter needs
/// half as many steps if it takes four bytes at once.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    let [first, second, third, fourth] = &TABLES;
    let at = |table: &[u32; 256], byte: u32| table[(byte & 0xff) as usize];
    let (slices, rest) = bytes.as_chunks::<SLICE>();
    let crc = slices.iter().fold(!0, |crc, slice| {
        let crc = crc ^ u32::from_le_bytes(*slice);
        at(fourth, crc) ^ at(third, crc >> 8) ^ at(second, crc >> 16) ^ at(first, crc >> 24)
    });
    !rest.iter().fold(crc, |crc, &byte| at(first, crc ^ u32::from(byte)) ^ crc >> 8)
}

/// `TABLES[n][b]`: the CRC of byte `b` followed by `n` zero bytes.
const fn tables() -> [[u32; 256]; SLICE] {
    const POLYNOMIAL: u32 = 0xedb8_8320;
    let mut tables = [[0; 256]; SLICE];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut table = 0;
        while table < SLICE {
            let mut bit = 0;
            while bit < 8 {
                crc = if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 };
                bit += 1;
            }
            tables[table][byte] = crc;
            table += 1;
        }
        byte += 1;
    }
    tables
}
