//! The checker on records that someone has altered, or that no filter has written.

use crate::sealing::{chain, event};
use flb_audit_core::Sealer;
use flb_audit_core::chain::{Link, Unsettled};
use flb_audit_core::record::notes::Notes;
use flb_audit_core::verify::{Checked, Checker, Sealed};

/// Returns a sealed record with every part that a seal may have.
fn sealed() -> String {
    let mut chain = chain();
    let unsettled = Unsettled { place: chain.next, head: chain.head };
    chain.link = Some(Link { place: chain.next, unsettled: Some(unsettled) });
    let mut sealer = Sealer::new(chain, Notes::NO_STATE, None).expect("memory");
    let record = br#"{"b":{"x":[1,"two",null,true]},"a":"text","n":1.5,"date":7,"audit":0}"#;
    let text = sealer.seal(&event(record));
    String::from_utf8(text[..text.len() - 1].to_vec()).expect("UTF-8")
}

/// The checker's result for a text.
#[derive(Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "a test takes one at a time")]
enum Taken {
    Sealed(Sealed),
    Unsealed,
    Malformed,
    UnknownVersion,
}

fn check(text: &str) -> Taken {
    let ignored = ["date", "@timestamp", "_flb-key"].map(String::from);
    match Checker::new(ignored.to_vec()).check(text.as_bytes()).expect("a record") {
        Checked::Sealed(record) => Taken::Sealed(*record),
        Checked::Unsealed => Taken::Unsealed,
        Checked::Malformed => Taken::Malformed,
        Checked::UnknownVersion => Taken::UnknownVersion,
        other => panic!("{other:?}"),
    }
}

/// Returns whether a record is intact, and the number of keys that the seal does not
/// cover.
#[track_caller]
fn is_intact(text: &str) -> (bool, u8) {
    match check(text) {
        Taken::Sealed(sealed) => (sealed.is_intact, sealed.unsealed_keys),
        other => panic!("{other:?}: {text}"),
    }
}

#[track_caller]
fn replaced(from: &str, to: &str) -> String {
    let text = sealed();
    assert_eq!(text.matches(from).count(), 1, "{from} in {text}");
    text.replace(from, to)
}

