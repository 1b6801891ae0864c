//! Logs that are torn or altered, or that contain other things than records.

use super::{Bench, WHOLE, lines, log, string, verdict};
use serde_json::Value;

fn count(report: &Value, verdict: &str) -> u64 {
    report["counts"][verdict].as_u64().unwrap_or(0)
}

/// The output `file` continues behind a torn line that a kill has left, at any byte.
#[test]
fn the_record_behind_half_a_line_is_read() {
    let bench = Bench::new();
    let [first, second, rest @ ..] = lines() else { panic!("no lines") };
    // The checkpoint stands behind the torn line, which belongs to another segment.
    let rest = rest.join("\n");
    for cut in (1..second.len() - 1).filter(|at| second.is_char_boundary(*at)).step_by(7) {
        let torn = format!("{}{first}\n{second}\n{rest}\n", &second[..cut]);
        let report = bench.report("log", torn);
        assert_eq!(verdict(&report), ("unreadable", 6), "{cut}: {report:#}");
        assert_eq!((count(&report, "unreadable"), &report["inputs"]["torn_lines"]), (1, &1.into()), "{cut}");
        assert!(
            report["findings"][0]["what"].as_str().is_some_and(|what| what.contains("torn line")),
            "{cut}"
        );
    }
    bench.write("log", format!("{}{first}\n{second}\n{rest}\n", &second[..40]));
    let (code, said) = bench.verify("log");
    assert_eq!(code, Some(30));
    assert!(said.contains("1 torn line, as a kill during a write makes them"), "{said}");
}

/// With several workers, the output `file` writes lines into one another.
#[test]
fn lines_within_lines_are_read() {
    let bench = Bench::new();
    let [a, b, rest @ ..] = lines() else { panic!("no lines") };
    let (start, end) = a.split_at(100);
    let report = bench.report("log", format!("{start}{b}\n{end}\n{}\n", rest.join("\n")));
    assert_eq!(verdict(&report).0, "unreadable");
    assert_eq!((report["records"].as_u64(), count(&report, "unreadable")), (Some(5), 2), "{report:#}");
}

/// Container engines split long lines, and lines of other streams come between the parts.
#[test]
fn lines_that_were_cut_are_put_together() {
    let bench = Bench::new();
    let cri = |stream: &str, tag: &str, text: &str| format!("2026-11-20T08:00:00.1Z {stream} {tag} {text}\n");
    let docker = |stream: &str, text: &str| format!("{{\"log\":{},\"stream\":\"{stream}\"}}\n", string(text));
    let (mut of_cri, mut of_docker) = (String::new(), String::new());
    for (at, line) in lines().iter().enumerate() {
        let cuts = (1..=2).map(|part| line.floor_char_boundary(part * line.len() / 3)).collect::<Vec<_>>();
        let parts = [&line[..cuts[0]], &line[cuts[0]..cuts[1]], &line[cuts[1]..]];
        of_cri += &cri("stdout", "P", parts[0]);
        of_docker += &docker("stdout", parts[0]);
        if at == 2 {
            of_cri += &cri("stderr", "F", "x");
            of_docker += &docker("stderr", "x\n");
        }
        of_cri += &(cri("stdout", "P", parts[1]) + &cri("stdout", "F", parts[2]));
        of_docker += &(docker("stdout", parts[1]) + &docker("stdout", &format!("{}\n", parts[2])));
    }
    for (name, log, unread) in [("CRI", &of_cri, "unreadable"), ("Docker", &of_docker, "unsealed")] {
        let report = bench.report("log", log);
        assert_eq!(
            (report["verdict"].as_str(), report["records"].as_u64()),
            (Some(unread), Some(6)),
            "{name}"
        );
        assert_eq!(count(&report, unread), 1, "{name}: only of the other stream");
        // Repeating the log puts the parts across the ends of the blocks that are read at
        // once.
        let report = bench.report("log", log.repeat(2500));
        assert_eq!((report["records"].as_u64(), count(&report, unread)), (Some(6), 2500), "{name}");
        // If the last part is missing, each of the others stays a line of its own.
        let cut = log.trim_end().rsplit_once('\n').map_or("", |(cut, _)| cut);
        let report = bench.report("log", cut);
        assert_eq!((report["records"].as_u64(), count(&report, unread)), (Some(5), 3), "{name}");
    }
}

