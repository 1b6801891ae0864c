//! The network of components: what is listed can be reached, and nothing else.

mod names;
mod tls;

use flb_audit_host::component::{Answer, Limits};
use flb_audit_host::network::Network;
use flb_audit_host::output::{self, Output};
use host_tests::root;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, TcpListener};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

fn component(name: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    target.join("wasm32-wasip2/guest").join(name)
}

fn limits(allow: &str, deadline: Duration) -> Limits {
    let allowed = Network::parse_list(allow).expect("a list");
    Limits {
        memory_bytes_max: 64 << 20,
        deadline,
        directory: None,
        is_writable: true,
        network: Network { allowed, ca_file: None },
    }
}

/// A request's head and body.
type Request = (String, String);

/// A server that answers every request with one text. Its port, and what comes.
fn server(answer: &'static str) -> (u16, Receiver<Request>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (came, requests) = channel();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that breaks off comes again.
            let _ = exchange(stream, answer, &came);
        }
    });
    (port, requests)
}

/// Receives one request and answers it.
fn exchange(stream: impl Read + Write, answer: &str, came: &Sender<Request>) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    let (mut head, mut len) = (String::new(), 0);
    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head)? > 0 {
        let last = head.lines().last().unwrap_or_default().to_ascii_lowercase();
        len = last.strip_prefix("content-length: ").map_or(len, |len| len.parse().expect("a number"));
    }
    let mut body = vec![0; len];
    reader.read_exact(&mut body)?;
    // The test may be over.
    let _ = came.send((head, String::from_utf8(body).expect("UTF-8")));
    if answer == "nothing" {
        thread::sleep(Duration::from_secs(60));
    }
    reader.get_mut().write_all(answer.as_bytes())?;
    reader.get_mut().flush()
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
const DEADLINE: Duration = Duration::from_secs(60);

/// Two records, `{"n":1}` and `{"n":2}`.
const CHUNK: &[u8] = b"\x92\x92\xd7\x00\0\0\0\x01\0\0\0\x02\x80\x81\xa1n\x01\x92\x92\xd7\x00\0\0\0\x01\0\0\0\x03\x80\x81\xa1n\x02";

fn start(url: &str, limits: Limits) -> Output {
    let get = |name: &str| match name {
        "config.url" => Some(url.to_owned()),
        "config.batch_size" => Some("10".to_owned()),
        _ => None,
    };
    output::start(&component("out_http.wasm"), limits, None, get, &mut Vec::new()).expect("started")
}

/// The answer of a delivery, with its reason, and the log.
fn deliver(output: &Output, tag: &[u8]) -> (String, String) {
    let reply = output.flush(tag, CHUNK);
    let answer = match reply.answer {
        Answer::Ok => "ok".to_owned(),
        Answer::Retry(reason) => format!("retry: {reason}"),
        Answer::Refuse(reason) => format!("refuse: {reason}"),
    };
    let log: Vec<String> = reply.lines.into_iter().map(|(_, line)| line + "\n").collect();
    (answer, log.concat())
}

#[test]
fn batches_arrive_with_keys() {
    let (port, requests) = server(OK);
    let url = format!("http://127.0.0.1:{port}/in?a=1");
    let output = start(&url, limits(&format!("http://127.0.0.1:{port}"), DEADLINE));
    let (answer, log) = deliver(&output, b"app");
    let metrics = r#"metrics {"ok":1,"retry":0,"refuse":0,"ended":0,"component":{"batches":2,"records":2}}"#;
    assert_eq!((answer.as_str(), log.trim_end()), ("ok", metrics));
    // The next report is due in a minute.
    assert_eq!(deliver(&output, b"app"), ("ok".to_owned(), String::new()));
    let came: Vec<Request> = requests.try_iter().collect();
    let bodies: Vec<&str> = came.iter().map(|(_, body)| body.as_str()).collect();
    let one = "{\"time\":1.000000002,\"tag\":\"app\",\"record\":{\"n\":1}}\n";
    let two = "{\"time\":1.000000003,\"tag\":\"app\",\"record\":{\"n\":2}}\n";
    assert_eq!(bodies, [one, two, one, two]);
    assert!(came[0].0.starts_with("POST /in?a=1 HTTP/1.1\r\n"), "{}", came[0].0);
    let key = |request: &Request| {
        let key = request.0.lines().find_map(|line| line.strip_prefix("idempotency-key: "));
        key.expect("a key").to_owned()
    };
    let keys: Vec<String> = came.iter().map(key).collect();
    // The same chunk has the same keys.
    assert_eq!(keys[..2], keys[2..]);
    assert!(keys[0].ends_with("-0") && keys[1].ends_with("-1") && keys[0].len() == 66, "{keys:?}");
}

