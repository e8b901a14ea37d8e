//! TLS with rustls, with libpq's meaning of `sslmode`.

use super::errors::connection_error;
use crate::engine::EngineError;
use crate::engine::postgres::{PostgresOptions, SslMode};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use std::sync::Arc;
use tokio_postgres_rustls::MakeRustlsConnect;

/// The connector for a profile; `None` if TLS is off.
pub(super) fn build_connector(
    profile: &PostgresOptions,
) -> Result<Option<MakeRustlsConnect>, EngineError> {
    let mode = profile.sslmode.unwrap_or(SslMode::Prefer);
    if mode == SslMode::Disable {
        return Ok(None);
    }
    // Name the provider: if a process contains two, there is no default, and rustls panics.
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|e| connection_error(format!("TLS cannot be set up: {e}")))?
        .dangerous()
        .with_custom_certificate_verifier(verifier(profile, mode, &provider)?);
    let config = match (&profile.sslcert, &profile.sslkey) {
        (Some(cert), Some(key)) => {
            let chain = certificates(cert)?;
            let key = PrivateKeyDer::from_pem_file(key).map_err(|e| {
                connection_error(format!("the client key {key} cannot be read: {e}"))
            })?;
            builder.with_client_auth_cert(chain, key).map_err(|e| {
                connection_error(format!("the client certificate {cert} cannot be used: {e}"))
            })?
        }
        (Some(cert), None) => {
            return Err(connection_error(format!(
                "the client certificate {cert} needs its key: set `sslkey`"
            )));
        }
        _ => builder.with_no_client_auth(),
    };
    Ok(Some(MakeRustlsConnect::new(config)))
}

fn certificates(path: &str) -> Result<Vec<CertificateDer<'static>>, EngineError> {
    let found: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).map_err(|e| unreadable(path, &e))?.collect();
    let found = found.map_err(|e| unreadable(path, &e))?;
    if found.is_empty() {
        Err(connection_error(format!("{path} has no certificate in it")))
    } else {
        Ok(found)
    }
}

fn unreadable(path: &str, e: &rustls::pki_types::pem::Error) -> EngineError {
    connection_error(format!("the certificate {path} cannot be read: {e}"))
}

/// Whether the server's certificate is verified. As in libpq, `require` does so if there is a root
/// certificate.
pub(super) fn checks_certificate(profile: &PostgresOptions) -> bool {
    match profile.sslmode.unwrap_or(SslMode::Prefer) {
        SslMode::VerifyCa | SslMode::VerifyFull => true,
        SslMode::Require => profile.sslrootcert.is_some(),
        SslMode::Disable | SslMode::Prefer => false,
    }
}

/// A verifier that is as strict as `mode` and the root certificates of the profile demand.
fn verifier(
    profile: &PostgresOptions,
    mode: SslMode,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, EngineError> {
    if !checks_certificate(profile) {
        return Ok(Arc::new(Lenient { provider: provider.clone(), signed: None }));
    }
    let mut roots = RootCertStore::empty();
    match profile.sslrootcert.as_deref() {
        Some("system") => {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
            if roots.is_empty() {
                return Err(connection_error(
                    "this machine trusts no certificate authority: give `sslrootcert` a file",
                ));
            }
        }
        Some(path) => {
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|e| {
                    connection_error(format!("the root certificate {path} cannot be used: {e}"))
                })?;
            }
        }
        None => {
            let mut e = connection_error(
                "`sslmode` asks for a check of the server's certificate, and there is no root certificate",
            );
            e.hint = Some(
                "set `sslrootcert` to a PEM file, or to `system`; without it ~/.postgresql/root.crt is used".to_owned(),
            );
            return Err(e);
        }
    }
    let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .map_err(|e| connection_error(format!("the root certificate cannot be used: {e}")))?;
    Ok(match mode {
        SslMode::VerifyFull => inner,
        _ => Arc::new(Lenient { provider: provider.clone(), signed: Some(inner) }),
    })
}

/// A verifier that skips a check: of the signature, or only of the host name.
#[derive(Debug)]
struct Lenient {
    provider: Arc<CryptoProvider>,
    /// Verifies the signature. `None`: any certificate is accepted, so that the connection is
    /// encrypted, but to an unknown peer.
    signed: Option<Arc<WebPkiServerVerifier>>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(signed) = &self.signed else { return Ok(ServerCertVerified::assertion()) };
        // The name is verified last, so an invalid name implies a certificate from a known
        // authority.
        match signed.verify_server_cert(end_entity, intermediates, server_name, ocsp, now) {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
