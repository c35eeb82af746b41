//! TLS to Redis: the certificates that the settings name. The certificate of a server is always verified.

#[cfg(feature = "tls")]
use std::path::Path;

use redis::ConnectionInfo;

#[cfg(feature = "tls")]
use super::RedisFailure;
use super::Topology;
use crate::settings::{Settings, SettingsError};

const CA: &str = "SESSION_STORE_CA_FILE";
const CERT: &str = "SESSION_STORE_CERT_FILE";
const KEY: &str = "SESSION_STORE_KEY_FILE";

/// The certificates of a topology that uses TLS.
pub(super) struct Certificates {
    #[cfg(feature = "tls")]
    certificates: Option<redis::TlsCertificates>,
}

impl Certificates {
    /// Loads the certificates that the settings name.
    ///
    /// # Errors
    ///
    /// Returns [`SettingsError`] if a file is missing or invalid, or is set for a URL without TLS, which would be a
    /// connection in the clear by mistake.
    pub fn load(settings: &Settings, topology: &Topology) -> Result<Self, SettingsError> {
        if topology.uses_tls() {
            return Ok(Self {
                #[cfg(feature = "tls")]
                certificates: Some(certificates(settings)?),
            });
        }
        let files = [
            settings.store_ca_file(),
            settings.store_cert_file(),
            settings.store_key_file(),
        ];
        if let Some((variable, _)) = [CA, CERT, KEY].into_iter().zip(files).find(|(_, file)| file.is_some()) {
            let reason = "SESSION_STORE does not use TLS; its URL would begin with rediss";
            return Err(SettingsError::new(variable, reason));
        }
        Ok(Self {
            #[cfg(feature = "tls")]
            certificates: None,
        })
    }

    /// Adds the certificates to an address with TLS.
    pub fn add_to(&self, info: ConnectionInfo) -> Result<ConnectionInfo, SettingsError> {
        #[cfg(feature = "tls")]
        if let Some(certificates) = &self.certificates {
            let client = redis::Client::build_with_tls(info, certificates.clone());
            let client =
                client.map_err(|error| SettingsError::new("SESSION_STORE", RedisFailure::from(error).to_string()))?;
            return Ok(client.get_connection_info().clone());
        }
        Ok(info)
    }
}

/// Returns the certificates that the settings name: the roots, and the client's own one.
#[cfg(feature = "tls")]
pub(super) fn certificates(settings: &Settings) -> Result<redis::TlsCertificates, SettingsError> {
    use rustls::crypto::{CryptoProvider, ring};
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use rustls::{ClientConfig, RootCertStore};

    if CryptoProvider::get_default().is_none() {
        // fails if the application installs another one at this moment, which is then used
        let _ = ring::default_provider().install_default();
    }
    let invalid =
        |variable, file: &Path, reason: &str| SettingsError::new(variable, format!("{}: {reason}", file.display()));
    let mut roots = RootCertStore::empty();
    let root_cert = match settings.store_ca_file() {
        None => system_roots(&mut roots)?,
        Some(file) => {
            let pem = read(CA, file)?;
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                let added = certificate.map_err(|error| error.to_string());
                let added = added.and_then(|certificate| roots.add(certificate).map_err(|error| error.to_string()));
                added.map_err(|reason| invalid(CA, file, &reason))?;
            }
            if roots.is_empty() {
                return Err(invalid(CA, file, "no certificate in PEM format"));
            }
            pem
        }
    };
    let client_tls = match (settings.store_cert_file(), settings.store_key_file()) {
        (None, None) => None,
        (Some(_), None) => return Err(SettingsError::new(KEY, format!("missing; {CERT} needs it"))),
        (None, Some(_)) => return Err(SettingsError::new(CERT, format!("missing; {KEY} needs it"))),
        (Some(cert_file), Some(key_file)) => {
            let (client_cert, client_key) = (read(CERT, cert_file)?, read(KEY, key_file)?);
            let chain = CertificateDer::pem_slice_iter(&client_cert).collect::<Result<Vec<_>, _>>();
            let chain = chain.map_err(|error| invalid(CERT, cert_file, &error.to_string()))?;
            if chain.is_empty() {
                return Err(invalid(CERT, cert_file, "no certificate in PEM format"));
            }
            let key = PrivateKeyDer::from_pem_slice(&client_key)
                .map_err(|_| invalid(KEY, key_file, "no private key in PEM format"))?;
            let config = ClientConfig::builder().with_root_certificates(roots);
            let config = config.with_client_auth_cert(chain, key);
            config.map_err(|error| invalid(KEY, key_file, &error.to_string()))?;
            Some(redis::ClientTlsConfig {
                client_cert,
                client_key,
            })
        }
    };
    Ok(redis::TlsCertificates {
        client_tls,
        root_cert: Some(root_cert),
    })
}

#[cfg(feature = "tls")]
fn read(variable: &'static str, file: &Path) -> Result<Vec<u8>, SettingsError> {
    std::fs::read(file).map_err(|error| SettingsError::new(variable, format!("{}: {error}", file.display())))
}

/// Adds the system's roots, and returns them in PEM format. Skips those that rustls does not understand.
#[cfg(feature = "tls")]
fn system_roots(roots: &mut rustls::RootCertStore) -> Result<Vec<u8>, SettingsError> {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    let mut pem = String::new();
    for certificate in rustls_native_certs::load_native_certs().certs {
        if roots.add(certificate.clone()).is_ok() {
            let text = STANDARD.encode(&certificate);
            pem += &format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
        }
    }
    if pem.is_empty() {
        return Err(SettingsError::new(
            CA,
            "missing, and the system has no CA certificates (package ca-certificates)",
        ));
    }
    Ok(pem.into_bytes())
}