#[test]
fn what_is_not_listed_is_refused_and_named() {
    let (port, requests) = server(OK);
    let at = |host: &str| format!("http://{host}:{port}");
    let other = if port == 1000 { 1001 } else { 1000 };
    let cases = [
        (at("127.0.0.1"), String::new(), at("127.0.0.1")),
        // Another port, scheme, name of the same host, or user.
        (at("127.0.0.1"), format!("http://127.0.0.1:{other}"), at("127.0.0.1")),
        (at("127.0.0.1"), format!("https://127.0.0.1:{port}"), at("127.0.0.1")),
        (at("127.0.0.1"), format!("tcp://127.0.0.1:{port}"), at("127.0.0.1")),
        (at("127.0.0.1"), at("localhost"), at("127.0.0.1")),
        (at("localhost"), at("127.0.0.1"), at("localhost")),
        (at("127.0.0.1."), at("127.0.0.1"), at("127.0.0.1.")),
        (at("0x7f.1"), at("127.0.0.1"), at("0x7f.1")),
        (at("2130706433"), at("127.0.0.1"), at("2130706433")),
        // A name that stands for this node, as any name may.
        (at("localhost"), at("localhost"), at("127.0.0.1")),
        // The address in another form.
        (at("[::ffff:127.0.0.1]"), String::new(), at("127.0.0.1")),
        // A cloud's metadata, in all forms of its address.
        (at("169.254.169.254"), at("127.0.0.1"), at("169.254.169.254")),
        (at("[::ffff:169.254.169.254]"), at("127.0.0.1"), at("169.254.169.254")),
        (at("[::ffff:a9fe:a9fe]"), at("127.0.0.1"), at("169.254.169.254")),
        (at("2852039166"), at("127.0.0.1"), at("2852039166")),
        (at("0xa9fea9fe"), at("127.0.0.1"), at("0xa9fea9fe")),
        (at("0251.0376.0251.0376"), at("127.0.0.1"), at("0251.0376.0251.0376")),
        (at("169.254.43518"), at("127.0.0.1"), at("169.254.43518")),
        (at("[fd00:ec2::254]"), at("127.0.0.1"), at("[fd00:ec2::254]")),
        (at("[fe80::1]"), at("127.0.0.1"), at("[fe80::1]")),
    ];
    for (url, allow, named) in cases {
        let output = start(&url, limits(&allow, DEADLINE));
        let (answer, log) = deliver(&output, b"app");
        assert!(answer.starts_with("retry: "), "{url} with {allow}: {answer}");
        let line = format!("to allow it, add {named} to `allow`\n");
        assert!(log.contains(&line), "{url} with {allow}: {log}, and not {line}");
    }
    let both = format!("{}, {}", at("localhost"), at("127.0.0.1"));
    for (url, allow) in [
        (at("localhost"), both.as_str()),
        (at("LocalHost"), &both),
        (at("[::ffff:127.0.0.1]"), &at("127.0.0.1")),
    ] {
        assert!(requests.try_recv().is_err(), "before {url}");
        let output = start(&url, limits(allow, DEADLINE));
        assert_eq!(deliver(&output, b"app").0, "ok", "{url} with {allow}");
        assert_eq!(requests.try_iter().count(), 2, "{url} with {allow}");
    }
    // Whoever names a user there would have another host in the request.
    let output = start(&at("127.0.0.1:80@127.0.0.1"), limits(&at("127.0.0.1"), DEADLINE));
    assert!(deliver(&output, b"app").0.starts_with("retry: "));
    assert!(requests.try_recv().is_err());
}

