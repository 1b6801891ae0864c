//! HTTP requests of a component: `wasi:http/outgoing-handler`, to listed destinations only.

use super::Level;
use crate::log::{self, Line};
use crate::network::{Destination, Network, Scheme};
use anyhow::Context;
use http_body_util::BodyExt;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout_at;
use tokio_rustls::TlsConnector;
use wasmtime_wasi_http::io::TokioIo;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

type Request = http::Request<WasiBody>;
type Response = http::Response<WasiBody>;
/// The rest of an exchange, behind the response's head.
type Rest = Box<dyn Future<Output = Result<(), Error>> + Send>;

/// Makes the connections of all instances.
pub(super) struct Client {
    network: Network,
    /// `None` if no destination has TLS.
    tls: Option<TlsConnector>,
}

/// The requests of an instance.
pub(super) struct Requests {
    client: Arc<Client>,
    pub(super) notes: Notes,
    /// When the requests of the running call have to be over.
    due: Instant,
}

/// Lines about connections, for the log.
#[derive(Clone, Default)]
pub(super) struct Notes(Arc<Mutex<Vec<Line>>>);

/// A stream below HTTP.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Client {
    pub(super) fn new(network: Network) -> anyhow::Result<Client> {
        let tls = network.has(Scheme::Https).then(|| trust(&network)).transpose()?;
        Ok(Client { network, tls })
    }

    pub(super) fn network(&self) -> &Network {
        &self.network
    }
}

/// Trusts the authorities that the system trusts, and those that the operator has added.
fn trust(network: &Network) -> anyhow::Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(system.certs);
    if let Some(path) = &network.ca_file {
        let name = path.display();
        let wrong = || format!("property ca_file: {name}: no certificates in PEM");
        let certificates: Result<Vec<_>, _> =
            CertificateDer::pem_file_iter(path).with_context(wrong)?.collect();
        let (added, _) = roots.add_parsable_certificates(certificates.with_context(wrong)?);
        anyhow::ensure!(added > 0, wrong());
    }
    anyhow::ensure!(
        !roots.is_empty(),
        "property allow: https needs certificates of authorities: install ca-certificates, or set ca_file"
    );
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let config = config.with_root_certificates(roots).with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

impl Notes {
    /// Adds a line, unless the call has it already.
    pub(super) fn push(&self, level: Level, line: &str) {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut new = Vec::new();
        log::push(&mut new, level, line);
        if notes.len() < log::LINES_MAX && new.iter().any(|line| !notes.contains(line)) {
            notes.append(&mut new);
        }
    }

    pub(super) fn take(&self) -> Vec<Line> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Says that a destination is not allowed, and how to allow it.
pub(super) fn refusal(destination: &Destination) -> String {
    format!("the connection to {destination} was refused: to allow it, add {destination} to `allow`")
}

impl Requests {
    pub(super) fn new(client: Arc<Client>) -> Requests {
        Requests { client, notes: Notes::default(), due: Instant::now() }
    }

