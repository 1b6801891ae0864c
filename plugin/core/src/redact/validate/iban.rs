//! IBANs: the lengths of the SWIFT registry and the check digits of ISO 13616.

/// The lengths of IBANs, and the countries with each length (SWIFT, IBAN Registry,
/// release 101).
const LENGTHS: &[(usize, &str)] = &[
    (15, "NO"),
    (16, "BE"),
    (18, "DK FI FK FO GL NL SD"),
    (19, "MK SI"),
    (20, "AT BA EE KZ LT LU MN XK"),
    (21, "CH HR LI LV"),
    (22, "BG BH CR DE GB GE IE ME RS VA"),
    (23, "AE GI IL IQ OM SO TL"),
    (24, "AD CZ ES MD PK RO SA SE SK TN VG"),
    (25, "LY PT ST"),
    (26, "IS TR"),
    (27, "BI DJ FR GR IT MC MR SM"),
    (28, "AL AZ BY CY DO GT HN HU LB NI PL SV"),
    (29, "BR EG PS QA UA"),
    (30, "JO KW MU YE"),
    (31, "MT SC"),
    (32, "LC"),
    (33, "RU"),
];

/// Checks whether `text` is an IBAN, in its electronic form or in groups of four, in
/// capitals or in small letters.
pub(super) fn is_iban(text: &[u8]) -> bool {
    let Some(country) = text.get(..2) else { return false };
    let is_country = |code: &str| code.as_bytes().eq_ignore_ascii_case(country);
    let has = |(_, countries): &&(usize, &str)| countries.split(' ').any(is_country);
    let Some(&(length, _)) = LENGTHS.iter().find(has) else { return false };
    let is_spaced = text.get(4) == Some(&b' ');
    let expected = if is_spaced { length + (length - 1) / 4 } else { length };
    let is_in_place = |(at, byte): (usize, &u8)| match is_spaced && at % 5 == 4 {
        true => *byte == b' ',
        false => byte.is_ascii_alphanumeric(),
    };
    text.len() == expected && text.iter().enumerate().all(is_in_place) && remainder(text) == 1
}

/// Returns the number that the characters stand for, modulo 97 (ISO 7064 MOD 97-10). The
/// first four characters are moved to the end, and letters count from 10 on.
fn remainder(text: &[u8]) -> u32 {
    let (head, tail) = text.split_at_checked(4).unwrap_or_default();
    tail.iter().chain(head).fold(0, |remainder, byte| match byte.to_ascii_uppercase() {
        digit @ b'0'..=b'9' => (remainder * 10 + u32::from(digit - b'0')) % 97,
        letter @ b'A'..=b'Z' => (remainder * 100 + u32::from(letter - b'A') + 10) % 97,
        _ => remainder,
    })
}
