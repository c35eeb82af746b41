//! TLS: loads certificates from files or from the system, and checks them. The certificate of a server is always verified.

use std::fmt::Display;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use redis::{Client, ClientTlsConfig, ConnectionInfo, TlsCertificates};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::options::{CertificateFiles, OptionsError};
use OptionsError::{CaFile, CertFile, KeyFile};

/// Returns servers with the certificates in the files. Each one uses TLS.
pub(super) fn with_certificates(
    servers: Vec<ConnectionInfo>,
    files: &CertificateFiles,
) -> Result<Vec<ConnectionInfo>, OptionsError> {
    let certificates = load(files)?;
    let servers = servers.into_iter().map(|server| {
        let client = Client::build_with_tls(server, certificates.clone())?;
        Ok(client.get_connection_info().clone())
    });
    servers.collect()
}

/// Returns the roots, and the client's own certificate.
fn load(files: &CertificateFiles) -> Result<TlsCertificates, OptionsError> {
    if CryptoProvider::get_default().is_none() {
        // fails if the application installs another one at this moment, which is then used
        let _ = ring::default_provider().install_default();
    }
    let (roots, root_cert) = match &files.ca {
        None => system_roots()?,
        Some(file) => roots_in(file)?,
    };
    let client_tls = match &files.client {
        None => None,
        Some((cert_file, key_file)) => Some(client_certificate(cert_file, key_file, roots)?),
    };
    Ok(TlsCertificates {
        client_tls,
        root_cert: Some(root_cert),
    })
}

/// Reads the roots from a file.
fn roots_in(file: &Path) -> Result<(RootCertStore, Vec<u8>), OptionsError> {
    let pem = read(CaFile, file)?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| invalid(CaFile, file, error))?;
        roots.add(certificate).map_err(|error| invalid(CaFile, file, error))?;
    }
    if roots.is_empty() {
        return Err(invalid(CaFile, file, "no certificate in PEM format"));
    }
    Ok((roots, pem))
}

/// Returns the system's roots, without those that rustls does not understand.
fn system_roots() -> Result<(RootCertStore, Vec<u8>), OptionsError> {
    let (mut roots, mut pem) = (RootCertStore::empty(), String::new());
    for certificate in rustls_native_certs::load_native_certs().certs {
        if roots.add(certificate.clone()).is_ok() {
            let text = STANDARD.encode(&certificate);
            pem += &format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
        }
    }
    if roots.is_empty() {
        let reason = "missing, and the system has no CA certificates (package ca-certificates)";
        return Err(CaFile(reason.to_owned()));
    }
    Ok((roots, pem.into_bytes()))
}

/// Reads the client's certificate and its private key, and checks that they belong together.
fn client_certificate(
    cert_file: &Path,
    key_file: &Path,
    roots: RootCertStore,
) -> Result<ClientTlsConfig, OptionsError> {
    let (client_cert, client_key) = (read(CertFile, cert_file)?, read(KeyFile, key_file)?);
    let chain = CertificateDer::pem_slice_iter(&client_cert).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| invalid(CertFile, cert_file, error))?;
    if chain.is_empty() {
        return Err(invalid(CertFile, cert_file, "no certificate in PEM format"));
    }
    let key = PrivateKeyDer::from_pem_slice(&client_key);
    let key = key.map_err(|_| invalid(KeyFile, key_file, "no private key in PEM format"))?;
    let config = ClientConfig::builder().with_root_certificates(roots);
    let config = config.with_client_auth_cert(chain, key);
    config.map_err(|error| invalid(KeyFile, key_file, error))?;
    Ok(ClientTlsConfig {
        client_cert,
        client_key,
    })
}

fn read(error: fn(String) -> OptionsError, file: &Path) -> Result<Vec<u8>, OptionsError> {
    std::fs::read(file).map_err(|reason| invalid(error, file, reason))
}

fn invalid(error: fn(String) -> OptionsError, file: &Path, reason: impl Display) -> OptionsError {
    error(format!("{}: {reason}", file.display()))
}
