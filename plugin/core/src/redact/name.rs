//! The one classifier of names: keys of JSON, names in assignments, headers, XML
//! elements, options of commands.
//!
//! A name is split into words, in any style of writing: `DB_PASSWORD1`, `dbPassword`,
//! `user[password]`, `password-confirmation`. Words at its end that only say which one it
//! is, or in what form, are removed. The words that then stand at the end decide.

mod lists;

use lists::{
    ATTRIBUTES, AUTHORIZATIONS_OF, CREDENTIALS, HARMLESS, KEYS_OF, PASSES_OF, PASSWORDS, RANDOM_KEYS_OF,
    SECRETS_OF, TOKENS_OF,
};

/// The statement of a name about its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// The name says nothing about the value.
    Plain,
    /// The value is a password: any value.
    Password,
    /// The value is a credential: any value, except words of prose.
    Credential,
    /// As a key of JSON, same as [`Name::Credential`]. In a text, the value is a secret
    /// only if it looks random.
    Token,
    /// The value is a secret if it looks random.
    Random,
    /// `pass`, `pwd`: the value is a password unless it is a number, a path or a plain
    /// word.
    Short,
    /// The name of cookies; the value reaches to the end of the field.
    Cookie,
    /// The name of an `Authorization` field.
    Authorization,
}

/// The number of bytes of a name that are looked at. Only the end of a longer name
/// counts.
pub(super) const NAME_BYTES_MAX: usize = 64;

/// Checks for a byte of a name in a text.
pub(super) fn is_in_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

impl Name {
    /// Classifies a name.
    pub fn of(name: &[u8]) -> Name {
        if !may_tell(name) {
            return Name::Plain;
        }
        let mut words = Words::of(name);
        words.trim();
        words.classify()
    }
}

/// Checks whether a name contains a part of a word that names of secrets are made of.
/// Most names contain none, and need no further look.
///
/// All parts are searched for at once (Baeza-Yates and Gonnet, 1992): a bit stands for a
/// place in a part, and is set if the part fits up to there.
fn may_tell(name: &[u8]) -> bool {
    let mut places = 0;
    name.iter().any(|byte| {
        let letter = if byte.is_ascii_alphabetic() { byte & 31 } else { 0 };
        places = (places << 1 | PARTS.starts) & PARTS.fitting[usize::from(letter)];
        places & PARTS.ends != 0
    })
}

/// The places in the parts of words, a bit each.
struct Parts {
    /// The first places, and the last ones.
    starts: u64,
    ends: u64,
    /// The places that a letter fits, by its lowest five bits, which are the same in capital
    /// and small letters. The first entry is for other bytes.
    fitting: [u64; 32],
}

static PARTS: Parts = {
    /// A question mark stands for any byte.
    const TEXTS: [&[u8]; 21] = [
        b"pas", b"psw", b"psk", b"pw", b"sec", b"tok", b"key", b"coo", b"cre", b"otp", b"ode", b"cv?",
        b"sam", b"sig", b"doc", b"ori", b"wor", b"ras", b"phr", b"mne", b"nha",
    ];
    let mut parts = Parts { starts: 0, ends: 0, fitting: [0; 32] };
    let (mut bit, mut text) = (0, 0);
    while text < TEXTS.len() {
        parts.starts |= 1 << bit;
        let mut at = 0;
        while at < TEXTS[text].len() {
            let mut byte = 0;
            while byte < parts.fitting.len() {
                if TEXTS[text][at] == b'?' || TEXTS[text][at] as usize & 31 == byte {
                    parts.fitting[byte] |= 1 << bit;
                }
                byte += 1;
            }
            (bit, at) = (bit + 1, at + 1);
        }
        parts.ends |= 1 << (bit - 1);
        text += 1;
    }
    parts
};

/// A name in small letters, without the characters that separate its words.
pub(super) struct Words {
    text: [u8; NAME_BYTES_MAX],
    len: usize,
    /// True if a word was removed from the end.
    is_cut: bool,
    /// The starts of words: bit n is set if a word starts at byte n of `text`.
    starts: u64,
}

