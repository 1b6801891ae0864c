//! Payment cards: lengths, issuers and the check digit of ISO/IEC 7812.

/// The maximum length of a primary account number, in digits (ISO/IEC 7812-1).
const CARD_DIGITS_MAX: usize = 19;

/// Issuer identification numbers: the first and the last number of a range, as six
/// digits, and the lengths issued in it (bit n stands for n digits). They are taken from
/// the networks' published ranges: Visa, Mastercard, American Express, Discover and
/// Diners Club, JCB, UnionPay, Maestro, Mir.
const ISSUERS: &[(u32, u32, u32)] = &[
    (400_000, 499_999, 1 << 13 | 1 << 16 | 1 << 19),
    (222_100, 272_099, 1 << 16),
    (510_000, 559_999, 1 << 16),
    (340_000, 349_999, 1 << 15),
    (370_000, 379_999, 1 << 15),
    (601_100, 601_199, FROM_16),
    (644_000, 659_999, FROM_16),
    (300_000, 305_999, 1 << 14 | FROM_16),
    (309_500, 309_599, 1 << 14 | FROM_16),
    (360_000, 369_999, 1 << 14 | FROM_16),
    (380_000, 399_999, 1 << 14 | FROM_16),
    // JCB issues from 3528 to 3589. The rest of 35 is included: made-up numbers start
    // with it, and masking one number too many costs less than missing one. The next two
    // ranges are JCB's old ones, with 15 digits.
    (350_000, 359_999, FROM_16),
    (213_100, 213_199, 1 << 15),
    (180_000, 180_099, 1 << 15),
    (620_000, 629_999, FROM_16),
    (810_000, 817_199, FROM_16),
    (220_000, 220_499, FROM_16),
    // Maestro. Its cards of 12 digits can be told from AWS account ids, which also have
    // 12 digits, only by the longer prefixes: one id in 10,000 passes.
    (500_000, 509_999, FROM_13),
    (560_000, 589_999, FROM_13),
    (630_000, 639_999, FROM_13),
    (670_000, 679_999, FROM_13),
    (501_800, 501_899, 1 << 12),
    (502_000, 502_099, 1 << 12),
    (503_800, 503_899, 1 << 12),
    (589_300, 589_399, 1 << 12),
    (630_400, 630_499, 1 << 12),
    (639_000, 639_099, 1 << 12),
    (675_900, 675_999, 1 << 12),
    (676_100, 676_399, 1 << 12),
    // This range is in no list of the network, but in lists that generate test data.
    (60_400, 60_499, 1 << 12),
];

const FROM_13: u32 = 1 << 13 | 1 << 14 | 1 << 15 | FROM_16;
const FROM_16: u32 = 1 << 16 | 1 << 17 | 1 << 18 | 1 << 19;

/// The groups in which cards are written. Each decimal digit is the length of a group.
const GROUPS: &[u32] = &[444, 4441, 4442, 4443, 4444, 44441, 44442, 44443, 465, 464, 4333];

/// Checks whether `text` is a card number, plain or in groups.
pub(super) fn is_card(text: &[u8]) -> bool {
    let mut digits = [0; CARD_DIGITS_MAX];
    let (mut count, mut groups, mut group) = (0, 0u32, 0);
    let mut separator = None;
    for &byte in text {
        match byte {
            b'0'..=b'9' => {
                let Some(digit) = digits.get_mut(count) else { return false };
                *digit = byte - b'0';
                count += 1;
                group += 1;
            }
            b' ' | b'-' if separator.is_none_or(|separator| separator == byte) && group < 10 => {
                separator = Some(byte);
                groups = groups.saturating_mul(10).saturating_add(group);
                group = 0;
            }
            _ => return false,
        }
    }
    let is_grouped =
        separator.is_none() || GROUPS.contains(&(groups.saturating_mul(10).saturating_add(group)));
    let Some(digits) = digits.get(..count) else { return false };
    let prefix = digits.iter().take(6).fold(0, |prefix, &digit| prefix * 10 + u32::from(digit));
    let is_issued =
        |&(from, to, lengths): &(u32, u32, u32)| (from..=to).contains(&prefix) && lengths & 1 << count != 0;
    is_grouped && ISSUERS.iter().any(is_issued) && has_check_digit(digits)
}

/// Checks the check digit by the formula of ISO/IEC 7812-1 annex B, also known as Luhn's.
fn has_check_digit(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(index, &digit)| match digit {
            _ if index % 2 == 0 => u32::from(digit),
            0..=4 => u32::from(digit) * 2,
            _ => u32::from(digit) * 2 - 9,
        })
        .sum();
    sum.is_multiple_of(10)
}
