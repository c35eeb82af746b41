//! Loads the certificates for TLS from files or from the system, and checks them.

use std::fmt::Display;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use redis::{ClientTlsConfig, TlsCertificates};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::tls::{CA, CERT, KEY};
use crate::settings::{Settings, SettingsError};

/// Returns the certificates that the settings name: the roots, and the client's own one.
pub(super) fn load(settings: &Settings) -> Result<TlsCertificates, SettingsError> {
    if CryptoProvider::get_default().is_none() {
        // fails if the application installs another one at this moment, which is then used
        let _ = ring::default_provider().install_default();
    }
    let (roots, root_cert) = match settings.store_ca_file() {
        None => system_roots()?,
        Some(file) => roots_in(file)?,
    };
    let client_tls = match (settings.store_cert_file(), settings.store_key_file()) {
        (None, None) => None,
        (Some(_), None) => return Err(SettingsError::new(KEY, format!("missing; {CERT} needs it"))),
        (None, Some(_)) => return Err(SettingsError::new(CERT, format!("missing; {KEY} needs it"))),
        (Some(cert_file), Some(key_file)) => Some(client_certificate(cert_file, key_file, roots)?),
    };
    Ok(TlsCertificates {
        client_tls,
        root_cert: Some(root_cert),
    })
}

/// Reads the roots from a file.
fn roots_in(file: &Path) -> Result<(RootCertStore, Vec<u8>), SettingsError> {
    let pem = read(CA, file)?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| invalid(CA, file, error))?;
        roots.add(certificate).map_err(|error| invalid(CA, file, error))?;
    }
    if roots.is_empty() {
        return Err(invalid(CA, file, "no certificate in PEM format"));
    }
    Ok((roots, pem))
}

/// Returns the system's roots, without those that rustls does not understand.
fn system_roots() -> Result<(RootCertStore, Vec<u8>), SettingsError> {
    let (mut roots, mut pem) = (RootCertStore::empty(), String::new());
    for certificate in rustls_native_certs::load_native_certs().certs {
        if roots.add(certificate.clone()).is_ok() {
            let text = STANDARD.encode(&certificate);
            pem += &format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
        }
    }
    if roots.is_empty() {
        let reason = "missing, and the system has no CA certificates (package ca-certificates)";
        return Err(SettingsError::new(CA, reason));
    }
    Ok((roots, pem.into_bytes()))
}

/// Reads the client's certificate and its private key, and checks that they belong together.
fn client_certificate(
    cert_file: &Path,
    key_file: &Path,
    roots: RootCertStore,
) -> Result<ClientTlsConfig, SettingsError> {
    let (client_cert, client_key) = (read(CERT, cert_file)?, read(KEY, key_file)?);
    let chain = CertificateDer::pem_slice_iter(&client_cert).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| invalid(CERT, cert_file, error))?;
    if chain.is_empty() {
        return Err(invalid(CERT, cert_file, "no certificate in PEM format"));
    }
    let key = PrivateKeyDer::from_pem_slice(&client_key);
    let key = key.map_err(|_| invalid(KEY, key_file, "no private key in PEM format"))?;
    let config = ClientConfig::builder().with_root_certificates(roots);
    let config = config.with_client_auth_cert(chain, key);
    config.map_err(|error| invalid(KEY, key_file, error))?;
    Ok(ClientTlsConfig {
        client_cert,
        client_key,
    })
}

fn read(variable: &'static str, file: &Path) -> Result<Vec<u8>, SettingsError> {
    std::fs::read(file).map_err(|error| invalid(variable, file, error))
}

fn invalid(variable: &'static str, file: &Path, reason: impl Display) -> SettingsError {
    SettingsError::new(variable, format!("{}: {reason}", file.display()))
}
