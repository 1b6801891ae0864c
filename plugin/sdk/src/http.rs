//! HTTP requests, to destinations that the operator has allowed.
//!
//! The host makes a connection for each request, checks certificates, and refuses what is
//! not in the property `allow`. All requests of a call fail when three quarters of its
//! deadline are over, so that there is time left to answer.

use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingResponse, Method, OutgoingBody, OutgoingRequest, Scheme,
};

/// The amount of a response's body that is read, in bytes.
pub const BODY_BYTES_MAX: usize = 64 << 10;
/// The amount that streams take at a time, in bytes.
const PIECE_BYTES: usize = 4096;

/// An answer to a request.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status, such as 200.
    pub status: u16,
    /// The start of the body, up to [`BODY_BYTES_MAX`].
    pub body: Vec<u8>,
}

/// Sends a `POST` to a URL, `https://HOST:PORT/PATH` or with `http`, and waits for the
/// response. `Content-Length` is set. An error is a text for the log; the request may have
/// arrived nevertheless.
pub fn post(url: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Response, String> {
    let request = request(url, headers, body.len())?;
    let outgoing = request.body().map_err(|()| "the request has no body".to_owned())?;
    let response = outgoing_handler::handle(request, None).map_err(shown)?;
    // If this fails, the response says why.
    let written = write(outgoing, body);
    response.subscribe().block();
    match response.get() {
        Some(Ok(Ok(response))) => Ok(Response { status: response.status(), body: read(&response) }),
        Some(Ok(Err(error))) => Err(shown(error)),
        Some(Err(())) | None => Err(written.err().unwrap_or_else(|| "no response".to_owned())),
    }
}

fn request(url: &str, headers: &[(&str, &str)], len: usize) -> Result<OutgoingRequest, String> {
    let wrong = |()| format!("`{url}` is not a URL, such as https://logs.example.com/ingest");
    let (scheme, rest) = url.split_once("://").ok_or(()).map_err(wrong)?;
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => return Err(wrong(())),
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let fields = Fields::new();
    let len = len.to_string();
    for (name, value) in headers.iter().chain(&[("content-length", len.as_str())]) {
        // The value may be a secret.
        let refused = |error| format!("the header {name}: {error:?}");
        fields.append(name, value.as_bytes()).map_err(refused)?;
    }
    let request = OutgoingRequest::new(fields);
    request.set_method(&Method::Post).map_err(wrong)?;
    request.set_scheme(Some(&scheme)).map_err(wrong)?;
    request.set_authority(Some(authority)).map_err(wrong)?;
    request.set_path_with_query(Some(if path.is_empty() { "/" } else { path })).map_err(wrong)?;
    Ok(request)
}

fn write(outgoing: OutgoingBody, body: &[u8]) -> Result<(), String> {
    let stream = outgoing.write().map_err(|()| "the request has no body".to_owned())?;
    for piece in body.chunks(PIECE_BYTES) {
        stream.blocking_write_and_flush(piece).map_err(|error| error.to_string())?;
    }
    drop(stream);
    OutgoingBody::finish(outgoing, None).map_err(shown)
}

/// Reads a body until it ends, or breaks off: the status is known.
fn read(response: &IncomingResponse) -> Vec<u8> {
    let mut bytes = Vec::new();
    let Ok(incoming) = response.consume() else {
        return bytes;
    };
    if let Ok(stream) = incoming.stream() {
        while bytes.len() < BODY_BYTES_MAX
            && let Ok(piece) = stream.blocking_read(PIECE_BYTES as u64)
        {
            bytes.extend(piece);
        }
    }
    bytes
}

fn shown(error: ErrorCode) -> String {
    match error {
        ErrorCode::HttpRequestDenied => "the property `allow` does not have the destination".to_owned(),
        ErrorCode::DestinationIpProhibited => "the property `allow` does not have the address".to_owned(),
        ErrorCode::ConnectionRefused => "the connection failed".to_owned(),
        ErrorCode::ConnectionTimeout => "no connection in time".to_owned(),
        ErrorCode::ConnectionReadTimeout => "no response in time".to_owned(),
        ErrorCode::TlsProtocolError => "TLS failed".to_owned(),
        other => format!("{other:?}"),
    }
}
