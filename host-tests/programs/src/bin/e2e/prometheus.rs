//! A Prometheus with the shipped rules. It scrapes a Fluent Bit and the output of `verify
//! --metrics`.

use crate::case::{Place, Skipped};
use crate::poll;
use anyhow::{Context, Result, ensure};
use host_tests::root;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// A running Prometheus, which ends on drop.
pub(crate) struct Prometheus {
    child: Child,
    port: u16,
}

/// Returns a free port.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// Serves a file as node_exporter would, on its own port. The thread ends with the
/// program.
pub(crate) fn serve(file: PathBuf) -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that asks again gets an answer then.
            let _ = answer(stream, &file);
        }
    });
    Ok(port)
}

fn answer(mut stream: TcpStream, file: &Path) -> Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let text = fs::read_to_string(file).unwrap_or_default();
    // In the text format, the end mark of OpenMetrics is only a comment.
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
        text.len()
    )?;
    Ok(())
}

impl Prometheus {
    /// Starts Prometheus. Each target has the name of a job, a port and a path.
    pub(crate) fn start(place: &Place, targets: &[(&str, u16, &str)]) -> Result<Self> {
        let jobs = targets.iter().map(|(name, port, path)| {
            format!(
                "  - job_name: {name}\n    metrics_path: {path}\n    static_configs: [{{targets: ['127.0.0.1:{port}']}}]\n"
            )
        });
        let rules = root().join("examples/monitoring/rules.yaml");
        let config = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: ['{}']\nscrape_configs:\n{}",
            rules.display(),
            jobs.collect::<String>()
        );
        fs::write(place.at("prometheus.yml"), config)?;
        let port = free_port()?;
        let log = File::create(place.at("prometheus.log"))?;
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", place.at("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", place.at("prometheus").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|_| Skipped("prometheus is not installed (Debian: prometheus)"))?;
        let prometheus = Prometheus { child, port };
        let is_up = |answer: Value| {
            let up = answer["data"]["result"].as_array()?.iter().filter(|one| one["value"][1] == "1").count();
            (up == targets.len()).then_some(())
        };
        poll::until(
            "all targets",
            || Ok(prometheus.query("up").ok().and_then(is_up)),
            || format!("{:?}", prometheus.query("up")),
        )?;
        Ok(prometheus)
    }

    fn get(&self, path: &str) -> Result<Value> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (_, body) = answer.split_once("\r\n\r\n").context("no answer")?;
        let answer: Value = serde_json::from_str(body).with_context(|| format!("{path}: {body:.300}"))?;
        ensure!(answer["status"] == "success", "{path}: {answer}");
        Ok(answer)
    }

    /// Runs a query.
    pub(crate) fn query(&self, query: &str) -> Result<Value> {
        let escaped: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
        self.get(&format!("/api/v1/query?query={escaped}"))
    }

    /// Returns the firing alerts.
    pub(crate) fn firing(&self) -> Result<BTreeSet<String>> {
        let answer = self.get("/api/v1/alerts")?;
        let alerts = answer["data"]["alerts"].as_array().context("no alerts")?;
        let firing = alerts.iter().filter(|alert| alert["state"] == "firing");
        Ok(firing.filter_map(|alert| alert["labels"]["alertname"].as_str()).map(str::to_owned).collect())
    }

    /// Waits until exactly these alerts fire, and still fire a few scrapes later.
    pub(crate) fn wait_for_alerts(&self, expected: &[&str]) -> Result<()> {
        let expected: BTreeSet<String> = expected.iter().map(|name| (*name).to_owned()).collect();
        let what = format!("the alerts {expected:?}");
        poll::until(
            &what,
            || {
                if self.firing()? != expected {
                    return Ok(None);
                }
                thread::sleep(Duration::from_secs(4));
                Ok((self.firing()? == expected).then_some(()))
            },
            || format!("{:?} fire", self.firing()),
        )
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
