//! Data that identifies a person, or with which a person pays.

use super::{Detector, triggers};
use flb_audit_core::policy::Boundary;
use flb_audit_core::policy::Validator;

/// The common parts of the detectors of telephone numbers, which differ only in form.
const PHONE: Detector = Detector {
    name: "phone",
    pack: "pii",
    what: "Telephone numbers in international form",
    trigger: triggers::PLUS,
    lead: r"\+[1-9]",
    pattern: r"\+[1-9][0-9]{0,2}([ .-]?(\(0\)|\([0-9]{1,4}\)|[0-9]+)){1,7}([xX][0-9]{1,5})?",
    shapes: "",
    before: Boundary::Number,
    after: Boundary::Number,
    validator: Validator::Phone,
    class: "phone",
    action: "mask",
    source: "ITU-T E.164 section 6, E.123 section 2",
};

pub(super) const PII: &[Detector] = &[
    Detector {
        name: "email",
        pack: "pii",
        what: "E-mail addresses, internationalised and percent-encoded ones too",
        trigger: triggers::AT,
        lead: r"[A-Za-z0-9_\x80-\xff]([.+'-]?[A-Za-z0-9_\x80-\xff]|%2[Bb]|--)*-?(@|%40)",
        pattern: concat!(
            r"[A-Za-z0-9_\x80-\xff]([.+'-]?[A-Za-z0-9_\x80-\xff]|%2[Bb]|--)*-?(@|%40)",
            r"([A-Za-z0-9\x80-\xff-]+\.)+[A-Za-z0-9\x80-\xff-]+"
        ),
        shapes: "",
        before: Boundary::None,
        after: Boundary::Word,
        validator: Validator::Email,
        class: "email",
        action: "mask",
        source: "RFC 5321 sections 4.1.2 and 4.5.3.1, RFC 6531 section 3.3",
    },
    Detector {
        name: "payment-card",
        pack: "pii",
        what: "Payment card numbers of 12 to 19 digits with issuer and check digit, plain or in groups",
        trigger: "[0-9]{12}|[0-9]{4}[ -]([0-9]{4}|[0-9]{6})[ -][0-9]{3}",
        lead: "(:[0-9a-z-]{0,20}:)?[0-9]{12}|[0-9]{4}[ -]([0-9]{4}|[0-9]{6})[ -][0-9]{3}",
        pattern: r"(:[0-9a-z-]{0,20}:)?[0-9]{12,19}|[0-9]{4}[ -][0-9]{4}[ -][0-9]{4}([ -][0-9]{1,4}){1,2}|[0-9]{4}[ -][0-9]{6}[ -][0-9]{4,5}",
        shapes: "",
        before: Boundary::Number,
        after: Boundary::Number,
        validator: Validator::Card,
        class: "payment-card",
        action: "partial",
        source: "ISO/IEC 7812-1:2017 section 4 and annex B",
    },
    Detector {
        name: "iban",
        pack: "pii",
        what: "IBANs with their country's length and check digits, plain or in groups of four",
        trigger: "[A-Za-z]{2}[0-9]{2}",
        lead: "[A-Za-z]{2}[0-9]{2}",
        pattern: r"[A-Za-z]{2}[0-9]{2}([A-Za-z0-9]{11,29}|( [A-Za-z0-9]{4}){2,7}( [A-Za-z0-9]{1,3})?)",
        shapes: "",
        before: Boundary::Token,
        after: Boundary::Word,
        validator: Validator::Iban,
        class: "iban",
        action: "partial",
        source: "ISO 13616-1:2020 section 5, SWIFT IBAN Registry",
    },
    Detector {
        name: "us-ssn",
        pack: "pii",
        what: "US social security numbers that can have been given, with hyphens or spaces",
        trigger: "[0-9]{3}[ -][0-9]{2}[ -][0-9]{3}",
        lead: "[0-9]{3}[ -][0-9]{2}[ -][0-9]{3}",
        pattern: r"[0-9]{3}[ -][0-9]{2}[ -][0-9]{4}",
        shapes: "",
        before: Boundary::Number,
        after: Boundary::Number,
        validator: Validator::Ssn,
        class: "us-ssn",
        action: "mask",
        source: "SSA, POMS RM 10201.030 and RM 10201.035",
    },
    PHONE,
    Detector {
        name: "phone-national",
        what: "Telephone numbers in national form: with a trunk prefix, an area in parentheses, or grouped as none but they are",
        trigger: triggers::DIGITS,
        lead: concat!(
            r"(1[ .-])?\([0-9]{2,5}\)[ -]?[0-9]{2,4}[ .-][0-9]{1,3}",
            "|0[1-9][0-9]{0,3}([ .][0-9]{2,4}[ .][0-9]|-[0-9]{2,4}-[0-9]{3})",
            "|0[1-9][0-9]{1,3}[ /-][0-9]{6}",
            "|00[1-9][0-9]{0,2}([ .][0-9]{1,4}[ .][0-9]|-[0-9]{1,4}-[0-9]{3})",
            "|(1[ .-])?[2-9][0-9]{2}([ .][0-9]{2,3}[ .][0-9]|-[0-9]{3}-[0-9]{3})",
            "|[2-9][0-9]( [0-9]{3} [0-9]|-[0-9]{2}-[0-9]{2}-[0-9])",
        ),
        pattern: r"(1[ .-])?\(?[0-9]{2,5}\)?[ ./-]?[0-9]{1,8}([ .-][0-9]{2,8}){0,4}([xX][0-9]{1,5})?",
        ..PHONE
    },
    Detector {
        name: "phone-labelled",
        what: "Telephone numbers of any form behind a word that says so",
        trigger: triggers::LABEL,
        lead: triggers::LABEL,
        pattern: concat!(
            r#"(?i)(hone|obile|fax)([: \n"']|number|no\.|is|at){1,8}"#,
            "[0-9(+][0-9 ()./-]{5,18}[0-9]([xX][0-9]{1,5})?"
        ),
        before: Boundary::None,
        validator: Validator::PhoneLabelled,
        ..PHONE
    },
];
