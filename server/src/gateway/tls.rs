// SPDX-License-Identifier: Apache-2.0
//! The server's certificate: read from its files at the start, and again when they change.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use hongyan_protocol::clock::Clock;
use hongyan_protocol::codes::Code;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, ServerConfig};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use sha2::{Digest, Sha256};
use tokio_rustls::TlsAcceptor;

use crate::config::TlsConfig;
use crate::error::Error;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// What a look at the files led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reload {
    /// They are as they were at the last look.
    Unchanged,
    /// New connections get what they hold now.
    Replaced,
    /// What they hold now cannot be used; the certificate of before is kept.
    Refused,
}

/// What was in the files at a look, or why they could not be read: enough to notice a change, and no secret.
type Seen = Result<[u8; 32], String>;

/// The certificate in use.
#[derive(Debug)]
pub(crate) struct Certificate {
    files: TlsConfig,
    provider: Arc<CryptoProvider>,
    /// Read by each handshake, written when the files change.
    current: RwLock<Arc<CertifiedKey>>,
    /// Held for a whole look, so that two do not overtake each other.
    seen: Mutex<Seen>,
}

impl Certificate {
    /// Reads it; nothing where the settings name none.
    pub(crate) fn open(files: &TlsConfig) -> Result<Option<Arc<Self>>, Error> {
        if !files.is_on() {
            return Ok(None);
        }
        let provider = Arc::new(ring::default_provider());
        let (seen, read) = look_at(files, &provider);
        let key = read.map_err(|why| Error::new(Code::BAD_PARAMETER, why))?;
        Ok(Some(Arc::new(Self {
            files: files.clone(),
            provider,
            current: RwLock::new(Arc::new(key)),
            seen: Mutex::new(seen),
        })))
    }

    /// What makes connections TLS. Sessions are not resumed: the server keeps nothing of a connection that is gone, and a
    /// client sees the certificate of now.
    pub(crate) fn acceptor(self: &Arc<Self>) -> Result<TlsAcceptor, Error> {
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            // By name: another crate's features must not bring back an older one.
            .with_protocol_versions(&[&TLS13])
            .map_err(|error| Error::internal("choosing the versions of TLS", error))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::<Self>::clone(self));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// Looks at the files once. It reads files: not for a thread that serves connections.
    pub(crate) fn reload(&self) -> Reload {
        let mut seen = self.seen.lock().expect("no holder of this lock panics");
        let (now, read) = look_at(&self.files, &self.provider);
        if *seen == now {
            return Reload::Unchanged;
        }
        *seen = now;
        match read {
            Ok(key) => {
                *self.current.write().expect("no holder of this lock panics") = Arc::new(key);
                tracing::info!(certificate = %self.files.certificate.display(), "a new certificate is in use");
                Reload::Replaced
            }
            Err(error) => {
                tracing::error!(error, "a new certificate cannot be used; the one of before is kept");
                Reload::Refused
            }
        }
    }

    /// Follows the files until it is dropped.
    pub(crate) async fn follow(self: Arc<Self>, clock: Clock) {
        loop {
            clock.sleep(LOOK_EVERY).await;
            self.reload_aside().await;
        }
    }

    /// [`Certificate::reload`] on a thread that may wait for a disk.
    pub(crate) async fn reload_aside(self: &Arc<Self>) -> Reload {
        let own = Arc::clone(self);
        match tokio::task::spawn_blocking(move || own.reload()).await {
            Ok(reload) => reload,
            Err(error) => {
                tracing::error!(%error, "looking at the certificate did not end");
                Reload::Refused
            }
        }
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().expect("no holder of this lock panics")))
    }
}

/// What the files hold now, for comparing and for use.
fn look_at(files: &TlsConfig, provider: &CryptoProvider) -> (Seen, Result<CertifiedKey, String>) {
    match (read("certificate", &files.certificate), read("key", &files.key)) {
        (Ok(certificate), Ok(key)) => {
            let mut digest = Sha256::new();
            for part in [&certificate, &key] {
                digest.update(part.len().to_le_bytes());
                digest.update(part);
            }
            (Ok(digest.finalize().into()), pair(files, &certificate, &key, provider))
        }
        (Err(why), _) | (_, Err(why)) => (Err(why.clone()), Err(why)),
    }
}

fn read(setting: &str, path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| unusable(setting, path, error))
}

fn unusable(setting: &str, path: &Path, why: impl std::fmt::Display) -> String {
    format!("the setting tls.{setting} is {:?}: {why}", path.display().to_string())
}

fn pair(files: &TlsConfig, certificate: &[u8], key: &[u8], provider: &CryptoProvider) -> Result<CertifiedKey, String> {
    let of_certificate = |why: &dyn std::fmt::Display| unusable("certificate", &files.certificate, why);
    let chain = CertificateDer::pem_slice_iter(certificate)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| of_certificate(&error))?;
    if chain.is_empty() {
        return Err(of_certificate(&"it holds no certificate in PEM"));
    }
    // What the parser says of a key might show some of it.
    let key = PrivateKeyDer::from_pem_slice(key)
        .map_err(|_| unusable("key", &files.key, "it holds no private key in PEM"))?;
    CertifiedKey::from_der(chain, key, provider)
        .map_err(|error| unusable("key", &files.key, format!("it does not go with the certificate: {error}")))
}