/// None of these is reached by a name, and each is if the list has it.
#[test]
fn guarded_addresses() {
    let guarded = [
        "127.0.0.1",
        "127.255.255.254",
        "0.0.0.0",
        "0.1.2.3",
        "169.254.169.254",
        "169.254.170.2",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "192.0.0.192",
        "168.63.129.16",
        "100.100.100.200",
        "::",
        "::1",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "ff02::1",
        "fd00:ec2::254",
        "fd20:ce::254",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::1",
        "2001:0:1:2:3:4:5:6",
    ];
    let open = [
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "192.0.2.1",
        "100.100.100.201",
        "8.8.8.8",
        "2001:db8::1",
        "fd00::1",
        "2606:4700::1",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
        "2002:808:808::1",
    ];
    let list = |text: &str| Network { allowed: Network::parse_list(text).expect("a list"), ca_file: None };
    let named = list("https://logs.example.com");
    for (addresses, expected) in [(&guarded[..], false), (&open, true)] {
        for text in addresses {
            let address: IpAddr = text.parse().expect("an address");
            assert_eq!(named.allows_address(&named.allowed[0], address), expected, "{text}");
            let shown = if text.contains(':') { format!("[{text}]") } else { (*text).to_owned() };
            let listed = list(&format!("https://logs.example.com https://{shown}:443"));
            assert!(listed.allows_address(&listed.allowed[0], address), "{text}, listed");
            let elsewhere = list(&format!("https://logs.example.com https://{shown}:444 http://{shown}:443"));
            assert_eq!(
                elsewhere.allows_address(&elsewhere.allowed[0], address),
                expected,
                "{text}, elsewhere"
            );
        }
    }
}

#[test]
fn lists_say_what_is_wrong() {
    let shown = |text| {
        Network::parse_list(text).map(|list| list.iter().map(|one| format!("{one} ")).collect::<String>())
    };
    let fine = "https://Logs.Example.com/,http://a:8080  https://[2001:DB8:0::1]:8443 tcp://10.0.0.5:9000";
    let expected =
        "https://logs.example.com:443 http://a:8080 https://[2001:db8::1]:8443 tcp://10.0.0.5:9000 ";
    assert_eq!(shown(fine).expect("a list"), expected);
    let wrong = [
        ("logs.example.com", "SCHEME://HOST:PORT"),
        ("ftp://a", "the scheme is http, https or tcp"),
        ("https://*.example.com", "there are no wildcards"),
        ("https://", "SCHEME://HOST:PORT"),
        ("https://a/path", "SCHEME://HOST:PORT"),
        ("https://a:443//", "the port is a number"),
        ("https://a:0", "the port is a number"),
        ("https://a:65536", "the port is a number"),
        ("https://user@a", "SCHEME://HOST:PORT"),
        ("https://127.1", "SCHEME://HOST:PORT"),
        ("https://2130706433", "SCHEME://HOST:PORT"),
        ("https://[::1", "SCHEME://HOST:PORT"),
        ("https://[a]:1", "SCHEME://HOST:PORT"),
        ("tcp://10.0.0.5", "the port is a number"),
        ("tcp://a:1", "the host of tcp is an IP address"),
    ];
    for (text, expected) in wrong {
        let error = Network::parse_list(text).map(|list| format!("{list:?}"));
        let error = error.expect_err(text).to_string();
        assert!(error.contains(text) && error.contains(expected), "{text}: {error}");
    }
}

/// Redirects are for components to follow, and this one does not.
#[test]
fn answers_of_servers() {
    let cases = [
        ("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", "retry", "status 503"),
        ("HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n", "refuse", "status 400"),
        (
            "HTTP/1.1 302 No\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n",
            "refuse",
            "status 302",
        ),
        ("nonsense\r\n\r\n", "retry", "127.0.0.1"),
        ("", "retry", "127.0.0.1"),
    ];
    for (answer, expected, reason) in cases {
        let (port, _requests) = server(answer);
        let url = format!("http://127.0.0.1:{port}/");
        let output = start(&url, limits(&url[..url.len() - 1], DEADLINE));
        let (answered, _) = deliver(&output, b"app");
        assert!(answered.starts_with(expected) && answered.contains(reason), "{answer:?}: {answered}");
    }
    let closed =
        TcpListener::bind(("127.0.0.1", 0)).expect("a port").local_addr().expect("an address").port();
    let url = format!("http://127.0.0.1:{closed}");
    let (answered, log) = deliver(&start(&url, limits(&url, DEADLINE)), b"app");
    assert!(answered.contains("the connection failed"), "{answered}");
    assert!(log.contains(&format!("{url}: connection error: Connection refused")), "{log}");
}

