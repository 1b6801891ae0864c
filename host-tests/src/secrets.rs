//! Private keys in a key file, and a search for them in texts.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use flb_audit_core::chain::keyring::{KeyRing, SLOT_BYTES};
use memchr::memmem;

/// Returns all private keys in a key file.
pub fn in_key_file(file: &[u8]) -> Vec<[u8; 32]> {
    const ENTRY_BYTES: usize = 132;
    const ENTRIES_AT: usize = 256;
    const PRIVATE_AT: usize = 100;
    let slots = [0, 1].map(|slot| &file[KeyRing::slot_offset(slot) as usize..][..SLOT_BYTES]);
    let entries = slots.into_iter().flat_map(|slot| slot[ENTRIES_AT..].chunks_exact(ENTRY_BYTES));
    let private = entries.filter_map(|entry| entry[PRIVATE_AT..].first_chunk().copied());
    private.filter(|private| *private != [0; 32]).collect()
}

/// Returns true if a text contains a secret in a likely encoding: raw, hex, base64, or a
/// list of numbers.
pub fn leaks(text: &[u8], secret: &[u8; 32]) -> bool {
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    // Inside a longer text, base64 may be shifted, and the first and last bytes differ.
    // Searches the rest.
    let base64 = [0, 1, 2].map(|skip| &secret[skip..skip + 30]).into_iter();
    let base64 = base64.flat_map(|part| [STANDARD_NO_PAD.encode(part), URL_SAFE_NO_PAD.encode(part)]);
    let numbers = format!("{secret:?}");
    let numbers = numbers.trim_matches(['[', ']']);
    let forms = [hex.to_uppercase(), hex, numbers.to_owned(), numbers.replace(' ', "")];
    memmem::find(text, secret).is_some()
        || forms.into_iter().chain(base64).any(|form| memmem::find(text, form.as_bytes()).is_some())
}