/// The class of a byte in a name.
#[derive(Clone, Copy, PartialEq)]
enum Class {
    /// The byte separates words.
    Other,
    Small,
    Capital,
    Digit,
}

/// The class of each byte.
static CLASSES: [Class; 256] = {
    let mut classes = [Class::Other; 256];
    let mut byte = 0u8;
    while byte < 128 {
        classes[byte as usize] = match byte {
            b'a'..=b'z' => Class::Small,
            b'A'..=b'Z' => Class::Capital,
            b'0'..=b'9' => Class::Digit,
            _ => Class::Other,
        };
        byte += 1;
    }
    classes
};

impl Words {
    #[inline(never)]
    pub(super) fn of(name: &[u8]) -> Words {
        let name = name.get(name.len().saturating_sub(NAME_BYTES_MAX)..).unwrap_or(name);
        let mut words = Words { text: [0; NAME_BYTES_MAX], len: 0, is_cut: false, starts: 0 };
        let mut before = Class::Other;
        for (at, &byte) in name.iter().enumerate() {
            let class = CLASSES[usize::from(byte)];
            if class != Class::Other {
                let is_start = match (before, class) {
                    (Class::Other, _) => true,
                    (Class::Digit, class) => class != Class::Digit,
                    // `dbPassword`, and the `P` of `DBPassword`.
                    (Class::Capital, Class::Capital) => {
                        name.get(at + 1).is_some_and(|behind| CLASSES[usize::from(*behind)] == Class::Small)
                    }
                    (_, class) => class == Class::Capital,
                };
                if let Some(place) = words.text.get_mut(words.len) {
                    words.starts |= u64::from(is_start) << words.len;
                    *place = if class == Class::Capital { byte | 0x20 } else { byte };
                    words.len += 1;
                }
            }
            before = class;
        }
        words
    }

    pub(super) fn text(&self) -> &[u8] {
        self.text.get(..self.len).unwrap_or_default()
    }

    /// Checks whether a word starts at `at`.
    pub(super) fn starts_at(&self, at: usize) -> bool {
        self.starts & 1 << at != 0
    }

    /// Returns the start of the last word that starts before `end`.
    pub(super) fn last_start(&self, end: usize) -> usize {
        let before = self.starts & 1u64.checked_shl(end as u32).unwrap_or(0).wrapping_sub(1);
        before.checked_ilog2().unwrap_or(0) as usize
    }

    /// Removes words at the end that only say which one it is, or in what form.
    fn trim(&mut self) {
        loop {
            // `oauth2`, `cvv2`, `base64` end with a digit of their own.
            let len = self.text().iter().rposition(|byte| !byte.is_ascii_digit()).map_or(0, |last| last + 1);
            let cut = self.attribute(self.len).or_else(|| self.attribute(len));
            match cut {
                Some(cut) => (self.len, self.is_cut) = (cut, true),
                None => {
                    self.len = if len == 0 { self.len } else { len };
                    return;
                }
            }
        }
    }

    /// Returns the start of the word that ends at `end`, if the word is an attribute and
    /// not the whole name.
    fn attribute(&self, end: usize) -> Option<usize> {
        let before = self.starts & 1u64.checked_shl(end as u32).unwrap_or(0).wrapping_sub(1);
        let start = before.checked_ilog2().filter(|start| *start > 0)? as usize;
        let word = self.text.get(start..end)?;
        ATTRIBUTES
            .iter()
            .any(|attribute| attribute.len() == word.len() && *attribute == word)
            .then_some(start)
    }

    /// Returns the text before `word`, if the name ends with `word`.
    fn before(&self, word: &[u8]) -> Option<&[u8]> {
        self.text().strip_suffix(word)
    }

    /// Checks whether a word starts with `from`: the name then says where something came
    /// from.
    fn is_from(&self) -> bool {
        let words = self.text().windows(4).enumerate();
        words.into_iter().any(|(at, word)| word == b"from" && self.starts_at(at))
    }