/// The component still answers: its instance goes on.
#[test]
fn a_server_that_hangs_leaves_time_to_answer() {
    let (port, _requests) = server("nothing");
    let url = format!("http://127.0.0.1:{port}");
    let output = start(&url, limits(&url, Duration::from_secs(2)));
    let begun = Instant::now();
    let (answered, log) = deliver(&output, b"app");
    assert!(answered.ends_with("no response in time"), "{answered}");
    assert!(!log.contains("ended"), "{log}");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[test]
fn tcp_by_address() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = listener.local_addr().expect("an address");
    let start = |allow: &str| {
        output::start(&component("out_faulty.wasm"), limits(allow, DEADLINE), None, |_| None, &mut Vec::new())
            .expect("started")
    };
    let tag = format!("tcp {address}");
    assert_eq!(deliver(&start(&format!("tcp://{address}")), tag.as_bytes()).0, "ok");
    for allow in ["tcp://127.0.0.1:1", &format!("http://{address}")] {
        let (answer, log) = deliver(&start(allow), tag.as_bytes());
        assert!(answer.starts_with("refuse: "), "{allow}: {answer}");
        let is_named = log.contains(&format!("add tcp://{address} to `allow`"));
        assert!(is_named || allow.starts_with("http"), "{allow}: {log}");
    }
    // No name is looked up.
    let names = start(&format!("tcp://{address}"));
    let tag = format!("tcp localhost:{}", address.port());
    assert!(deliver(&names, tag.as_bytes()).0.starts_with("refuse: "));
}

#[test]
fn secrets_are_handed_on_and_never_shown() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("token");
    let source = file.display().to_string();
    let start = |values: &[(&str, &str)], name: &str, lines: &mut Vec<(_, String)>| {
        let get =
            |name: &str| values.iter().find(|(of, _)| *of == name).map(|(_, value)| (*value).to_owned());
        output::start(&component(name), limits("http://127.0.0.1:1", DEADLINE), None, get, lines)
            .map(|_| ())
            .map_err(|error| format!("{error:#}"))
    };
    let mut lines = Vec::new();
    // The component itself says what it was given.
    fs::write(&file, "s3cret-of-a-test\n").expect("written");
    let error = start(&[("secret.init", &source)], "out_faulty.wasm", &mut lines).expect_err("refused");
    assert_eq!(error, "init: property config.init: [secret.init]".trim_start_matches("init: "));
    fs::write(&file, "first line of it\nsecond \"line\" of it\n").expect("written");
    let error = start(&[("secret.init", &source)], "out_faulty.wasm", &mut lines).expect_err("refused");
    assert_eq!(error, "property config.init: [secret.init]");
    assert!(lines.iter().all(|(_, line)| !line.contains("line")), "{lines:?}");
    let error = start(&[("secret.init", "env:PATH")], "out_faulty.wasm", &mut lines).expect_err("refused");
    assert_eq!(error, "property config.init: [secret.init]");
    let nothing = directory.path().join("nothing").display().to_string();
    let empty = directory.path().join("empty").display().to_string();
    fs::write(&empty, "\n").expect("written");
    let wrong = [
        (vec![("secret.init", nothing.as_str())], "property secret.init: /"),
        (vec![("secret.init", empty.as_str())], "empty"),
        (
            vec![("secret.init", "env:NO_SUCH_NAME")],
            "property secret.init: no environment variable NO_SUCH_NAME",
        ),
        (vec![("secret.init", &source), ("config.init", "a")], "there is config.init as well"),
    ];
    for (values, expected) in wrong {
        let error = start(&values, "out_faulty.wasm", &mut lines).expect_err(expected);
        assert!(error.contains(expected), "{error}, and not {expected}");
    }
    // It arrives.
    let (port, requests) = server("HTTP/1.1 401 s3cret-of-a-test\r\nContent-Length: 0\r\n\r\n");
    fs::write(&file, "s3cret-of-a-test\n").expect("written");
    let url = format!("http://127.0.0.1:{port}");
    let get = |name: &str| match name {
        "config.url" => Some(format!("{url}/s3cret-of-a-test")),
        "secret.token" => Some(source.clone()),
        _ => None,
    };
    let output =
        output::start(&component("out_http.wasm"), limits(&url, DEADLINE), None, get, &mut Vec::new())
            .expect("started");
    let (answer, log) = deliver(&output, b"app");
    assert_eq!(answer, format!("retry: {url}/[secret.token]: status 401"));
    assert!(!log.contains("s3cret"), "{log}");
    let head = requests.recv().expect("a request").0;
    assert!(head.contains("authorization: Bearer s3cret-of-a-test\r\n"), "{head}");
}
