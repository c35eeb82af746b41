//! [`Certificates`]: adds TLS to addresses. The certificate of a server is always verified.

use redis::ConnectionInfo;

#[cfg(feature = "tls")]
use super::RedisFailure;
use super::Topology;
use crate::settings::{Settings, SettingsError};

pub(super) const CA: &str = "SESSION_STORE_CA_FILE";
pub(super) const CERT: &str = "SESSION_STORE_CERT_FILE";
pub(super) const KEY: &str = "SESSION_STORE_KEY_FILE";

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
                certificates: Some(super::certificates::load(settings)?),
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