    fn ends_with_any(&self, words: &[&[u8]]) -> bool {
        let last = self.text().last();
        words.iter().any(|word| word.last() == last && self.text().ends_with(word))
    }

    /// Checks whether `head` ends with one of these words. The word has to start where a
    /// word of the name starts, or be all of `head`.
    fn is_of(&self, head: &[u8], words: &[&[u8]]) -> bool {
        words.iter().any(|word| {
            head.strip_suffix(*word).is_some_and(|rest| rest.is_empty() || self.starts_at(rest.len()))
        })
    }

    /// Same as [`Words::is_of`], but the word may start anywhere: for names written as
    /// one word.
    fn is_of_any(&self, head: &[u8], words: &[&[u8]]) -> bool {
        words.iter().any(|word| head.ends_with(word))
    }

    fn classify(&self) -> Name {
        if self.ends_with_any(PASSWORDS) {
            // 1Password is a product.
            let is_product = matches!(self.text(), b"1password" | b"onepassword");
            return if is_product { Name::Plain } else { Name::Password };
        }
        if self.text() == b"tokens" {
            return Name::Random;
        }
        if let Some(head) = self.before(b"token") {
            return match head {
                b"" => Name::Token,
                _ if self.is_of_any(head, HARMLESS) || self.is_from() => Name::Plain,
                // This is an object that says how long it is valid.
                _ if head.ends_with(b"serviceaccount") => Name::Random,
                _ if self.is_of(head, TOKENS_OF) || self.is_of_any(head, &TOKENS_OF[1..]) => Name::Credential,
                _ => Name::Random,
            };
        }
        if let Some(head) = self.before(b"secret") {
            return match head {
                // `SecretString`, `secret_binary`: the contents of AWS Secrets Manager.
                b"" if self.is_cut => Name::Credential,
                b"" => Name::Token,
                _ if self.is_of(head, SECRETS_OF) || self.is_of_any(head, &SECRETS_OF[..9]) => {
                    Name::Credential
                }
                _ => Name::Random,
            };
        }
        if let Some(head) = self.before(b"key").filter(|head| !head.is_empty()) {
            return match head {
                _ if self.is_of_any(head, &[b"public", b"pub"]) => Name::Plain,
                _ if self.is_of_any(head, KEYS_OF) => Name::Credential,
                b"tls" => Name::Credential,
                b"client" if self.is_cut => Name::Credential,
                _ if self.is_of(head, RANDOM_KEYS_OF) => Name::Random,
                _ => Name::Plain,
            };
        }
        self.classify_short()
    }

    #[inline(never)]
    fn classify_short(&self) -> Name {
        let is_word =
            |word: &[u8]| self.before(word).is_some_and(|head| head.is_empty() || self.starts_at(head.len()));
        if let Some(head) = self.before(b"pwd") {
            return if head.is_empty() || matches!(head, b"old") { Name::Short } else { Name::Password };
        }
        if let Some(head) = self.before(b"pass") {
            let is_password = is_word(b"pass") || self.is_of(head, PASSES_OF);
            return if is_password { Name::Short } else { Name::Plain };
        }
        if self.before(b"pw").is_some_and(|head| self.is_of(head, PASSES_OF)) {
            return Name::Short;
        }
        if is_word(b"pw") || is_word(b"psw") || is_word(b"pasw") || is_word(b"passw") {
            return Name::Short;
        }
        if let Some(head) = self.before(b"authorization") {
            let is_field = head.is_empty() || self.is_of(head, AUTHORIZATIONS_OF);
            return if is_field { Name::Authorization } else { Name::Plain };
        }
        if is_word(b"cookie") || is_word(b"cookies") || is_word(b"setcookie") {
            return Name::Cookie;
        }
        if is_word(b"credential") || is_word(b"credentials") {
            return Name::Random;
        }
        // Comparing the last byte first is cheaper: most words differ in it.
        let last = self.text().last();
        if CREDENTIALS.iter().any(|word| word.last() == last && is_word(word)) {
            return Name::Credential;
        }
        Name::Plain
    }
}
