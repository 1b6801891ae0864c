//! Objects in stores: lists them, and reads them to their ends.

use super::address::{Address, Kind, WebAddress};
use super::keys::KeyPattern;
use anyhow::{Context, Result, anyhow, bail};
use futures_util::stream::{BoxStream, empty};
use futures_util::{StreamExt, TryStreamExt};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::http::HttpBuilder;
use object_store::path::Path as Key;
use object_store::{
    ClientConfigKey, ClientOptions, Error, GetOptions, GetRange, ObjectMeta, ObjectStore, RetryConfig,
};
use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};
use std::collections::HashMap;
use std::io::{self, BufRead, Cursor, Read};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::runtime::{Builder, Runtime};

/// The maximum number of retries of a request. The waits between them grow to 15 seconds.
const RETRIES_MAX: usize = 8;
/// The maximum time without a byte of a response.
const READ_TIMEOUT: &str = "60s";
/// The maximum time for a whole response. It is long, because objects are read only as
/// fast as they are verified.
const ANSWER_TIMEOUT: &str = "7days";
/// The number of threads that wait for the network.
const NETWORK_THREADS: usize = 2;

/// The period from which keys with a date are read, in seconds since 1970.
pub(super) type Period = RangeInclusive<u64>;

/// The stores that a command line names, each opened once.
#[derive(Default)]
pub(super) struct Stores {
    runtime: Option<Arc<Runtime>>,
    by_root: HashMap<String, Arc<Store>>,
}

/// One store: a bucket, or the address of a page.
struct Store {
    objects: Box<dyn ObjectStore>,
    runtime: Arc<Runtime>,
    /// The scheme and the bucket. For a web page: its address without secrets.
    root: String,
    web: Option<WebAddress>,
}

/// An object that is to be read.
pub(super) struct Object {
    store: Arc<Store>,
    key: Key,
    /// The length in bytes and the ETag, as the store listed them.
    listed: Option<(u64, Option<String>)>,
    version: Option<String>,
}

impl Stores {
    /// Returns the objects at an address, in the order of their keys. Objects whose keys
    /// have a date outside of `period` are left out.
    pub(super) fn list(&mut self, address: Address, period: Option<&Period>) -> Result<Vec<Object>> {
        match address {
            Address::Web(web) => {
                let (runtime, root) = (self.runtime()?, web.to_string());
                let objects = web_store(&web).map_err(|error| anyhow!("{root}: {}", said(&error)))?;
                let store = Arc::new(Store { objects, runtime, root, web: Some(web) });
                Ok(vec![Object { store, key: Key::default(), listed: None, version: None }])
            }
            Address::Bucket { kind, root, keys, version } => {
                let store = self.bucket(kind, &root)?;
                let named = || format!("{root}/{}", keys.text());
                let listed = store.clone().list(&keys, version, period);
                let listed = listed.map_err(|error| anyhow!("{}: {}", named(), said(&error)))?;
                if listed.is_empty() {
                    bail!("{}: no such object", named());
                }
                Ok(listed)
            }
        }
    }

    fn runtime(&mut self) -> Result<Arc<Runtime>> {
        if let Some(runtime) = &self.runtime {
            return Ok(runtime.clone());
        }
        // It is already installed if a caller of this library has chosen one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = Builder::new_multi_thread().worker_threads(NETWORK_THREADS).enable_all().build();
        Ok(self
            .runtime
            .insert(Arc::new(runtime.context("threads for the network cannot be started")?))
            .clone())
    }

    fn bucket(&mut self, kind: Kind, root: &str) -> Result<Arc<Store>> {
        if let Some(store) = self.by_root.get(root) {
            return Ok(store.clone());
        }
        let runtime = self.runtime()?;
        let objects =
            bucket_store(kind, root).map_err(|error| anyhow!("{root}: {}{}", said(&error), remedy(kind)))?;
        let store = Arc::new(Store { objects, runtime, root: root.to_owned(), web: None });
        self.by_root.insert(root.to_owned(), store.clone());
        Ok(store)
    }
}

/// Returns what to do if a store cannot be opened, because the environment lacks what it is opened with.
fn remedy(kind: Kind) -> &'static str {
    const ACCOUNT: AzureConfigKey = AzureConfigKey::AccountName;
    let has_account = || MicrosoftAzureBuilder::from_env().get_config_value(&ACCOUNT).is_some();
    match kind {
        Kind::Azure if !has_account() => {
            "; set AZURE_STORAGE_ACCOUNT_NAME to the storage account that has the container (docs/fleet.md)"
        }
        _ => "",
    }
}

