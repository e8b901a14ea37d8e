//! Downloads over HTTPS. Plain HTTP is used with this machine only.

use crate::system::System;
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, HeaderValue, LOCATION, USER_AGENT};
use hyper::{Request, Response, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioExecutor;
use std::future::Future;
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::{Instant, timeout};
use url::{Host, Url};

/// How often a download is tried again.
const RETRIES: u32 = 5;
/// The wait before the first retry; each next one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// The maximum number of redirects, as of browsers.
const MOST_REDIRECTS: usize = 10;
/// The number of bytes that a download may have.
const MOST_BYTES: usize = 256 << 20;
/// How often it is looked whether the user has interrupted.
const TICK: Duration = Duration::from_millis(100);

#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    #[error("`{0}` is no address of a web server")]
    NotAnAddress(String),
    #[error("{0} is plain HTTP, which is used on this machine only")]
    NotEncrypted(String),
    #[error("the certificates of this machine cannot be read: {0}")]
    Certificates(std::io::Error),
    #[error("the HTTP client cannot be started: {0}")]
    Client(std::io::Error),
    #[error("{address} answers {status}")]
    Status { address: String, status: StatusCode },
    #[error("{address} cannot be reached: {problem}")]
    Unreachable { address: String, problem: String },
    #[error("the certificate of {address} is not trusted: {problem}")]
    NotTrusted { address: String, problem: String },
    #[error("{address} has not answered within {seconds} s")]
    TooSlow { address: String, seconds: u64 },
    #[error("{0} redirects too often")]
    ManyRedirects(String),
    #[error("{address} is larger than {} MB", MOST_BYTES >> 20)]
    TooLarge { address: String },
    #[error("interrupted")]
    Interrupted,
}

impl HttpError {
    /// Whether a retry may succeed.
    fn is_transient(&self) -> bool {
        match self {
            HttpError::Unreachable { .. } | HttpError::TooSlow { .. } => true,
            HttpError::Status { status, .. } => {
                status.is_server_error()
                    || matches!(
                        *status,
                        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT
                    )
            }
            _ => false,
        }
    }

    pub(crate) fn hints(&self) -> Vec<String> {
        let hint = match self {
            HttpError::NotEncrypted(_) => "write https://",
            HttpError::Status { status, .. } if status.is_client_error() => {
                "check the address, and what it needs to be let in"
            }
            HttpError::Status { .. } => "try again later",
            HttpError::NotTrusted { .. } => {
                "SSL_CERT_FILE names a file with the certificates that are trusted"
            }
            HttpError::Unreachable { .. } | HttpError::TooSlow { .. } => {
                "check the network and the address"
            }
            _ => return Vec::new(),
        };
        vec![hint.to_owned()]
    }
}

/// How far a download is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DownloadStep {
    Received {
        bytes: usize,
        total: Option<usize>,
    },
    /// The attempt has failed; the next one is the `attempt`th retry.
    Retry {
        attempt: u32,
    },
}

/// What a download tells and asks while it lasts.
pub(crate) struct DownloadWatch<'a> {
    pub(crate) tell: &'a mut dyn FnMut(DownloadStep),
    pub(crate) is_stopped: &'a dyn Fn() -> bool,
}

/// An address that is used: HTTPS, or HTTP on this machine.
#[derive(Clone, Debug)]
pub(crate) struct WebAddress(Url);

impl WebAddress {
    pub(crate) fn parse(text: &str) -> Result<WebAddress, HttpError> {
        let shown = || crate::secret::mask_address(text).into_owned();
        let url = Url::parse(text).map_err(|_| HttpError::NotAnAddress(shown()))?;
        WebAddress::check(url)
    }

    fn check(url: Url) -> Result<WebAddress, HttpError> {
        let address = WebAddress(url);
        match address.0.scheme() {
            "https" => Ok(address),
            "http" if address.is_loopback() => Ok(address),
            "http" => Err(HttpError::NotEncrypted(address.shown())),
            _ => Err(HttpError::NotAnAddress(address.shown())),
        }
    }

    fn is_loopback(&self) -> bool {
        match self.0.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(ip)) => IpAddr::V4(ip).is_loopback(),
            Some(Host::Ipv6(ip)) => IpAddr::V6(ip).is_loopback(),
            None => false,
        }
    }

    /// The address without credentials and query.
    pub(crate) fn shown(&self) -> String {
        crate::secret::mask_address(self.0.as_str()).into_owned()
    }

    /// The target of a redirect. Credentials stay with the server that they are for.
    fn redirected(&self, location: &str) -> Result<WebAddress, HttpError> {
        let wrong = |_| HttpError::NotAnAddress(self.shown());
        let mut url = self.0.join(location).map_err(wrong)?;
        if url.origin() == self.0.origin() && url.username().is_empty() {
            // Both exist where an address has a host.
            let _ = url.set_username(self.0.username());
            let _ = url.set_password(self.0.password());
        }
        WebAddress::check(url)
    }

    fn request(&self) -> Result<Request<Empty<Bytes>>, HttpError> {
        let mut plain = self.0.clone();
        let _ = plain.set_username("");
        let _ = plain.set_password(None);
        plain.set_fragment(None);
        let wrong = || HttpError::NotAnAddress(self.shown());
        let agent = format!("strata/{}", crate::VERSION);
        let request = Request::get(plain.as_str()).header(USER_AGENT, agent);
        let mut request = request.body(Empty::new()).map_err(|_| wrong())?;
        if let Some(credentials) = self.credentials() {
            let mut value = HeaderValue::from_str(&credentials).map_err(|_| wrong())?;
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        Ok(request)
    }

    fn credentials(&self) -> Option<String> {
        let password = self.0.password();
        if self.0.username().is_empty() && password.is_none() {
            return None;
        }
        let decode = |text: &str| decode_percent(text);
        let mut both = decode(self.0.username());
        both.push(b':');
        both.extend(decode(password.unwrap_or_default()));
        Some(format!("Basic {}", encode_base64(&both)))
    }
}

