// SPDX-License-Identifier: Apache-2.0
//! Which servers are believed to be who they say, under TLS.
//!
//! A certificate must lead to a root that browsers trust or to one of the app's own, be valid now and be for the host
//! of the server's address. Where the app pins keys, one of them must belong to the chain that was verified: to the
//! server's certificate, to one between, or to the root. Certificates that the server only shows beside it do not count.

mod provider;

use std::cell::Cell;
use std::iter;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hongyan_protocol::clock::Clock;
use hongyan_protocol::codes::Code;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, Resumption};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::version::TLS13;
use rustls::{CertificateError, DigitallySignedStruct, OtherError, PeerIncompatible, SignatureScheme};
use sha2::{Digest, Sha256};
use webpki::{EndEntityCert, KeyUsage, VerifiedPath};

use crate::error::ImError;

/// The SHA-256 of a key as it stands in certificates.
type Pin = [u8; 32];

/// What an app says of the servers that it trusts, checked.
#[derive(Debug, Clone)]
pub(crate) struct Trust {
    extra_roots: Vec<TrustAnchor<'static>>,
    pins: Vec<Pin>,
}

impl Trust {
    /// Reads certificates in PEM, and SHA-256 digests in base64. 6017 for what is neither.
    pub(crate) fn read(extra_roots_pem: &str, pins: &[String]) -> Result<Self, ImError> {
        let invalid = |what: String| ImError::new(Code::INVALID_PARAMETERS, what);
        let extra_roots = CertificateDer::pem_slice_iter(extra_roots_pem.as_bytes())
            .map(|certificate| {
                let certificate = certificate.map_err(|error| error.to_string())?;
                let anchor = webpki::anchor_from_trusted_cert(&certificate).map_err(|error| format!("{error:?}"))?;
                Ok(anchor.to_owned())
            })
            .collect::<Result<Vec<_>, String>>()
            .map_err(|why| invalid(format!("the extra roots are not certificates in PEM: {why}")))?;
        if extra_roots.is_empty() && !extra_roots_pem.trim().is_empty() {
            return Err(invalid("the extra roots hold no certificate in PEM".to_owned()));
        }
        let pins = pins
            .iter()
            .map(|pin| STANDARD.decode(pin).ok().and_then(|bytes| Pin::try_from(bytes).ok()))
            .collect::<Option<_>>()
            .ok_or_else(|| invalid("a pin is not a SHA-256 in base64 (44 characters)".to_owned()))?;
        Ok(Self { extra_roots, pins })
    }

    /// Whether the app says nothing of its own.
    pub(crate) fn is_empty(&self) -> bool {
        self.extra_roots.is_empty() && self.pins.is_empty()
    }

    /// What connections are made with. Sessions are not resumed: a resumed one would show no certificate.
    pub(crate) fn client_config(&self, clock: Clock) -> Arc<ClientConfig> {
        let provider = provider::provider();
        let verifier = Verifier {
            roots: webpki_roots::TLS_SERVER_ROOTS.iter().chain(&self.extra_roots).cloned().collect(),
            pins: self.pins.clone(),
            algorithms: provider.signature_verification_algorithms,
        };
        let mut config = ClientConfig::builder_with_details(Arc::new(provider), Arc::new(Wall(clock)))
            .with_protocol_versions(&[&TLS13])
            .expect("the provider has what TLS 1.3 needs")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.resumption = Resumption::disabled();
        Arc::new(config)
    }
}

/// The time by which certificates are valid.
#[derive(Debug)]
struct Wall(Clock);

impl TimeProvider for Wall {
    fn current_time(&self) -> Option<UnixTime> {
        let now_ms = u64::try_from(self.0.now_ms()).unwrap_or(0);
        Some(UnixTime::since_unix_epoch(Duration::from_millis(now_ms)))
    }
}

/// Why a certificate is not believed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Distrusted(String);

impl From<Distrusted> for rustls::Error {
    fn from(why: Distrusted) -> Self {
        CertificateError::Other(OtherError(Arc::new(why))).into()
    }
}

