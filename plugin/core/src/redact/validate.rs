//! The checks that a pattern cannot express: check digits, checksums, ranges, randomness.
//!
//! A pattern finds what may be a card number; the check digit decides. A validator sees
//! only the matched text, returns the part of it to redact, and never takes longer than a
//! walk over it.

mod base64;
mod card;
mod email;
mod entropy;
mod iban;
mod ip;
mod phone;
mod secret;
mod token;

pub(super) use entropy::bits;
pub(super) use secret::{
    NO_PASSWORD, is_exempt, is_hidden, is_placeholder, is_prose, is_random_value, is_short_password,
};

use crate::policy::Validator;
use core::ops::Range;

impl Validator {
    /// Returns the part of `text`, which a pattern has matched, that has to be redacted.
    /// Returns `None` if the text is not what it looks like.
    pub fn validate(self, text: &[u8]) -> Option<Range<usize>> {
        let whole = |is_valid: bool| is_valid.then_some(0..text.len());
        match self {
            Validator::Any => whole(true),
            Validator::Email => email::address(text),
            Validator::Card => whole(card::is_card(text)),
            Validator::Iban => whole(iban::is_iban(text)),
            Validator::Ssn => whole(is_ssn(text)),
            Validator::Phone => whole(phone::is_phone(text)),
            Validator::PhoneLabelled => phone::labelled(text),
            Validator::Ipv4 => ip::ipv4(text),
            Validator::Ipv6 => whole(ip::is_ipv6(text)),
            Validator::Mac => whole(ip::is_mac(text)),
            Validator::Checksum => whole(token::has_checksum(text)),
            Validator::RandomToken => whole(token::is_random_token(text)),
            Validator::ShapedToken => whole(entropy::is_spread_as_hexadecimal(text)),
            Validator::SessionToken => whole(token::is_session_token(text)),
            Validator::Jwt => whole(token::is_jwt(text)),
            Validator::SecretAccessKey => token::secret_access_key(text),
            Validator::UrlPassword => secret::url_password(text),
            Validator::Credentials => secret::credentials(text),
            Validator::UserPassword => secret::user_password(text),
            // These detectors read the text themselves.
            Validator::Password
            | Validator::RandomValue
            | Validator::Authorization
            | Validator::Quoted
            | Validator::Option
            | Validator::Cookie
            // Further conditions are in the rule itself.
            | Validator::Leak => None,
        }
    }
}

/// Checks whether a social security number can have been issued: no area 000, 666 or from
/// 900 on, no group 00, no serial number 0000 (SSA, POMS RM 10201.030 and .035).
fn is_ssn(text: &[u8]) -> bool {
    let [a, b, c, first, d, e, second, serial @ ..] = text else { return false };
    let area = [*a, *b, *c];
    let is_digits = [a, b, c, d, e].into_iter().chain(serial).all(u8::is_ascii_digit);
    first == second
        && matches!(first, b'-' | b' ')
        && is_digits
        && serial.len() == 4
        && area != *b"000"
        && area != *b"666"
        && *a != b'9'
        && (*d, *e) != (b'0', b'0')
        && serial != b"0000"
}
