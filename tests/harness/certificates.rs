// SPDX-License-Identifier: Apache-2.0
//! Authorities of a test's own, and the certificates that they issue.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PublicKeyData, date_time_ymd};
use sha2::{Digest, Sha256};

/// Who issues certificates: a root, or one below it.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
    /// What a server shows so that the root is found.
    between: String,
    pin: String,
}

/// A server's certificate, with what is between it and its root, and its key.
#[derive(Debug, Clone)]
pub struct Pair {
    pub chain: String,
    pub key: String,
    pub pin: String,
}

impl Authority {
    /// A root that nobody trusts yet.
    pub fn new(name: &str) -> Self {
        Self::with_key(name, new_key())
    }

    /// A root whose key is of the kind that a test asks for.
    pub fn with_key(name: &str, key: KeyPair) -> Self {
        let params = authority_params(name);
        let certificate = params.self_signed(&key).expect("a root can sign itself").pem();
        Self { pin: pin(&key), certificate, between: String::new(), issuer: Issuer::new(params, key) }
    }

    /// An authority below this one.
    pub fn below(&self, name: &str) -> Self {
        let (params, key) = (authority_params(name), new_key());
        let certificate = params.signed_by(&key, &self.issuer).expect("an authority can sign").pem();
        let between = format!("{certificate}{}", self.between);
        Self { pin: pin(&key), certificate, between, issuer: Issuer::new(params, key) }
    }

    /// Its own certificate, in PEM.
    pub fn certificate(&self) -> String {
        self.certificate.clone()
    }

    pub fn pin(&self) -> String {
        self.pin.clone()
    }

    /// A certificate for a host, good for a hundred years.
    pub fn issue(&self, host: impl ToString) -> Pair {
        self.issue_for_years(host, (2020, 2120))
    }

    /// A certificate for a host, good from the beginning of one year to that of another.
    pub fn issue_for_years(&self, host: impl ToString, (from_year, to_year): (i32, i32)) -> Pair {
        self.issue_for_key(host, (from_year, to_year), new_key())
    }

    /// A certificate for a host and a key of the kind that a test asks for.
    pub fn issue_for_key(&self, host: impl ToString, (from_year, to_year): (i32, i32), key: KeyPair) -> Pair {
        let mut params = CertificateParams::new(vec![host.to_string()]).expect("the name of a host");
        params.not_before = date_time_ymd(from_year, 1, 1);
        params.not_after = date_time_ymd(to_year, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).expect("an authority can sign");
        Pair { chain: format!("{}{}", certificate.pem(), self.between), key: key.serialize_pem(), pin: pin(&key) }
    }
}

impl Authority {
    /// Itself as a server: what somebody makes who takes one certificate for both.
    pub fn as_server(&self) -> Pair {
        let key = self.issuer.key().serialize_pem();
        Pair { chain: self.certificate.clone(), key, pin: self.pin.clone() }
    }
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn new_key() -> KeyPair {
    KeyPair::generate().expect("a key can be made")
}

/// A key as most authorities have it; one is enough, because making one takes long.
pub fn rsa_key() -> KeyPair {
    KeyPair::from_pem(include_str!("../fixtures/rsa_2048.pem")).expect("the kept key can be read")
}

/// A key as some roots have it.
pub fn p384_key() -> KeyPair {
    KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).expect("a key can be made")
}

/// A key as few servers have it, and no public authority.
pub fn ed25519_key() -> KeyPair {
    KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key can be made")
}

/// What pins a key.
fn pin(key: &KeyPair) -> String {
    STANDARD.encode(Sha256::digest(key.subject_public_key_info()))
}

impl Pair {
    /// Puts it where a server on this folder finds it.
    pub fn write_into(&self, folder: &Path) {
        let (certificate, key) = files(folder);
        fs::write(certificate, &self.chain).expect("a certificate can be written");
        fs::write(key, &self.key).expect("a key can be written");
    }
}

fn files(folder: &Path) -> (PathBuf, PathBuf) {
    (folder.join("certificate.pem"), folder.join("key.pem"))
}

/// The certificate and the key of the server on this folder, where it has them.
pub fn files_in(folder: &Path) -> Option<(PathBuf, PathBuf)> {
    Some(files(folder)).filter(|(certificate, _)| certificate.exists())
}