#[test]
fn a_record_is_intact_however_it_is_written() {
    assert_eq!(is_intact(&sealed()), (true, 0));
    for (from, to) in [
        (r#""a":"text""#, r#""\u0061" : "te\u0078t""#),
        (r#""n":1.5"#, r#""n":15E-1"#),
        (r#"[1,"two",null,true]"#, r#"[1.0,"two", null , true ]"#),
        (r#""a":"text","n":1.5"#, r#""n":1.5,"a":"text""#),
    ] {
        assert_eq!(is_intact(&replaced(from, to)), (true, 0), "{to}");
    }
}

#[test]
fn keys_that_outputs_add_are_counted() {
    for (from, to, added) in [
        (r#"{"b""#, r#"{"@timestamp":"2026","b""#, 1),
        (r#"{"b""#, r#"{"_flb-key":{"audit":[]},"@timestamp":"2026","b""#, 2),
        // Outputs write like this if they do not look at the record's keys.
        (r#"{"b""#, r#"{"date":8,"b""#, 1),
        (r#"{"b""#, r#"{"date":8,"d\u0061te":9,"b""#, 2),
    ] {
        assert_eq!(is_intact(&replaced(from, to)), (true, added), "{to}");
    }
}

/// If two members have the same key, most readers take the last.
#[test]
fn what_is_under_the_seal_cannot_be_overridden() {
    for (from, to) in [
        (r#""date":7"#, r#""date":7,"date":8"#),
        (r#""date":7"#, r#""date":7,"d\u0061te":8"#),
        (r#""date":7"#, r#""date":7,"@timestamp":1,"date":8"#),
        (r#"{"b""#, r#"{"date":7,"b""#),
    ] {
        let text = replaced(from, to);
        // The last case is the only one in which the seal covers the first of the two.
        let text = if from.starts_with('{') { text.replace(r#","date":7"#, r#","date":8"#) } else { text };
        assert!(!is_intact(&text).0, "{text}");
    }
}

#[test]
fn every_change_shows() {
    for (from, to) in [
        (r#""a":"text""#, r#""a":"Text""#),
        (r#""a":"text""#, r#""a":null"#),
        (r#""a":"text","#, ""),
        (r#""a":"text""#, r#""A":"text""#),
        (r#""a":"text""#, r#""a":"text","c":1"#),
        (r#""a":"text""#, r#""a":"text","a":"text""#),
        (r#""a":"text""#, r#""a":"other","a":"text""#),
        (r#""n":1.5"#, r#""n":1.5000000000000002"#),
        (r#""n":1.5"#, r#""n":"1.5""#),
        (r#"[1,"two",null,true]"#, r#"[1,null,"two",true]"#),
        (r#"[1,"two",null,true]"#, r#"[1,"two",null]"#),
        (r#"{"x":[1,"two",null,true]}"#, r#"[1,"two",null,true]"#),
        (r#""date":7"#, r#""date":8"#),
        (r#""date":7,"#, ""),
        (r#""audit_":0"#, r#""audit_":1"#),
        (r#""link":{"run":"run-01""#, r#""link":{"run":"run-02""#),
        (r#""notes":["no-state"],"#, ""),
        (r#""renamed":"audit_","#, ""),
        (r#""tag":"t""#, r#""tag":"u""#),
        (r#""time":"1795161600.000000005""#, r#""time":"1795161600.000000006""#),
        (r#""prev":"A"#, r#""prev":"B"#),
        (r#""chain":"chain-000001""#, r#""chain":"chain-000002""#),
        (r#""v":"1.2""#, r#""v":"1.1""#),
        (r#""v":"1.2""#, r#""v":"1.2.AAAAAAAA""#),
        (r#""v":"1.2""#, r#""v":"1.2","w":0"#),
        (r#""v":"1.2""#, r#""v":"1.2","seq":0"#),
    ] {
        assert!(!is_intact(&replaced(from, to)).0, "{from} is now {to}");
    }
}

#[test]
fn a_seal_that_is_none_is_told_apart() {
    assert_eq!(check(r#"{"a":1}"#), Taken::Unsealed);
    assert_eq!(check(r#"{"a":{"audit":1}}"#), Taken::Unsealed);
    for text in [r#"{"audit":1}"#, r#"{"audit":{}}"#, r#"{"audit":[]}"#, r#"{"audit":{"v":1}}"#] {
        assert_eq!(check(text), Taken::Malformed, "{text}");
    }
    for name in ["chain", "run", "seg", "seq", "time", "prev", "head"] {
        // The link has three of these names, too.
        let (start, seal) = sealed()
            .rsplit_once(r#"],"renamed""#)
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .expect("a seal");
        let text = if name == "chain" {
            sealed().replace(r#""chain":"#, r#""change":"#)
        } else {
            format!("{start}],\"renamed\"{}", seal.replace(&format!("\"{name}\":"), "\"x\":"))
        };
        assert_eq!(check(&text), Taken::Malformed, "{text}");
    }
    for (from, to) in [
        (r#""chain":"chain-000001""#, r#""chain":"chain-00001""#),
        (r#""chain":"chain-000001""#, r#""chain":"chain 000001""#),
        (r#""link":{"run":"run-01""#, r#""link":{"run":"run-1""#),
        (r#""time":"1795161600.0"#, r#""time":"17951616000"#),
        (r#""time":"1795161600.0"#, r#""time":"x.0"#),
        (r#""prev":"A"#, r#""prev":""#),
        (r#""prev":"A"#, r#""prev":"="#),
        (r#""v":"1.2""#, r#""v":1.2"#),
    ] {
        assert_eq!(check(&replaced(from, to)), Taken::Malformed, "{to}");
    }
    for version in [
        "1.0",
        "1.3",
        "2.2",
        "1.22",
        "12",
        "",
        "1.2.",
        "1.2.AAAAAAA",
        "1.2.AAAAAAAAA",
        "1.2.AAAAAAA+",
        "1.2-AAAAAAAA",
    ] {
        let text = replaced(r#""v":"1.2""#, &format!("\"v\":\"{version}\""));
        assert_eq!(check(&text), Taken::UnknownVersion, "{version}");
    }
}

#[test]
fn memory_of_one_record_does_not_reach_the_next() {
    let mut checker = Checker::new(vec!["date".into()]);
    let long = format!("{{\"x\":[{}]}}", ["{\"a\":nullx}"; 50].join(","));
    let altered = replaced("1.5", "2.5");
    for _ in 0..2 {
        assert!(
            matches!(checker.check(sealed().as_bytes()), Ok(Checked::Sealed(sealed)) if sealed.is_intact)
        );
        assert!(
            matches!(checker.check(altered.as_bytes()), Ok(Checked::Sealed(sealed)) if !sealed.is_intact)
        );
        assert!(checker.check(long.as_bytes()).is_err());
        assert!(matches!(checker.check(b"{}"), Ok(Checked::Unsealed)));
    }
}

/// Whatever a record contains, its seal never says that it is a statement.
#[test]
fn a_statement_is_told_from_a_record() {
    let text = br#"{"ledger":"deleted","notes":["statement"],"audit":{"notes":["statement"]}}"#;
    let mut sealer = Sealer::new(chain(), Notes::NO_STATE, None).expect("memory");
    for (is_statement, sealed) in
        [(true, sealer.seal_own(&event(text)).to_vec()), (false, sealer.seal(&event(text)).to_vec())]
    {
        let sealed = String::from_utf8(sealed).expect("UTF-8");
        match check(sealed.trim_end_matches('\0')) {
            Taken::Sealed(found) => {
                assert_eq!((found.is_statement(), found.is_intact), (is_statement, true));
            }
            other => panic!("{other:?}: {sealed}"),
        }
    }
}

/// Records that are checked together have the same results as each alone, whatever stands
/// beside them.
#[test]
fn records_that_are_checked_together_are_as_alone() {
    let long = format!("{{\"x\":\"{}\",\"audit\":{{}}}}", "x".repeat(100_000));
    let texts: Vec<String> = [
        sealed(),
        replaced("1.5", "2.5"),
        replaced(r#"{"b""#, r#"{"@timestamp":"2026","b""#),
        replaced(r#"{"b""#, r#"{"date":8,"b""#),
        replaced(r#""date":7"#, r#""date":7,"date":8"#),
        replaced(r#""a":"text""#, r#""a":"text","a":"text""#),
        replaced(r#""v":"1.2""#, r#""v":"1.1""#),
        replaced(r#""v":"1.2""#, r#""v":"9.9""#),
        long,
        r#"{"audit":7}"#.to_owned(),
        "{}".to_owned(),
        "{".to_owned(),
    ]
    .to_vec();
    let ignored = ["date", "@timestamp", "_flb-key"].map(String::from).to_vec();
    // Everything but the addresses of what is borrowed.
    let shown = |checked: Result<Checked<'_>, _>| match checked {
        Ok(Checked::Sealed(record)) => {
            format!("{:?} {:?} {:?} {:?}", *record, record.leaf(), record.left_out(), record.tag())
        }
        other => format!("{other:?}"),
    };
    let alone: Vec<String> =
        texts.iter().map(|text| shown(Checker::new(ignored.clone()).check(text.as_bytes()))).collect();
    assert!(alone[0].contains("is_intact: true") && alone[1].contains("is_intact: false"), "{alone:?}");
    let mut checker = Checker::new(ignored);
    for count in [0, 1, 2, 5, 12, 16, 17, 40] {
        for first in 0..texts.len() {
            let numbers: Vec<usize> = (first..first + count).map(|number| number % texts.len()).collect();
            let together: Vec<&[u8]> = numbers.iter().map(|number| texts[*number].as_bytes()).collect();
            let mut results = Vec::new();
            checker.check_all(&together, |checked| results.push(shown(checked)));
            let expected: Vec<&str> = numbers.iter().map(|number| alone[*number].as_str()).collect();
            assert_eq!(results, expected, "{numbers:?}");
        }
    }
}
