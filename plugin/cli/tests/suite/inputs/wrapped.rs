//! Logs as they come back, whole: every form is read, and named.

use super::{Bench, WHOLE, lines, log, string, verdict};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::io::Write;

fn each(wrap: impl Fn(&str) -> String, between: &str) -> String {
    lines().iter().map(|line| wrap(line)).collect::<Vec<_>>().join(between)
}

pub(super) fn pretty(line: &str) -> String {
    let value: Value = serde_json::from_str(line).expect("JSON");
    serde_json::to_string_pretty(&value).expect("JSON")
}

/// Every form: its name here, the bytes, and what the report says of it.
fn forms() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let text = |text: String| text.into_bytes();
    let members = |between: &[u8]| {
        let members: Vec<_> = lines().iter().map(|line| gzip(&format!("{line}\n"))).collect();
        members.join(between)
    };
    let doubled = |line: &str| line.replace('"', "\"\"");
    let quoted = |line: &str| string(line);
    let hits = || each(|line| format!(r#"{{"_index":"i","_id":"1","_source":{line}}}"#), ",");
    vec![
        ("an array", text(format!("[{}]", each(str::to_owned, ","))), ""),
        (
            "hits",
            text(format!(
                r#"{{"took":1,"_shards":{{"total":1}},"hits":{{"total":{{"value":6}},"hits":[{}]}}}}"#,
                hits()
            )),
            "6 records in hits.hits[]._source (Elasticsearch, OpenSearch)",
        ),
        (
            "hits, pretty",
            text(pretty(&format!(r#"{{"hits":{{"hits":[{}]}}}}"#, hits()))),
            "6 records in hits.hits[]._source (Elasticsearch, OpenSearch)",
        ),
        (
            "a dump",
            text(each(|line| format!(r#"{{"_index":"i","_source":{line}}}"#), "\n")),
            "6 records in _source (Elasticsearch, OpenSearch)",
        ),
        (
            "bulk",
            text(each(|line| format!("{{\"index\":{{\"_index\":\"i\",\"_id\":\"7\"}}}}\n{line}"), "\n")),
            "6 action lines of bulk requests",
        ),
        (
            "bulk updates",
            text(each(
                |line| format!("{{\"update\":{{\"_id\":\"7\"}}}}\n{{\"doc\":{line},\"doc_as_upsert\":true}}"),
                "\n",
            )),
            "6 records in doc (bulk update)",
        ),
        (
            "Loki",
            text(format!(
                r#"{{"status":"success","data":{{"resultType":"streams","result":[{{"stream":{{"a":"b"}},"values":[{}]}}]}}}}"#,
                each(|line| format!(r#"["1795161600000000000",{}]"#, quoted(line)), ",")
            )),
            "6 records in data.result[].values[][], as text (Loki)",
        ),
        (
            "Loki, with metadata",
            text(format!(
                r#"{{"streams":[{{"stream":{{}},"values":[{}]}}]}}"#,
                each(|line| format!(r#"["1",{},{{"trace":"x"}}]"#, quoted(line)), ",")
            )),
            "6 records in streams[].values[][], as text (Loki)",
        ),
        (
            "HEC",
            text(each(|line| format!(r#"{{"time":1.5,"host":"h","event":{line}}}"#), "")),
            "6 records in event (Splunk HEC)",
        ),
        (
            "HEC, of strings",
            text(each(|line| format!(r#"{{"event":{}}}"#, quoted(line)), "\n")),
            "6 records in event, as text (Splunk HEC)",
        ),
        (
            "a Splunk export",
            text(each(
                |line| {
                    format!(
                        r#"{{"preview":false,"offset":0,"result":{{"_raw":{},"host":"h"}}}}"#,
                        quoted(line)
                    )
                },
                "\n",
            )),
            "6 records in result._raw, as text (Splunk export)",
        ),
        (
            "CloudWatch",
            text(pretty(&format!(
                r#"{{"events":[{}],"nextToken":"f/1"}}"#,
                each(|line| format!(r#"{{"timestamp":1,"message":{}}}"#, quoted(line)), ",")
            ))),
            "6 records in events[].message, as text (CloudWatch)",
        ),
        (
            "CloudWatch Insights",
            text(format!(
                r#"{{"results":[{}],"status":"Complete"}}"#,
                each(
                    |line| format!(
                        r#"[{{"field":"@timestamp","value":"1"}},{{"field":"@message","value":{}}},{{"field":"@ptr","value":"{{x"}}]"#,
                        quoted(line)
                    ),
                    ","
                )
            )),
            "6 records in results[][].value, as text",
        ),
        (
            "a CloudWatch subscription",
            text(format!(
                r#"{{"awslogs":{{"data":"{}"}}}}"#,
                STANDARD.encode(gzip(&format!(
                    r#"{{"messageType":"DATA_MESSAGE","logEvents":[{}]}}"#,
                    each(|line| format!(r#"{{"id":"1","message":{}}}"#, quoted(line)), ",")
                )))
            )),
            "6 records in awslogs.data, as gzip in base64: logEvents[].message, as text",
        ),
        (
            "Datadog",
            text(format!(
                r#"{{"data":[{}],"meta":{{"page":{{}}}}}}"#,
                each(
                    |line| format!(
                        r#"{{"id":"1","type":"log","attributes":{{"service":"s","attributes":{line}}}}}"#
                    ),
                    ","
                )
            )),
            "6 records in data[].attributes.attributes (Datadog)",
        ),
        (
            "Kafka Connect",
            text(each(|line| format!(r#"{{"schema":null,"payload":{line}}}"#), "\n")),
            "6 records in payload (Kafka Connect)",
        ),
        (
            "Kinesis",
            text(format!(
                r#"{{"Records":[{}]}}"#,
                each(
                    |line| format!(
                        r#"{{"kinesis":{{"partitionKey":"p","data":"{}"}}}}"#,
                        STANDARD.encode(line)
                    ),
                    ","
                )
            )),
            "6 records in Records[].kinesis.data, as base64 (Kinesis)",
        ),
        (
            "Kinesis, of envelopes",
            text(format!(
                r#"{{"records":[{}]}}"#,
                each(
                    |line| format!(
                        r#"{{"data":"{}"}}"#,
                        STANDARD.encode(format!(r#"{{"log":{}}}"#, quoted(line)))
                    ),
                    ","
                )
            )),
            "6 records in records[].data, as base64: log, as text",
        ),
        (
            "Azure",
            text(format!(
                r#"{{"records":[{}]}}"#,
                each(|line| format!(r#"{{"time":"t","category":"c","properties":{line}}}"#), ",")
            )),
            "6 records in records[].properties (Azure Monitor)",
        ),
        (
            "Azure, of strings",
            text(format!(
                r#"{{"tables":[{{"columns":[{{"name":"Raw","type":"string"}}],"rows":[{}]}}]}}"#,
                each(|line| format!(r#"["2026-11-20",{}]"#, quoted(line)), ",")
            )),
            "6 records in tables[].rows[][], as text",
        ),
        (
            "Google Cloud",
            text(format!(
                "[{}]",
                each(
                    |line| format!(r#"{{"insertId":"i","jsonPayload":{line},"resource":{{"type":"x"}}}}"#),
                    ",\n"
                )
            )),
            "6 records in jsonPayload (Google Cloud Logging)",
        ),
        (
            "Docker",
            text(each(
                |line| format!(r#"{{"log":{},"stream":"stdout","time":"t"}}"#, quoted(&format!("{line}\n"))),
                "\n",
            )),
            "6 records in log, as text (Docker)",
        ),
        (
            "journald",
            text(each(
                |line| format!(r#"{{"__CURSOR":"c","MESSAGE":{},"PRIORITY":"6"}}"#, quoted(line)),
                "\n",
            )),
            "6 records in MESSAGE, as text (journald)",
        ),
        (
            "CRI",
            text(each(|line| format!("2026-11-20T08:00:00.1Z stdout F {line}"), "\n")),
            "6 records in CRI lines",
        ),
        (
            "CRI, of envelopes",
            text(each(|line| format!(r#"2026-11-20T08:00:00.1Z stderr F {{"msg":{}}}"#, quoted(line)), "\n")),
            "6 records in CRI lines: msg, as text",
        ),
        (
            "syslog",
            text(each(|line| format!(r#"<134>1 2026-11-20T08:00:00Z h app 7 - [x@1 a="b"] {line}"#), "\n")),
            "6 records in syslog lines",
        ),
        (
            "syslog, with lengths",
            text(each(|line| format!("{} <13>Nov 20 08:00:00 h app[7]: {line}", line.len() + 35), "\n")),
            "6 records in syslog lines",
        ),
        (
            "kubectl logs --prefix",
            text(each(|line| format!("[pod/web-1/app] {line}"), "\n")),
            "6 records in lines, behind other text",
        ),
        (
            "the default of file",
            text(each(|line| format!("app.audit: [1795161600.000000000, {line}]"), "\n")),
            "6 records in lines, behind other text",
        ),
        (
            "CSV",
            text(format!(
                "time,record,\"the host\"\r\n{}",
                each(|line| format!("2026-11-20,\"{}\",h1", doubled(line)), "\r\n")
            )),
            "6 records in columns",
        ),
        (
            "CSV, one column",
            text(format!("record\n{}", each(|line| format!("\"{}\"", doubled(line)), "\n"))),
            "6 records in columns",
        ),
        (
            "CSV without a header",
            text(each(|line| format!("1;\"{}\";\"a, b\"", doubled(line)), "\n")),
            "6 records in columns",
        ),
        ("CSV, escaped", text(each(|line| format!("1,{},x", quoted(line)), "\n")), "6 records in columns"),
        (
            "TSV",
            text(format!("time\trecord\thost\n{}", each(|line| format!("1\t{line}\th"), "\n"))),
            "6 records in columns",
        ),
        (
            "logfmt",
            text(each(|line| format!("time=1 msg={} level=info", quoted(line)), "\n")),
            "6 records in columns",
        ),
        (
            "concatenated",
            text(each(str::to_owned, "")),
            "1 input read as JSON texts with no line break between them",
        ),
        (
            "with commas",
            text(each(str::to_owned, ", ")),
            "1 input read as JSON texts with no line break between them",
        ),
        (
            "some a line",
            text(format!(
                "{}\n{}{}\n{}\n{}\n{}\n",
                lines()[0],
                lines()[1],
                lines()[2],
                lines()[3],
                lines()[4],
                lines()[5]
            )),
            "2 records in lines with several texts",
        ),
        ("pretty", text(each(pretty, "\n")), "1 input read as JSON over several lines"),
        (
            "a sequence",
            text(each(|line| format!("\u{1e}{line}\n"), "")),
            "1 input read as JSON text sequence (RFC 7464)",
        ),
        (
            "literal line breaks",
            text(each(str::to_owned, "\\n")),
            "1 input read as JSON texts with a literal \\n between them",
        ),
        ("strings", text(each(quoted, "\n")), "6 records in a string, as text"),
        (
            "strings in strings",
            text(each(
                |line| format!(r#"{{"a":{}}}"#, quoted(&format!(r#"[{{"b":{}}}]"#, quoted(line)))),
                "\n",
            )),
            "6 records in a, as text: [].b, as text",
        ),
        (
            "a mark",
            [b"\xef\xbb\xbf", log().as_bytes()].concat(),
            "1 input read as UTF-8 with a byte order mark",
        ),
        (
            "a mark before each",
            text(each(|line| format!("\u{feff}{line}"), "\r\n")),
            "1 input read as UTF-8 with a byte order mark",
        ),
        ("UTF-16 LE", utf16(u16::to_le_bytes, "\u{feff}"), "1 input read as UTF-16"),
        ("UTF-16 BE", utf16(u16::to_be_bytes, "\u{feff}"), "1 input read as UTF-16"),
        ("UTF-16 LE without a mark", utf16(u16::to_le_bytes, ""), "1 input read as UTF-16"),
        ("UTF-16 BE without a mark", utf16(u16::to_be_bytes, ""), "1 input read as UTF-16"),
        ("gzip, with line breaks", [members(b"\n"), b"\n".to_vec()].concat(), ""),
        ("gzip, with zeros", [members(&[0; 100]), vec![0; 70_000]].concat(), ""),
        ("bzip2", bzip2(&log()), "1 input read as bzip2"),
        (
            "bzip2, of several streams",
            lines().iter().flat_map(|line| bzip2(&format!("{line}\n"))).collect(),
            "1 input read as bzip2",
        ),
        ("xz", xz(&log()), "1 input read as xz"),
        (
            "xz, of several streams",
            lines().iter().flat_map(|line| xz(&format!("{line}\n"))).collect(),
            "1 input read as xz",
        ),
        (
            "zstd of UTF-16",
            zstd::encode_all(&utf16(u16::to_le_bytes, "")[..], 3).expect("zstd"),
            "1 input read as UTF-16",
        ),
    ]
}

pub(super) fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).expect("memory");
    encoder.finish().expect("memory")
}

fn bzip2(text: &str) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::default());
    encoder.write_all(text.as_bytes()).expect("memory");
    encoder.finish().expect("memory")
}

fn xz(text: &str) -> Vec<u8> {
    let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::default()).expect("xz");
    encoder.write_all(text.as_bytes()).expect("memory");
    encoder.finish().expect("memory")
}

fn utf16(unit: fn(u16) -> [u8; 2], mark: &str) -> Vec<u8> {
    format!("{mark}{}", log()).encode_utf16().flat_map(unit).collect()
}

#[test]
fn every_form_is_read_and_named() {
    let bench = Bench::new();
    for (name, bytes, said) in forms() {
        bench.write("log", &bytes);
        let (code, report) = bench.verify("log");
        assert_eq!(code, Some(3), "{name}: {report}");
        assert!(report.contains(said), "{name}: {report}");
        assert!(report.contains("  6 records in 1 segments"), "{name}: {report}");
        let is_wide =
            |line: &&str| line.chars().count() > 80 && line.starts_with(|first: char| first.is_ascii_digit());
        assert_eq!(report.lines().find(is_wide), None, "{name}");
        assert_eq!(verdict(&bench.report("log", &bytes)), WHOLE, "{name}");
    }
}

/// What is read of a store can be longer than what is read at once.
#[test]
fn long_inputs_are_read_in_every_framing() {
    let bench = Bench::new();
    let filler = format!("{{\"filler\":\"{}\"}}", "x".repeat(700_000));
    for (name, between, indent) in
        [("pretty", "\n", true), ("concatenated", "", false), ("sequence", "\u{1e}", false)]
    {
        let wrap = |line: &str| if indent { pretty(line) } else { line.to_owned() };
        let text = lines()
            .iter()
            .map(|line| wrap(line))
            .collect::<Vec<_>>()
            .join(&format!("{between}{filler}{between}"));
        let report = bench.report(name, text);
        assert_eq!(
            (report["verdict"].as_str(), &report["counts"]["unsealed"]),
            (Some("unsealed"), &5.into()),
            "{name}"
        );
        assert_eq!(report["records"], 6, "{name}");
    }
}

/// How many records stood where is said to machines, too.
#[test]
fn the_report_counts_envelopes() {
    let bench = Bench::new();
    let docker = |line: &String| format!("{{\"log\":{}}}\n", string(line));
    let log: String =
        lines()[..4].iter().map(docker).chain(lines()[4..].iter().map(|line| format!("{line}\n"))).collect();
    let report = bench.report("log", log);
    assert_eq!(verdict(&report), WHOLE);
    assert_eq!(report["inputs"]["envelopes"], serde_json::json!({"log, as text (Docker)": 4}));
}