#[derive(Debug)]
struct Verifier {
    roots: Vec<TrustAnchor<'static>>,
    /// None where every key will do.
    pins: Vec<Pin>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    fn verify(
        &self,
        shown: &CertificateDer<'_>,
        beside: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Distrusted> {
        let certificate = EndEntityCert::try_from(shown).map_err(|error| explain(&error))?;
        let is_unpinned = Cell::new(false);
        // Where one chain has no pinned key another may.
        let has_pin = |path: &VerifiedPath<'_>| {
            if self.is_pinned(path) {
                return Ok(());
            }
            is_unpinned.set(true);
            Err(webpki::Error::UnknownIssuer)
        };
        let (algorithms, usage) = (self.algorithms.all, KeyUsage::server_auth());
        let path = certificate.verify_for_usage(algorithms, &self.roots, beside, now, usage, None, Some(&has_pin));
        match path {
            Err(_) if is_unpinned.get() => return Err(Distrusted("none of its keys is pinned".to_owned())),
            Err(error) => return Err(explain(&error)),
            Ok(_) => {}
        }
        certificate.verify_is_valid_for_subject_name(name).map_err(|error| explain(&error))
    }

    fn is_pinned(&self, path: &VerifiedPath<'_>) -> bool {
        let between = path.intermediate_certificates().map(|certificate| certificate.subject_public_key_info());
        let mut keys = iter::once(path.end_entity().subject_public_key_info()).chain(between);
        let has_pin = |key: &[u8]| self.pins.contains(&Sha256::digest(key).into());
        self.pins.is_empty()
            || keys.any(|key| has_pin(key.as_ref()))
            || has_pin(&sequence(&path.anchor().subject_public_key_info))
    }
}

fn explain(error: &webpki::Error) -> Distrusted {
    Distrusted(match error {
        // The second where a trusted root has only the name of the one that signed.
        webpki::Error::UnknownIssuer | webpki::Error::InvalidSignatureForPublicKey => {
            "no trusted root stands behind it".to_owned()
        }
        webpki::Error::CertExpired { .. } => "it has expired, or this device's clock is fast".to_owned(),
        webpki::Error::CertNotValidYet { .. } => "it is not valid yet, or this device's clock is slow".to_owned(),
        webpki::Error::CertNotValidForName(_) => "it is for another name".to_owned(),
        webpki::Error::CaUsedAsEndEntity => {
            "it is an authority's: give the authority's certificate as the extra root, and the server one of its own"
                .to_owned()
        }
        webpki::Error::UnsupportedSignatureAlgorithmContext(_)
        | webpki::Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            format!("its key or its signature is of a kind that the SDK does not know: {error:?}")
        }
        other => format!("{other:?}"),
    })
}

/// DER's head before what a root's key is kept as: pins are over both.
fn sequence(value: &[u8]) -> Vec<u8> {
    const SEQUENCE: u8 = 0x30;
    let length = value.len().to_be_bytes();
    let significant = &length[length.iter().take_while(|byte| **byte == 0).count()..];
    let mut der = vec![SEQUENCE];
    match significant {
        [] => der.push(0),
        [short @ 0..0x80] => der.push(*short),
        long => {
            der.push(0x80 | u8::try_from(long.len()).unwrap_or(u8::MAX));
            der.extend_from_slice(long);
        }
    }
    der.extend_from_slice(value);
    der
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.verify(end_entity, intermediates, server_name, now)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        // Never offered, so never asked for.
        Err(PeerIncompatible::ServerDoesNotSupportTls12Or13.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code_of(roots: &str, pins: &[&str]) -> Option<Code> {
        let pins: Vec<_> = pins.iter().map(ToString::to_string).collect();
        Trust::read(roots, &pins).err().map(|error| error.code())
    }

    #[test]
    fn roots_and_pins_that_cannot_be_read_are_refused() {
        let digest = STANDARD.encode([7; 32]);
        assert_eq!(code_of("", &[]), None);
        assert_eq!(code_of(" \n", &[&digest, &digest]), None);
        for roots in [
            "no PEM",
            "-----BEGIN CERTIFICATE-----\n",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        ] {
            assert_eq!(code_of(roots, &[]), Some(Code::INVALID_PARAMETERS), "{roots}");
        }
        for pin in ["", "x", &digest[1..], &STANDARD.encode([7; 31]), &STANDARD.encode([7; 20])] {
            assert_eq!(code_of("", &[&digest, pin]), Some(Code::INVALID_PARAMETERS), "{pin}");
        }
    }

    #[test]
    fn a_key_is_pinned_with_the_head_that_it_has_in_a_certificate() {
        let head = |length| sequence(&vec![0; length])[..sequence(&vec![0; length]).len() - length].to_vec();
        assert_eq!(head(0), [0x30, 0]);
        assert_eq!(head(0x7f), [0x30, 0x7f]);
        assert_eq!(head(0x80), [0x30, 0x81, 0x80]);
        assert_eq!(head(0x1234), [0x30, 0x82, 0x12, 0x34]);
    }
}
