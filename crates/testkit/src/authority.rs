//! A certificate authority that nobody has heard of, for tests of TLS: a test makes one, has it sign what its server shows,
//! and tells its client to believe it, or not. It keeps nothing on disk and refuses to be believed by default.

use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, Error, IsCa, Issuer, KeyPair, KeyUsagePurpose};

/// An authority of a test's own.
pub struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// What a server shows, as PEM.
#[derive(Clone)]
pub struct Signed {
    /// The certificate, signed by the authority alone: the chain has one link.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

impl Authority {
    /// Makes one with a new key.
    ///
    /// # Errors
    /// What the library of certificates says, as text.
    pub fn new() -> Result<Self, String> {
        made(|| {
            let mut params = CertificateParams::new(Vec::new())?;
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            // By the same name as what it signs it would look signed by itself.
            params.distinguished_name.push(DnType::CommonName, "authority of a test");
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
            let key = KeyPair::generate()?;
            Ok(Self { certificate: params.self_signed(&key)?, issuer: Issuer::new(params, key) })
        })
    }

    /// Signs a certificate with a new key, for names of hosts or their addresses.
    ///
    /// # Errors
    /// As [`Self::new`]; a name that is none.
    pub fn sign(&self, names: &[&str]) -> Result<Signed, String> {
        made(|| {
            let key = KeyPair::generate()?;
            let params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())?;
            let certificate = params.signed_by(&key, &self.issuer)?;
            Ok(Signed { certificate: certificate.pem(), key: key.serialize_pem() })
        })
    }

    /// Its own certificate, as the files of authorities hold it.
    #[must_use]
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// The same as bytes, as TLS sends it.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        self.certificate.der()
    }
}

fn made<T>(make: impl FnOnce() -> Result<T, Error>) -> Result<T, String> {
    make().map_err(|error| error.to_string())
}