fn bucket_store(kind: Kind, root: &str) -> Result<Box<dyn ObjectStore>, Error> {
    let client = [(ClientConfigKey::Timeout, ANSWER_TIMEOUT), (ClientConfigKey::ReadTimeout, READ_TIMEOUT)];
    Ok(match kind {
        Kind::S3 => {
            let builder = AmazonS3Builder::from_env().with_url(root).with_retry(retries());
            let set = |builder: AmazonS3Builder, (key, value)| {
                builder.with_config(AmazonS3ConfigKey::Client(key), value)
            };
            Box::new(client.into_iter().fold(builder, set).build()?)
        }
        Kind::Google => {
            let builder = GoogleCloudStorageBuilder::from_env().with_url(root).with_retry(retries());
            let builder = builder.with_client_options(google_client());
            let set = |builder: GoogleCloudStorageBuilder, (key, value)| {
                builder.with_config(GoogleConfigKey::Client(key), value)
            };
            Box::new(client.into_iter().fold(builder, set).build()?)
        }
        Kind::Azure => {
            let builder = MicrosoftAzureBuilder::from_env().with_url(root).with_retry(retries());
            let set = |builder: MicrosoftAzureBuilder, (key, value)| {
                builder.with_config(AzureConfigKey::Client(key), value)
            };
            Box::new(client.into_iter().fold(builder, set).build()?)
        }
    })
}

/// Returns the options of the client for Google's store, including those from the
/// environment.
fn google_client() -> ClientOptions {
    // Without this, compressed objects come decompressed and without their lengths.
    let compressed = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("gzip"))]);
    let options = std::env::vars_os().filter_map(|(name, value)| {
        let key = name.to_str()?.strip_prefix("GOOGLE_")?.to_ascii_lowercase();
        Some((key.parse::<ClientConfigKey>().ok()?, value.into_string().ok()?))
    });
    let client = ClientOptions::new().with_default_headers(compressed);
    options.fold(client, |client, (key, value)| client.with_config(key, value))
}

fn web_store(web: &WebAddress) -> Result<Box<dyn ObjectStore>, Error> {
    let builder = HttpBuilder::new()
        .with_url(web.url.as_str())
        .with_retry(retries())
        .with_config(ClientConfigKey::Timeout, ANSWER_TIMEOUT)
        .with_config(ClientConfigKey::ReadTimeout, READ_TIMEOUT)
        .with_config(ClientConfigKey::AllowHttp, (web.url.scheme() == "http").to_string());
    Ok(Box::new(builder.build()?))
}

/// Returns an error's text on one line. The text has the error's causes and the store's
/// response.
fn said(error: &Error) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn retries() -> RetryConfig {
    RetryConfig { max_retries: RETRIES_MAX, ..RetryConfig::default() }
}

impl Store {
    fn list(
        self: Arc<Self>,
        keys: &KeyPattern,
        version: Option<String>,
        period: Option<&Period>,
    ) -> Result<Vec<Object>, Error> {
        let of = |meta: ObjectMeta, version| Object {
            store: self.clone(),
            key: meta.location,
            listed: Some((meta.size, meta.e_tag)),
            version,
        };
        if !keys.is_literal() {
            let mut listed = self.list_folder(keys.folder())?;
            listed.retain(|meta| is_wanted(keys, meta.location.as_ref(), period));
            return Ok(listed.into_iter().map(|meta| of(meta, None)).collect());
        }
        let key = Key::parse(keys.text())?;
        let options = GetOptions { head: true, version: version.clone(), ..GetOptions::default() };
        match self.runtime.block_on(self.objects.get_opts(&key, options)) {
            Ok(found) => Ok(vec![of(found.meta, version)]),
            Err(Error::NotFound { .. }) if version.is_none() => {
                Ok(self.list_folder(keys.text())?.into_iter().map(|meta| of(meta, None)).collect())
            }
            Err(error) => Err(error),
        }
    }

    /// Lists the objects below a folder. Empty objects are left out, because consoles
    /// create them as folders.
    fn list_folder(&self, folder: &str) -> Result<Vec<ObjectMeta>, Error> {
        let folder = Key::parse(folder)?;
        let folder = Some(&folder).filter(|folder| !folder.as_ref().is_empty());
        let mut listed = self.runtime.block_on(async {
            let mut listed = Vec::new();
            let mut objects = self.objects.list(folder);
            while let Some(meta) = objects.next().await {
                let meta = meta?;
                if meta.size > 0 {
                    listed.push(meta);
                }
            }
            Ok::<_, Error>(listed)
        })?;
        listed.sort_by(|one, other| one.location.cmp(&other.location));
        Ok(listed)
    }
}

