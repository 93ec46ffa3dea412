//! How TLS is set up.

use std::{
    boxed::Box,
    fmt, format,
    string::ToString,
    sync::{Arc, OnceLock},
    vec::Vec,
};

use beanstalk_proto::{ArgumentError, Error};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName},
};

use super::session::TlsSession;
use crate::connect::endpoint::Node;

/// How connections to a `beanstalks://` endpoint are secured.
///
/// Unless changed, servers must have a certificate that the operating system trusts, for the host name in the endpoint, and TLS 1.2 or
/// 1.3. What the operating system trusts is read with the first connection, and kept.
///
/// ```no_run
/// use beanstalk_driver::{ConnectOptions, TlsOptions};
/// use beanstalk_driver::rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let tls = TlsOptions::new()
///     // Trust these, and no others.
///     .roots(CertificateDer::pem_file_iter("ca.pem")?.collect::<Result<Vec<_>, _>>()?)
///     // For servers that ask for one.
///     .client_certificate(
///         CertificateDer::pem_file_iter("client.pem")?.collect::<Result<Vec<_>, _>>()?,
///         PrivateKeyDer::from_pem_file("client.key")?,
///     );
/// let options = ConnectOptions::new().tls(tls);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct TlsOptions {
    roots: Option<Vec<CertificateDer<'static>>>,
    client: Option<Arc<ClientCertificate>>,
    server_name: Option<Box<str>>,
    /// The user's own, or what was made of the others.
    config: Arc<OnceLock<Arc<ClientConfig>>>,
}

struct ClientCertificate {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl TlsOptions {
    /// Returns the default: the roots of the operating system, and no client certificate.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Uses a configuration of your own, whatever else is set here but the server name.
    #[must_use]
    pub fn from_config(config: Arc<ClientConfig>) -> Self {
        Self { config: Arc::new(config.into()), ..Self::default() }
    }

    /// Trusts servers whose certificate comes from one of these issuers, or is one of these, and no others.
    #[must_use]
    pub fn roots(mut self, roots: impl IntoIterator<Item = CertificateDer<'static>>) -> Self {
        self.roots = Some(roots.into_iter().collect());
        self.unmade()
    }

    /// Shows servers that ask for it this certificate, with those of its issuers behind it, and its key.
    #[must_use]
    pub fn client_certificate(mut self, chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Self {
        self.client = Some(Arc::new(ClientCertificate { chain, key }));
        self.unmade()
    }

    /// Expects the server's certificate to be for this name or IP address, in place of the endpoint's host.
    #[must_use]
    pub fn server_name(mut self, name: &str) -> Self {
        self.server_name = Some(name.into());
        self
    }

    fn unmade(mut self) -> Self {
        self.config = Arc::default();
        self
    }

    /// Begins on a connection to this node.
    pub(crate) fn begin(&self, node: &Node) -> Result<TlsSession, Error> {
        let name = match (&self.server_name, node) {
            (Some(name), _) => name,
            (None, Node::Tcp { host, .. }) => host.split('%').next().unwrap_or_default(),
            (None, Node::Unix(_)) => return Err(setting("a Unix socket has no name: set TlsOptions::server_name")),
        };
        let name = ServerName::try_from(name.to_string())
            .map_err(|_| setting(&format!("{name:?} is not a name that a server's certificate could be for")))?;
        let config = self.config()?;
        let connection = ClientConnection::new(config, name).map_err(|error| setting(&error.to_string()))?;
        Ok(TlsSession::new(connection))
    }

    fn config(&self) -> Result<Arc<ClientConfig>, Error> {
        if let Some(config) = self.config.get() {
            return Ok(Arc::clone(config));
        }
        let made = Arc::new(self.make()?);
        Ok(Arc::clone(self.config.get_or_init(|| made)))
    }

    fn make(&self) -> Result<ClientConfig, Error> {
        let failed = |what: &str, error: rustls::Error| setting(&format!("{what}: {error}"));
        let roots = match &self.roots {
            Some(given) => {
                let mut roots = RootCertStore::empty();
                for root in given {
                    roots.add(root.clone()).map_err(|error| failed("one of the roots cannot be used", error))?;
                }
                roots
            }
            None => of_the_system(),
        };
        if roots.is_empty() {
            return Err(setting("there are no root certificates to trust on this system: set TlsOptions::roots"));
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| failed("no version of TLS", error))?
            .with_root_certificates(roots);
        match &self.client {
            None => Ok(builder.with_no_client_auth()),
            Some(client) => builder
                .with_client_auth_cert(client.chain.clone(), client.key.clone_key())
                .map_err(|error| failed("the client certificate or its key cannot be used", error)),
        }
    }
}

/// What cannot be read there is left out: others may do.
fn of_the_system() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let _counts = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

fn setting(why: &str) -> Error {
    ArgumentError::Setting { setting: "tls", why: why.into() }.into()
}

impl fmt::Debug for TlsOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsOptions")
            .field(
                "roots",
                &self.roots.as_ref().map_or_else(|| "of the system".to_string(), |roots| roots.len().to_string()),
            )
            .field("client_certificate", &self.client.is_some())
            .field("server_name", &self.server_name)
            .finish_non_exhaustive()
    }
}
