//! [`Certificates`]: a CA for tests, and what it signed. Made with `openssl`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A folder with certificates and their private keys, which is deleted when the value is dropped.
pub struct Certificates {
    folder: PathBuf,
}

impl Certificates {
    /// Makes a CA, `ca`, and signs with it `server` for 127.0.0.1 and localhost, `localhost` for that name only, `elsewhere`
    /// for another host, and `client`.
    ///
    /// # Panics
    ///
    /// Panics if `openssl` is not installed.
    #[must_use]
    pub fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("shared-session-certificates-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        // without the extensions of the system's configuration
        std::fs::write(folder.join("openssl.cnf"), "[req]\ndistinguished_name=name\n[name]\n").unwrap();
        let certificates = Self { folder };
        certificates.make("ca", &["basicConstraints=critical,CA:TRUE"], None);
        certificates.make("server", &["subjectAltName=IP:127.0.0.1,DNS:localhost"], Some("ca"));
        certificates.make("localhost", &["subjectAltName=DNS:localhost"], Some("ca"));
        certificates.make("elsewhere", &["subjectAltName=DNS:redis.example"], Some("ca"));
        certificates.make("client", &["extendedKeyUsage=clientAuth"], Some("ca"));
        certificates
    }

    fn make(&self, name: &str, extensions: &[&str], issuer: Option<&str>) {
        let mut command = Command::new("openssl");
        command.args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
        ]);
        command.args(["-nodes", "-days", "2", "-subj", &self.subject(name)]);
        command.arg("-config").arg(self.folder.join("openssl.cnf"));
        command
            .arg("-keyout")
            .arg(self.key(name))
            .arg("-out")
            .arg(self.certificate(name));
        for extension in extensions {
            command.args(["-addext", extension]);
        }
        if let Some(issuer) = issuer {
            command
                .arg("-CA")
                .arg(self.certificate(issuer))
                .arg("-CAkey")
                .arg(self.key(issuer));
        }
        let made = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        assert!(made.expect("openssl is missing: apt-get install openssl").success());
    }

    /// Returns a name that no other CA has.
    fn subject(&self, name: &str) -> String {
        format!("/O={}/CN={name}", self.folder.file_name().unwrap().display())
    }

    /// Returns the file of a certificate.
    #[must_use]
    pub fn certificate(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.crt"))
    }

    /// Returns the file of a private key.
    #[must_use]
    pub fn key(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.key"))
    }

    /// Returns the options by which a Redis uses a certificate. It asks clients for theirs if `clients` is `yes`.
    #[must_use]
    pub fn options(&self, name: &str, clients: &str) -> Vec<String> {
        let text = |path: &Path| path.display().to_string();
        let options = [
            ("--tls-cert-file", text(&self.certificate(name))),
            ("--tls-key-file", text(&self.key(name))),
            ("--tls-ca-cert-file", text(&self.certificate("ca"))),
            ("--tls-auth-clients", clients.to_owned()),
        ];
        options
            .into_iter()
            .flat_map(|(name, value)| [name.to_owned(), value])
            .collect()
    }
}

impl Default for Certificates {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Certificates {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