/// Checks that a key matches and has no date outside of the period.
fn is_wanted(keys: &KeyPattern, key: &str, period: Option<&Period>) -> bool {
    let Some(date) = keys.matches(key) else { return false };
    let (Some(period), Some(time)) = (period, date.time()) else { return true };
    let seconds =
        |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    seconds(time.start) <= *period.end() && seconds(time.end) > *period.start()
}

impl Object {
    /// Returns the address, without secrets.
    pub(super) fn name(&self) -> String {
        let Object { store, key, version, .. } = self;
        match (&store.web, version) {
            (Some(_), _) => store.root.clone(),
            (None, None) => format!("{}/{key}", store.root),
            (None, Some(version)) => format!("{}/{key}?versionId={version}", store.root),
        }
    }

    /// Returns the length in bytes, if it is known.
    pub(super) fn len(&self) -> Option<u64> {
        self.listed.as_ref().map(|(bytes, _)| *bytes)
    }

    /// Returns the ETag that the store listed, and the version that the address names.
    pub(super) fn tag(&self) -> Option<String> {
        let (_, tag) = self.listed.as_ref()?;
        let (tag, version) = (tag.as_deref()?, self.version.as_deref());
        Some(version.map_or(tag.to_owned(), |version| format!("{tag} {version}")))
    }

    /// Opens the object. Fails if the object has changed since it was listed.
    pub(super) fn open(&self) -> io::Result<ObjectReader> {
        let mut reader = ObjectReader {
            store: self.store.clone(),
            key: self.key.clone(),
            tag: None,
            version: self.version.clone(),
            stream: empty().boxed(),
            piece: Cursor::default(),
            read: 0,
            bytes: 0,
            has_read: false,
        };
        if let Some((_, tag)) = &self.listed {
            reader.tag = tag.clone();
        }
        let (bytes, tag) = reader.request(0)?;
        if self.listed.as_ref().is_some_and(|(listed, _)| *listed != bytes) {
            return Err(io::Error::other(format!(
                "its length has changed since it was listed: {bytes} bytes"
            )));
        }
        (reader.bytes, reader.tag) = (bytes, tag);
        Ok(reader)
    }
}

/// Reads an object to its end. A broken connection is resumed at the same place, if the
/// object has an ETag, which shows that the object has not changed.
pub(super) struct ObjectReader {
    store: Arc<Store>,
    key: Key,
    tag: Option<String>,
    version: Option<String>,
    stream: BoxStream<'static, Result<Vec<u8>, Error>>,
    piece: Cursor<Vec<u8>>,
    /// The number of bytes received so far, and the number of all bytes.
    read: u64,
    bytes: u64,
    /// True if any byte came since the last request.
    has_read: bool,
}

impl ObjectReader {
    /// Requests the bytes from `from` on. Returns the object's length and its ETag.
    fn request(&mut self, from: u64) -> io::Result<(u64, Option<String>)> {
        let range = (from > 0).then_some(GetRange::Offset(from));
        let (if_match, version) = (self.tag.clone(), self.version.clone());
        let options = GetOptions { range, if_match, version, ..GetOptions::default() };
        let got = self.store.runtime.block_on(self.store.objects.get_opts(&self.key, options));
        let got = got.map_err(|error| self.failed(&error))?;
        let what = (got.meta.size, got.meta.e_tag.clone());
        self.stream = got.into_stream().map_ok(Vec::from).boxed();
        self.has_read = false;
        Ok(what)
    }

    fn failed(&self, error: &Error) -> io::Error {
        let what = match error {
            Error::Precondition { .. } => "it was overwritten after it was listed".to_owned(),
            Error::NotFound { .. } => "no such object".to_owned(),
            error => said(error),
        };
        io::Error::other(self.store.web.as_ref().map_or(what.clone(), |web| web.without_secrets(&what)))
    }
}

impl Read for ObjectReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.fill_buf()?.is_empty() {
            match self.store.runtime.block_on(self.stream.next()) {
                Some(Ok(piece)) => {
                    self.has_read |= !piece.is_empty();
                    self.read += piece.len() as u64;
                    self.piece = Cursor::new(piece);
                }
                None if self.read == self.bytes => return Ok(0),
                Some(Err(_)) | None if self.has_read && self.tag.is_some() && self.read < self.bytes => {
                    self.request(self.read)?;
                }
                Some(Err(error)) => return Err(self.failed(&error)),
                None => {
                    let (read, bytes) = (self.read, self.bytes);
                    return Err(io::Error::other(format!("only {read} of its {bytes} bytes were received")));
                }
            }
        }
        self.piece.read(buffer)
    }
}