pub(super) fn decode_percent(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let (mut out, mut i) = (Vec::with_capacity(bytes.len()), 0);
    while i < bytes.len() {
        let code = text.get(i + 1..i + 3).filter(|_| bytes[i] == b'%');
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                i += 3;
            }
            None => {
                out.push(bytes[i]);
                i += 1;
            }
        }
    }
    out
}

fn encode_base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in bytes.chunks(3) {
        let byte = |i: usize| usize::from(group.get(i).copied().unwrap_or(0));
        let n = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4 {
            let is_there = i <= group.len();
            out.push(if is_there { DIGITS[n >> (18 - 6 * i) & 63] as char } else { '=' });
        }
    }
    out
}

pub(crate) struct HttpClient {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    /// The proxies of the environment.
    proxies: Matcher,
    runtime: tokio::runtime::Runtime,
    /// How long a server may be silent.
    patience: Duration,
}

impl HttpClient {
    pub(crate) fn new(system: &dyn System, patience: Duration) -> Result<HttpClient, HttpError> {
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(rustls::crypto::ring::default_provider())
            .map_err(HttpError::Certificates)?
            .https_or_http()
            .enable_http1()
            .build();
        // Plain HTTP stays on this machine, so that only HTTPS may need a proxy.
        let proxies = Matcher::builder()
            .all(either_case(system, "all_proxy"))
            .https(either_case(system, "https_proxy"))
            .no(either_case(system, "no_proxy"))
            .build();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(HttpError::Client)?;
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(HttpClient { client, proxies, runtime, patience })
    }

    /// The body at an address. What may pass by itself is tried again.
    pub(crate) fn get(
        &self,
        address: &WebAddress,
        watch: &mut DownloadWatch<'_>,
    ) -> Result<Vec<u8>, HttpError> {
        self.runtime.block_on(async {
            let mut attempt = 0;
            loop {
                match self.try_get(address, watch).await {
                    Err(e) if e.is_transient() && attempt < RETRIES => {
                        let wait = tokio::time::sleep(FIRST_WAIT * 2_u32.pow(attempt));
                        attempt += 1;
                        (watch.tell)(DownloadStep::Retry { attempt });
                        unless_stopped(wait, watch.is_stopped).await?;
                    }
                    done => return done,
                }
            }
        })
    }

    async fn try_get(
        &self,
        address: &WebAddress,
        watch: &mut DownloadWatch<'_>,
    ) -> Result<Vec<u8>, HttpError> {
        let mut address = address.clone();
        for _ in 0..=MOST_REDIRECTS {
            let answer = self.send(address.request()?, &address, watch.is_stopped).await?;
            let location = answer.headers().get(LOCATION).and_then(|v| v.to_str().ok());
            match location.filter(|_| answer.status().is_redirection()) {
                Some(location) => address = address.redirected(location)?,
                None if answer.status() == StatusCode::OK => {
                    return self.read_body(answer, &address, watch).await;
                }
                None => {
                    let status = answer.status();
                    return Err(HttpError::Status { address: address.shown(), status });
                }
            }
        }
        Err(HttpError::ManyRedirects(address.shown()))
    }

    async fn send(
        &self,
        request: Request<Empty<Bytes>>,
        address: &WebAddress,
        is_stopped: &dyn Fn() -> bool,
    ) -> Result<Response<Incoming>, HttpError> {
        let proxy = self.proxies.intercept(request.uri()).filter(|_| !address.is_loopback());
        let answer = match proxy {
            None => self.patiently(self.client.request(request), address, is_stopped).await?,
            Some(proxy) => {
                let client = tunnel_through(&proxy)?;
                self.patiently(client.request(request), address, is_stopped).await?
            }
        };
        answer.map_err(|e| unreachable_at(address, &e))
    }