    /// Begins a call. Its requests fail while there is still time to answer.
    pub(super) fn begin(&mut self, limit: Duration) {
        self.due = Instant::now() + limit * 3 / 4;
    }
}

impl WasiHttpHooks for Requests {
    fn send_request(
        &mut self,
        request: Request,
        options: Option<RequestOptions>,
        _body_result: Rest,
    ) -> Box<dyn Future<Output = Result<(Response, Rest), Error>> + Send> {
        let (client, notes, due) = (Arc::clone(&self.client), self.notes.clone(), self.due);
        Box::new(async move {
            let destination = destination(&request).ok_or(Error::HttpRequestUriInvalid)?;
            let sent = client.send(&destination, request, options.unwrap_or_default(), due, &notes).await;
            if let Err(error) = &sent
                && !matches!(error, Error::HttpRequestDenied | Error::DestinationIpProhibited)
            {
                notes.push(Level::Warn, &format!("{destination}: {error}"));
            }
            sent
        })
    }
}

/// Returns where a request goes to. `None` if that is not plain.
fn destination(request: &Request) -> Option<Destination> {
    let uri = request.uri();
    let scheme = if *uri.scheme()? == http::uri::Scheme::HTTPS { Scheme::Https } else { Scheme::Http };
    let authority = uri.authority()?;
    // A user before the host would go along in the header `Host`.
    let is_plain = !authority.as_str().contains('@') && request.method() != http::Method::CONNECT;
    let default = if scheme == Scheme::Https { 443 } else { 80 };
    let port = match authority.port() {
        Some(port) => port.as_str().parse().ok()?,
        None => default,
    };
    is_plain.then(|| Destination::new(scheme, authority.host(), port))
}

impl Client {
    async fn send(
        &self,
        destination: &Destination,
        mut request: Request,
        options: RequestOptions,
        due: Instant,
        notes: &Notes,
    ) -> Result<(Response, Rest), Error> {
        if !self.network.allows(destination) {
            notes.push(Level::Error, &refusal(destination));
            return Err(Error::HttpRequestDenied);
        }
        let within = |own: Option<Duration>| {
            let own = own.and_then(|own| Instant::now().checked_add(own));
            tokio::time::Instant::from_std(own.map_or(due, |own| own.min(due)))
        };
        let connecting = async {
            let stream = self.connect(destination, notes).await?;
            let parts = hyper::client::conn::http1::handshake::<_, WasiBody>(TokioIo::new(stream));
            Ok::<_, Error>(parts.await?)
        };
        let connected = timeout_at(within(options.connect_timeout), connecting).await;
        let (mut sender, connection) = connected.map_err(|_| Error::ConnectionTimeout)??;
        // An absolute address in the request's line is for proxies.
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        *request.uri_mut() = path.parse().map_err(|_| Error::HttpRequestUriInvalid)?;
        // The connection is left when the time is over, whatever is read from it then.
        let connection = wasmtime_wasi::runtime::spawn(timeout_at(within(None), connection));
        let response = timeout_at(within(options.first_byte_timeout), sender.send_request(request)).await;
        let response = response.map_err(|_| Error::ConnectionReadTimeout)??;
        let rest = async move {
            let _ = connection.await;
            Ok(())
        };
        Ok((response.map(|body| body.map_err(Error::from).boxed_unsync()), Box::new(rest)))
    }

    /// Connects to the first address of the host that may be reached, and can be.
    async fn connect(&self, destination: &Destination, notes: &Notes) -> Result<Box<dyn Stream>, Error> {
        let Destination { host, port, .. } = destination;
        let found = tokio::net::lookup_host((host.as_str(), *port)).await;
        let addresses: Vec<SocketAddr> = found
            .map_err(|error| {
                notes.push(Level::Warn, &format!("{destination}: no address: {error}"));
                Error::DnsError { rcode: None, info_code: None }
            })?
            .collect();
        let (allowed, refused): (Vec<_>, Vec<_>) =
            addresses.into_iter().partition(|address| self.network.allows_address(destination, address.ip()));
        if let (true, Some(address)) = (allowed.is_empty(), refused.first()) {
            let at = destination.at(address.ip());
            notes.push(
                Level::Error,
                &format!("{destination} has the address {}: {}", address.ip(), refusal(&at)),
            );
            return Err(Error::DestinationIpProhibited);
        }
        // The first of those that accepts.
        let stream = TcpStream::connect(&allowed[..]).await.map_err(Error::Connect)?;
        let _ = stream.set_nodelay(true);
        match (&self.tls, destination.scheme) {
            (Some(tls), Scheme::Https) => {
                let name = ServerName::try_from(host.clone()).map_err(|_| Error::HttpRequestUriInvalid)?;
                Ok(Box::new(tls.connect(name, stream).await.map_err(Error::Tls)?))
            }
            (None, Scheme::Https) => Err(Error::TlsProtocolError),
            _ => Ok(Box::new(stream)),
        }
    }
}