/// A record that another record quotes, as text or as an object, is that record's data.
#[test]
fn nothing_is_taken_from_within_a_record() {
    let bench = Bench::new();
    // The outer record is altered. An altered record is not searched for others, so it is
    // no envelope.
    let outer = lines()[2]
        .replace(r#""text":"""#, &format!(r#""text":{},"object":{}"#, string(&lines()[0]), lines()[1]));
    let mut log: Vec<_> = lines()[3..].to_vec();
    log.push(outer);
    let report = bench.report("log", log.join("\n"));
    assert_eq!(report["verdict"], "tampered");
    assert_eq!(
        (report["records"].as_u64(), report["inputs"]["envelopes"].clone()),
        (Some(3), serde_json::json!({}))
    );
    // A seal that lacks a part is still a seal.
    let outer = format!(r#"{{"text":{},"audit":{{"chain":"inputs-chain"}}}}"#, string(&lines()[0]));
    let report = bench.report("log", format!("{outer}\n{}", lines()[1..].join("\n")));
    assert_eq!((report["verdict"].as_str(), report["records"].as_u64()), (Some("tampered"), Some(5)));
}

/// A value without a seal among values with one is a finding, just like a line.
#[test]
fn what_is_unsealed_among_records_is_found() {
    let bench = Bench::new();
    let hits = |docs: &[String]| format!(r#"{{"hits":{{"hits":[{}]}}}}"#, docs.join(","));
    let wrapped: Vec<String> = lines().iter().map(|line| format!(r#"{{"_source":{line}}}"#)).collect();
    let last = |doc: &str| [&wrapped[..5], &[doc.to_owned()]].concat();
    let altered =
        [lines()[5].replace("\"audit\":", "\"auditt\":"), r#"{"evil":true}"#.to_owned(), "{}".to_owned()];
    for doc in altered {
        let report = bench.report("log", hits(&last(&format!(r#"{{"_source":{doc}}}"#))));
        assert_eq!((report["verdict"].as_str(), count(&report, "unsealed")), (Some("unsealed"), 1), "{doc}");
    }
    let strings = |last: &str| {
        let values: Vec<_> = lines()[..5].iter().map(|line| string(line)).chain([string(last)]).collect();
        format!(r#"{{"values":[{}]}}"#, values.join(","))
    };
    for last in [&lines()[5][..lines()[5].len() - 9], r#"{"evil":true}"#] {
        let report = bench.report("log", strings(last));
        assert_ne!(report["verdict"], WHOLE.0, "{last}");
        assert_eq!(report["records"], 5);
    }
    // These are members of an object that are all records.
    let members: Vec<_> =
        lines()[..5].iter().enumerate().map(|(at, line)| format!(r#""id{at}":{line}"#)).collect();
    let report = bench.report("log", format!(r#"{{{},"id5":{{"evil":true}}}}"#, members.join(",")));
    assert_eq!((report["verdict"].as_str(), count(&report, "unsealed")), (Some("unsealed"), 1));
}

/// Only a text that is exactly an action line counts as one.
#[test]
fn what_is_like_an_action_is_no_action() {
    let bench = Bench::new();
    for line in [
        r#"{"index":{"_index":"i","evil":1}}"#,
        r#"{"index":{"_index":"i"},"evil":1}"#,
        r#"{"index":{"_id":{"evil":1}}}"#,
        r#"{"indexes":{"_index":"i"}}"#,
        r#"{"index":"i"}"#,
    ] {
        let report = bench.report("log", format!("{line}\n{}", log()));
        assert_eq!((report["verdict"].as_str(), count(&report, "unsealed")), (Some("unsealed"), 1), "{line}");
    }
    let report = bench.report("log", format!("{{\"delete\":{{\"_id\":\"1\"}}}}\n{}", log()));
    assert_eq!(verdict(&report), WHOLE);
    assert_eq!(report["inputs"]["bulk_actions"], 1);
}

/// Only a text that is exactly a page without records counts as one.
#[test]
fn what_is_like_an_empty_page_is_no_page() {
    let bench = Bench::new();
    let control = |owner: &str, rest: &str, message: &str| {
        format!(
            r#"{{"messageType":"CONTROL_MESSAGE","owner":{owner},"logEvents":[{{"id":"","timestamp":1,"message":{}}}]{rest}}}"#,
            string(message)
        )
    };
    let check = "CWL CONTROL MESSAGE: Checking health of destination Firehose.";
    let long = format!(r#"{{"events":[],"nextToken":"{}"}}"#, "x".repeat(70_000));
    for text in [
        r#"{"hits":{"hits":[]},"user":"mallory"}"#,
        r#"{"hits":{"hits":[],"user":"mallory"}}"#,
        r#"{"hits":{"hits":[{"user":"mallory"}]},"hits":{"hits":[]}}"#,
        r#"{"hits":{"hits":[{}]}}"#,
        r#"{"hits":{"hits":{}}}"#,
        r#"{"hits":[]}"#,
        r#"{"hits":{"total":0}}"#,
        r#"{"hits":{"hits":[],"total":{"value":0,"relation":"mallory did it"}}}"#,
        r#"{"hits":{"hits":[]},"_scroll_id":"mallory did it"}"#,
        r#"{"hits":{"hits":[]},"_shards":{"total":2,"failed":1,"failures":[{"reason":"x"}]}}"#,
        r#"{"events":[{}]}"#,
        r#"{"events":null}"#,
        r#"{"events":[],"searchedLogStreams":[{"logStreamName":"a b"}]}"#,
        r#"{"events":[]}{"user":"mallory"}"#,
        r#"{"Records":[{"user":"mallory"}],"MillisBehindLatest":0}"#,
        &long,
        &control("1", "", check),
        &control(r#""mallory did it""#, "", check),
        &control(r#""1""#, r#","user":"mallory""#, check),
        &control(r#""1""#, "", "mallory did it"),
        &control(r#""1""#, "", "CWL CONTROL MESSAGE: Checking health of destination {mallory}."),
        &control(r#""1""#, "", &format!("{}{}.", check.trim_end_matches('.'), "x".repeat(64))),
    ] {
        let report = bench.report("log", format!("{text}\n{}", log()));
        assert_eq!((report["verdict"].as_str(), count(&report, "unsealed")), (Some("unsealed"), 1), "{text}");
        // Pages with records around it change nothing.
        let page = |text: &str| format!(r#"{{"hits":{{"hits":[{{"_source":{text}}}]}}}}"#);
        let pages: Vec<String> = lines().iter().map(|line| page(line)).collect();
        let pages = format!(r#"{{"responses":[{},{text}]}}"#, pages.join(","));
        if !text.contains("}{") && !text.contains("null") {
            let report = bench.report("log", pages);
            assert_eq!(verdict(&report), ("unsealed", 6), "{text}");
        }
    }
    // Alone, such a page is no record, and nothing is found.
    let report = bench.report("log", r#"{"events":[]}"#);
    assert_eq!((report["verdict"].as_str(), count(&report, "unsealed")), (Some("nothing_found"), 0));
    assert_eq!(report["inputs"]["empty_pages"], 1);
}

/// Only a short key with a tab behind it is skipped, and only if it can be no record itself.
#[test]
fn what_is_unsealed_behind_or_as_a_key_is_found() {
    let bench = Bench::new();
    let unsealed = r#"{"user":"mallory"}"#;
    let rest = lines()[1..].join("\n");
    for (name, line, expected) in [
        ("a record as key", format!("{}\t{unsealed}", lines()[0]), ("unsealed", 6)),
        ("a long key", format!(r#"{{"k":"{}"}}{}{}"#, "x".repeat(1100), "\t", lines()[0]), ("unsealed", 6)),
        ("a comma", format!("{unsealed},{}", lines()[0]), ("unsealed", 6)),
        ("two keys", format!("{unsealed}\t{unsealed}\t{}", lines()[0]), ("unsealed", 6)),
        ("two records", format!("{}\t{}", lines()[0], lines()[0]), WHOLE),
        ("no record", format!("{unsealed}\t{unsealed}"), ("unreadable", 5)),
    ] {
        for log in [format!("{line}\n{rest}\n"), format!("{rest}\n{line}\n")] {
            let report = bench.report("log", log);
            assert_eq!(verdict(&report), expected, "{name}: {report:#}");
        }
    }
}

/// A length that does not fit leaves the line torn, as does a message without a record.
#[test]
fn lengths_of_syslog_messages_have_to_fit() {
    let bench = Bench::new();
    let message = |line: &str| format!("<13>1 2026-11-20T08:00:00Z h app 7 - - {line}");
    let frames = |more: usize| {
        let frame = |line: &String| format!("{} {}", message(line).len() + more, message(line));
        lines().iter().map(frame).collect::<String>()
    };
    let text = message("mallory did it");
    let with_text = format!("{} {text}{}", text.len(), frames(0));
    for (name, log) in [("longer", frames(1)), ("text first", with_text)] {
        let report = bench.report("log", log);
        assert_eq!(verdict(&report), ("unreadable", 6), "{name}: {report:#}");
    }
    assert_eq!(verdict(&bench.report("log", frames(0))), WHOLE);
}

/// A first line that does not name columns is a line that cannot be read.
#[test]
fn a_first_line_is_not_skipped_unless_it_names_columns() {
    let bench = Bench::new();
    for first in ["time,record", "garbage", "{\"a\":", "a;b;c"] {
        let report = bench.report("log", format!("{first}\n{}", log()));
        assert_eq!(verdict(&report), ("unreadable", 6), "{first}");
    }
    let doubled = |line: &String| format!("1,\"{}\"", line.replace('"', "\"\""));
    let rows = lines().iter().map(doubled).collect::<Vec<_>>().join("\n");
    for first in ["time", "time,record,more", "time,{}", "time,", "a,\u{1}"] {
        let report = bench.report("log", format!("{first}\n{rows}"));
        assert_eq!(verdict(&report), ("unreadable", 6), "{first}");
    }
}

/// Data behind gzip that is neither a member nor padding is reported.
#[test]
fn what_stands_behind_compressed_data_is_not_dropped() {
    let bench = Bench::new();
    for behind in ["x", "\n\0{}", "\u{1f}\u{8b}"] {
        let mut bytes = super::wrapped::gzip(&log());
        bytes.extend_from_slice(behind.as_bytes());
        assert_eq!(verdict(&bench.report("log", bytes)), ("unreadable", 6), "{behind:?}");
    }
    for cut in [1, 9, 100] {
        let bytes = super::wrapped::gzip(&log());
        assert_eq!(bench.report("log", &bytes[..bytes.len() - cut])["verdict"], "unreadable", "{cut}");
    }
}

/// A broken text costs no other text, even if texts are separated by their braces.
#[test]
fn a_broken_text_costs_no_other() {
    let bench = Bench::new();
    let pretty = |line: &String| super::wrapped::pretty(line);
    let whole: Vec<String> = lines().iter().map(pretty).collect();
    for (at, cut) in [(2, 60), (3, 200), (4, 31)] {
        let mut texts = whole.clone();
        texts[at].truncate(cut);
        let report = bench.report("log", texts.join("\n"));
        assert_eq!(
            (report["verdict"].as_str(), report["records"].as_u64()),
            (Some("unreadable"), Some(5)),
            "{at} {cut}"
        );
    }
    let mut texts = lines().to_vec();
    texts[3].truncate(90);
    let sequence: String = texts.iter().map(|text| format!("\u{1e}{text}\n")).collect();
    let report = bench.report("log", sequence);
    assert_eq!((report["verdict"].as_str(), report["records"].as_u64()), (Some("unreadable"), Some(5)));
}

/// An array gets one verdict, wherever it stands: alone in a file, or as any line of one.
#[test]
fn an_array_is_read_the_same_in_any_place() {
    let bench = Bench::new();
    let [a, b, rest @ ..] = lines() else { panic!("no lines") };
    let rest = rest.join("\n");
    for (name, array, expected) in [
        ("a bracket", format!("{a}\n{b}\n["), "unreadable"),
        ("brackets", format!("{a}\n{b}\n{}", "[".repeat(50)), "unreadable"),
        ("cut behind a comma", format!("[{a},{b},"), "unreadable"),
        ("cut behind a record", format!("[{a},[{b}]"), "unreadable"),
        ("whole", format!("[{a},[{b}]]"), WHOLE.0),
        ("empty", format!("{a}\n{b}\n[]"), WHOLE.0),
        ("a number first", format!("[1700000000.5,{a},{b}]"), WHOLE.0),
        ("a text first", format!(r#"["root deleted it",{a},{b}]"#), WHOLE.0),
        ("a number behind", format!("[{a},{b},1]"), "unreadable"),
        ("a text behind", format!(r#"[{a},{b},"root deleted it"]"#), "unreadable"),
        ("a number within", format!("[[1,{a}],{b}]"), "unreadable"),
    ] {
        let array_alone = array.rsplit_once('\n').map_or(&*array, |(_, array)| array);
        let records = array.rsplit_once('\n').map_or("", |(records, _)| records);
        for (place, log) in [
            ("first", format!("{array_alone}\n{records}\n{rest}\n")),
            ("middle", format!("{}\n{array}\n{rest}\n", lines()[5])),
            ("last", format!("{rest}\n{array}\n")),
            ("behind an array", format!("[{}]\n{array}\n{rest}\n", lines()[5])),
            ("before an array", format!("{array_alone}\n[{}]\n{records}\n{rest}\n", lines()[5])),
            ("behind records without a line break", format!("{0}{0}\n{array}\n{rest}\n", lines()[5])),
        ] {
            let report = bench.report("log", log);
            assert_eq!(verdict(&report), (expected, 6), "{name}, {place}: {report:#}");
            assert_eq!(count(&report, "unreadable"), u64::from(expected == "unreadable"), "{name}, {place}");
        }
        bench.write("array", array_alone);
        bench.write("others", format!("{records}\n{rest}\n"));
        let output = bench.run(&["verify", "--roster", "roster.json", "--json", "array", "others"]);
        let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
        assert_eq!(verdict(&report), (expected, 6), "{name}, alone: {report:#}");
        assert_eq!(count(&report, "unreadable"), u64::from(expected == "unreadable"), "{name}, alone");
    }
}