    async fn read_body(
        &self,
        answer: Response<Incoming>,
        address: &WebAddress,
        watch: &mut DownloadWatch<'_>,
    ) -> Result<Vec<u8>, HttpError> {
        let length = answer.headers().get(hyper::header::CONTENT_LENGTH);
        let total: Option<usize> =
            length.and_then(|v| v.to_str().ok()).and_then(|text| text.parse().ok());
        let mut body = answer.into_body();
        let mut bytes = Vec::new();
        while let Some(frame) = self.patiently(body.frame(), address, watch.is_stopped).await? {
            let frame = frame.map_err(|e| unreachable_at(address, &e))?;
            if let Ok(data) = frame.into_data() {
                if bytes.len() + data.len() > MOST_BYTES {
                    return Err(HttpError::TooLarge { address: address.shown() });
                }
                bytes.extend_from_slice(&data);
                (watch.tell)(DownloadStep::Received { bytes: bytes.len(), total });
            }
        }
        Ok(bytes)
    }

    /// Waits for the server as long as its silence is borne, or until the user interrupts.
    async fn patiently<T>(
        &self,
        work: impl Future<Output = T>,
        address: &WebAddress,
        is_stopped: &dyn Fn() -> bool,
    ) -> Result<T, HttpError> {
        let work = timeout(self.patience, work);
        unless_stopped(work, is_stopped).await?.map_err(|_| HttpError::TooSlow {
            address: address.shown(),
            seconds: self.patience.as_secs(),
        })
    }
}

/// A variable of the environment, whose name is also written in capitals.
fn either_case(system: &dyn System, name: &str) -> String {
    let found = system.env(name).or_else(|| system.env(&name.to_uppercase()));
    found.unwrap_or_default()
}

/// A client whose connections go through a proxy.
fn tunnel_through(
    proxy: &Intercept,
) -> Result<Client<HttpsConnector<Tunnel<HttpConnector>>, Empty<Bytes>>, HttpError> {
    let mut tunnel = Tunnel::new(proxy.uri().clone(), HttpConnector::new());
    if let Some(login) = proxy.basic_auth() {
        tunnel = tunnel.with_auth(login.clone());
    }
    let connector = HttpsConnectorBuilder::new()
        .with_provider_and_native_roots(rustls::crypto::ring::default_provider())
        .map_err(HttpError::Certificates)?
        .https_only()
        .enable_http1()
        .wrap_connector(tunnel);
    Ok(Client::builder(TokioExecutor::new()).build(connector))
}

async fn unless_stopped<T>(
    work: impl Future<Output = T>,
    is_stopped: &dyn Fn() -> bool,
) -> Result<T, HttpError> {
    tokio::pin!(work);
    loop {
        if is_stopped() {
            return Err(HttpError::Interrupted);
        }
        let tick = Instant::now() + TICK;
        if let Ok(done) = tokio::time::timeout_at(tick, &mut work).await {
            return Ok(done);
        }
    }
}

/// The innermost reason says most: that of the client is only that it failed.
fn unreachable_at(address: &WebAddress, error: &(dyn std::error::Error + 'static)) -> HttpError {
    let mut innermost = error;
    let mut is_distrusted = is_certificate_error(error);
    while let Some(source) = innermost.source() {
        innermost = source;
        is_distrusted |= is_certificate_error(innermost);
    }
    let (address, problem) = (address.shown(), innermost.to_string());
    match is_distrusted {
        true => HttpError::NotTrusted { address, problem },
        false => HttpError::Unreachable { address, problem },
    }
}

/// An IO error does not name the error that it was made of as its source, and may be made of another.
fn is_certificate_error(error: &(dyn std::error::Error + 'static)) -> bool {
    let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    match (inner, error.downcast_ref::<rustls::Error>()) {
        (Some(inner), _) => is_certificate_error(inner),
        (None, found) => matches!(found, Some(rustls::Error::InvalidCertificate(_))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine() {
        for text in
            ["https://h/x", "http://127.0.0.1:80/x", "http://localhost/x", "http://[::1]:9/"]
        {
            assert!(WebAddress::parse(text).is_ok(), "{text}");
        }
        for text in ["http://example.org/x", "ftp://h/x", "file:///x", "x", "http://127.0.0.1.h/"] {
            assert!(WebAddress::parse(text).is_err(), "{text}");
        }
        let address = WebAddress::parse("https://example.org/a").unwrap();
        assert!(matches!(address.redirected("http://h/x"), Err(HttpError::NotEncrypted(_))));
    }

    #[test]
    fn a_certificate_that_is_not_trusted_is_no_failure_of_the_network() {
        let distrusted = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let wrapped = std::io::Error::other(std::io::Error::other(distrusted));
        assert!(is_certificate_error(&wrapped));
        assert!(!is_certificate_error(&std::io::Error::other("x")));
    }

    #[test]
    fn credentials_are_a_header_and_stay_with_their_server() {
        let address = WebAddress::parse("https://me:a%40b@example.org/x?y=1").unwrap();
        let request = address.request().unwrap();
        assert_eq!(request.uri(), "https://example.org/x?y=1");
        assert_eq!(request.headers()[AUTHORIZATION], "Basic bWU6YUBi");
        let same = address.redirected("/z").unwrap().request().unwrap();
        assert_eq!(same.headers()[AUTHORIZATION], "Basic bWU6YUBi");
        let other = address.redirected("https://h/z").unwrap().request().unwrap();
        assert!(!other.headers().contains_key(AUTHORIZATION));
        assert_eq!(address.shown(), "https://*****@example.org/x?*****");
    }
}
