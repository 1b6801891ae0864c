//! Validators and boundaries on bytes of any kind.

use flb_audit_core::policy::Boundary;
use flb_audit_core::policy::Validator;
use flb_audit_core::recognize::Dictionary;
use proptest::prelude::*;

fn validators() -> impl Iterator<Item = Validator> {
    (0..=u8::MAX).map_while(Validator::from_id)
}

fn boundaries() -> impl Iterator<Item = Boundary> {
    (0..=u8::MAX).map_while(Boundary::from_id)
}

#[test]
fn ids_are_what_tables_hold() {
    assert!(validators().enumerate().all(|(id, validator)| validator as usize == id));
    assert!(boundaries().enumerate().all(|(id, boundary)| boundary as usize == id));
    assert_eq!((validators().count(), boundaries().count()), (26, 7));
}

#[test]
fn a_dictionary_with_more_bits_than_a_slot_has_is_none() {
    let read = |bits: u16| Dictionary::read(&[&[0, 0][..], &bits.to_le_bytes()].concat()).is_some();
    let known: Vec<u16> = (0..=u16::MAX).filter(|bits| read(*bits)).collect();
    assert_eq!(known, (1..=15).collect::<Vec<u16>>());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn nothing_panics_and_parts_lie_inside(
        text in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..80),
            "[0-9()+ ./x:-]{0,40}".prop_map(String::into_bytes),
            "[A-Za-z0-9@%.:/=_\"' \\\\-]{0,60}".prop_map(String::into_bytes),
        ],
        at in 0..80usize,
    ) {
        for validator in validators() {
            if let Some(part) = validator.validate(&text) {
                prop_assert!(part.start <= part.end && part.end <= text.len(), "{:?} {:?}", validator, part);
            }
        }
        let (head, tail) = text.split_at(at.min(text.len()));
        for boundary in boundaries() {
            let _ = (boundary.holds_behind(head), boundary.holds_ahead(tail));
        }
    }
}
