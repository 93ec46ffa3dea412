//! From options to connections.

use std::{env, fs, path::Path};

use beanstalk_sync::{
    Client, ConnectOptions, Endpoint, Limits, TlsOptions,
    rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::{
    exit::{Exit, Failure, Outcome},
    options::Options,
};

/// Bodies of any size that a server can have: the limit guards against peers that lie, and these servers are the user's own.
const LARGEST_BODY: usize = 1 << 30;

pub(crate) fn with(options: &Options) -> Outcome<ConnectOptions> {
    let limits = Limits { reply_body: LARGEST_BODY, ..Limits::default() };
    let mut connect =
        ConnectOptions::new().connect_timeout(options.timeout).reply_timeout(options.timeout).limits(limits);
    if options.ca.is_some() || options.cert.is_some() {
        connect = connect.tls(tls(options)?);
    }
    match token(options)? {
        Some(token) => Ok(connect.token(token.trim())),
        None => Ok(connect),
    }
}

fn token(options: &Options) -> Outcome<Option<String>> {
    match &options.token_file {
        Some(path) => match fs::read_to_string(path) {
            Ok(token) => Ok(Some(token)),
            Err(error) => Err(Failure::local(path.display(), &error)),
        },
        None => Ok(env::var("BEANSTALK_TOKEN").ok().filter(|token| !token.is_empty())),
    }
}

fn tls(options: &Options) -> Outcome<TlsOptions> {
    let mut tls = TlsOptions::new();
    if let Some(path) = &options.ca {
        tls = tls.roots(certificates(path)?);
    }
    if let (Some(cert), Some(key)) = (&options.cert, &options.key) {
        tls = tls.client_certificate(
            certificates(cert)?,
            PrivateKeyDer::from_pem_file(key).map_err(|error| pem(key, &error))?,
        );
    }
    Ok(tls)
}

fn certificates(path: &Path) -> Outcome<Vec<CertificateDer<'static>>> {
    let found = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match found.map_err(|error| pem(path, &error))? {
        none if none.is_empty() => {
            Err(Failure::new(Exit::Local, format!("{}: there is no certificate in it", path.display())))
        }
        found => Ok(found),
    }
}

fn pem(path: &Path, error: &beanstalk_sync::rustls::pki_types::pem::Error) -> Failure {
    Failure::new(Exit::Local, format!("{}: {error}", path.display()))
}

pub(crate) fn connect(options: &Options, server: &Endpoint) -> Outcome<Client> {
    Ok(Client::connect_with(&server.to_string(), with(options)?)?)
}
