//! `https` from a component to servers with good certificates and bad ones. `openssl`
//! makes the certificates.

use super::{DEADLINE, OK, Request, deliver, exchange, limits, start};
use flb_audit_host::component::Limits;
use flb_audit_host::network::Network;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// A directory with authorities and the certificates that they have issued.
struct Certificates(TempDir);

impl Certificates {
    /// Returns `None` if `openssl` is not installed.
    fn new() -> Option<Certificates> {
        if Command::new("openssl").arg("version").output().is_err() {
            eprintln!("skipped: openssl is not installed");
            return None;
        }
        Some(Certificates(tempfile::tempdir().expect("a directory")))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn openssl(&self, arguments: &str) {
        let mut command = Command::new("openssl");
        let output = command.args(arguments.split(' ')).current_dir(self.0.path()).output().expect("openssl");
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Makes an authority: `NAME.pem` and `NAME.key`.
    fn authority(&self, name: &str) {
        self.openssl(&format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN={name} \
             -keyout {name}.key -out {name}.pem"
        ));
    }

    /// Issues a certificate for some names: `FILE.pem` and `FILE.key`. With 0 days, it has
    /// expired one second later.
    fn issue(&self, authority: &str, file: &str, names: &str, days: u32) {
        self.openssl(&format!(
            "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=server -keyout {file}.key \
             -out {file}.csr"
        ));
        fs::write(self.path("extensions"), format!("subjectAltName={names}\n")).expect("written");
        self.openssl(&format!(
            "x509 -req -in {file}.csr -CA {authority}.pem -CAkey {authority}.key -CAcreateserial \
             -days {days} -extfile extensions -out {file}.pem"
        ));
    }

    /// Starts a server with a certificate. Returns its port, and the requests that arrive.
    fn server(&self, file: &str, answer: &'static str) -> (u16, Receiver<Request>) {
        let chain = CertificateDer::from_pem_file(self.path(&format!("{file}.pem"))).expect("a certificate");
        let key = PrivateKeyDer::from_pem_file(self.path(&format!("{file}.key"))).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.expect("versions").with_no_client_auth().with_single_cert(vec![chain], key);
        let config = Arc::new(config.expect("a server"));
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (came, requests) = channel();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let connection = ServerConnection::new(Arc::clone(&config)).expect("a connection");
                // A client that refuses the certificate breaks off.
                let _ = exchange(StreamOwned::new(connection, stream), answer, &came);
            }
        });
        (port, requests)
    }
}

fn trusting(allow: &str, authority: Option<&Path>) -> Limits {
    let limits = limits(allow, DEADLINE);
    let network = Network { ca_file: authority.map(Path::to_path_buf), ..limits.network };
    Limits { network, ..limits }
}

#[test]
fn certificates_are_checked() {
    let Some(certificates) = Certificates::new() else {
        return;
    };
    certificates.authority("good");
    certificates.authority("other");
    certificates.issue("good", "named", "DNS:localhost,IP:127.0.0.1", 1);
    certificates.issue("good", "elsewhere", "DNS:logs.example.com", 1);
    certificates.issue("good", "nameless", "DNS:localhost", 1);
    certificates.issue("good", "expired", "DNS:localhost,IP:127.0.0.1", 0);
    thread::sleep(Duration::from_millis(1100));
    let (good, other) = (certificates.path("good.pem"), certificates.path("other.pem"));
    // The certificate, the host in the URL, the authority that is trusted, and the words
    // of the log if the certificate is refused.
    let cases = [
        ("named", "localhost", &good, None),
        ("named", "127.0.0.1", &good, None),
        ("named", "localhost", &other, Some("UnknownIssuer")),
        ("elsewhere", "localhost", &good, Some("not valid for name \"localhost\"")),
        ("nameless", "127.0.0.1", &good, Some("not valid for name")),
        ("expired", "localhost", &good, Some("expired")),
    ];
    for (file, host, authority, refusal) in cases {
        let what = format!("{file} at {host} by {}", authority.display());
        let (port, requests) = certificates.server(file, OK);
        let url = format!("https://{host}:{port}");
        let allow = format!("{url} https://127.0.0.1:{port}");
        let output = start(&format!("{url}/in"), trusting(&allow, Some(authority)));
        let (answer, log) = deliver(&output, b"app");
        match refusal {
            None => {
                assert_eq!(answer, "ok", "{what}: {log}");
                // One for each record.
                assert_eq!(requests.try_iter().count(), 2, "{what}");
            }
            Some(words) => {
                assert!(answer.starts_with("retry: ") && answer.contains("TLS failed"), "{what}: {answer}");
                assert!(log.contains(&url) && log.contains(words), "{what}: {log}, and not {words}");
                assert!(requests.try_recv().is_err(), "{what}: records were sent");
            }
        }
    }
    // A server that does not speak TLS gets no record in the clear.
    let (port, requests) = super::server(OK);
    let url = format!("https://127.0.0.1:{port}");
    let (answer, _) = deliver(&start(&url, trusting(&url, Some(&good))), b"app");
    assert!(answer.starts_with("retry: "), "{answer}");
    assert!(requests.try_recv().is_err(), "records were sent");
}

/// The system's authorities do not include the one that the test has made. A machine
/// without any authorities refuses to start.
#[test]
fn an_authority_has_to_be_named() {
    let Some(certificates) = Certificates::new() else {
        return;
    };
    certificates.authority("good");
    certificates.issue("good", "named", "IP:127.0.0.1", 1);
    let (port, requests) = certificates.server("named", OK);
    let url = format!("https://127.0.0.1:{port}");
    let get = |name: &str| (name == "config.url").then(|| url.clone());
    let component = super::component("out_http.wasm");
    let started = flb_audit_host::output::start(&component, trusting(&url, None), None, get, &mut Vec::new());
    match started {
        Ok(output) => {
            let (answer, log) = deliver(&output, b"app");
            assert!(answer.contains("TLS failed") && log.contains("UnknownIssuer"), "{answer}: {log}");
        }
        Err(error) => assert!(format!("{error:#}").contains("install ca-certificates"), "{error:#}"),
    }
    assert!(requests.try_recv().is_err(), "records were sent");
}

/// A server that is allowed sends a component elsewhere. Nothing connects there.
#[test]
fn redirects_are_not_followed() {
    let Some(certificates) = Certificates::new() else {
        return;
    };
    certificates.authority("good");
    certificates.issue("good", "named", "IP:127.0.0.1", 1);
    let (elsewhere, arrived) = super::server(OK);
    let answer =
        format!("HTTP/1.1 307 There\r\nLocation: http://127.0.0.1:{elsewhere}/\r\nContent-Length: 0\r\n\r\n");
    let (port, requests) = certificates.server("named", answer.leak());
    let url = format!("https://127.0.0.1:{port}");
    let good = certificates.path("good.pem");
    let (answer, _) = deliver(&start(&url, trusting(&url, Some(&good))), b"app");
    assert!(answer.starts_with("refuse: ") && answer.contains("status 307"), "{answer}");
    assert_eq!(requests.try_iter().count(), 1);
    assert!(arrived.try_recv().is_err(), "the redirect was followed");
}
