//! What goes wrong with TLS, in messages that name the remedy.

use std::{boxed::Box, format, io, string::String, string::ToString};

use beanstalk_proto::TlsError;
use rustls::{AlertDescription as Alert, CertificateError as Certificate, Error};

/// An error of rustls as one of the stream.
pub(super) fn explain(error: Error) -> io::Error {
    let (text, refusal) = describe(&error);
    io::Error::new(io::ErrorKind::InvalidData, TlsError::new(&text, refusal, Some(Box::new(error))))
}

/// The stream ended without the peer's `close_notify`.
pub(super) fn truncated() -> io::Error {
    let text = "the connection was cut off: it ended without TLS's close_notify, so what came may not be all";
    io::Error::new(io::ErrorKind::UnexpectedEof, TlsError::new(text, false, None))
}

/// It ended before there was a session.
pub(super) fn closed_early() -> io::Error {
    let text = "the server closed the connection during the handshake";
    io::Error::new(io::ErrorKind::UnexpectedEof, TlsError::new(text, false, None))
}

/// The time for the handshake is up, and the server had begun to answer.
pub(super) fn unfinished() -> io::Error {
    let text = "the server's hello arrived, but the handshake did not finish";
    io::Error::new(io::ErrorKind::TimedOut, TlsError::new(text, false, None))
}

/// The time for the handshake is up, and nothing came. A server without TLS mostly waits for the end of a line, which is the same silence as
/// that of a server that stands still: so it is no refusal.
pub(super) fn unanswered() -> io::Error {
    let text = "the connection was made, and no answer to the handshake came; \
                if the server does not speak TLS, its endpoint begins with beanstalk://";
    io::Error::new(io::ErrorKind::TimedOut, TlsError::new(text, false, None))
}

/// What it means, and whether trying again would fail in the same way.
fn describe(error: &Error) -> (String, bool) {
    match error {
        Error::InvalidCertificate(error) => (certificate(error), true),
        Error::InvalidMessage(_) => {
            ("the server does not speak TLS here; beanstalk:// is the scheme without it".into(), true)
        }
        Error::AlertReceived(alert) => of_alert(*alert),
        Error::PeerIncompatible(why) => {
            (format!("the server and this client have no version or cipher of TLS in common: {why:?}"), true)
        }
        error => (error.to_string(), false),
    }
}

fn certificate(error: &Certificate) -> String {
    match error {
        Certificate::Expired | Certificate::ExpiredContext { .. } => {
            format!("the server's certificate has expired, or the clock here is wrong ({error})")
        }
        Certificate::NotValidYet | Certificate::NotValidYetContext { .. } => {
            format!("the server's certificate is not valid yet, or the clock here is wrong ({error})")
        }
        Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
            format!(
                "the server's certificate is for another name ({error}); if that is right, set TlsOptions::server_name"
            )
        }
        // The second is that of another issuer with the same name.
        Certificate::UnknownIssuer | Certificate::BadSignature => {
            "the server's certificate is from an issuer that is not trusted here; if that is right, set TlsOptions::roots"
                .into()
        }
        error => format!("the server's certificate is not accepted: {error}"),
    }
}

fn of_alert(alert: Alert) -> (String, bool) {
    match alert {
        Alert::CertificateRequired => {
            ("the server requires a client certificate; set TlsOptions::client_certificate".into(), true)
        }
        Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateRevoked
        | Alert::CertificateExpired
        | Alert::CertificateUnknown
        | Alert::UnknownCA
        | Alert::AccessDenied
        | Alert::DecryptError => (format!("the server refused the client certificate (alert {alert:?})"), true),
        Alert::HandshakeFailure | Alert::ProtocolVersion | Alert::InsufficientSecurity | Alert::UnrecognisedName => {
            (format!("the server refused the handshake (alert {alert:?})"), true)
        }
        alert => (format!("the server ended the session (alert {alert:?})"), false),
    }
}
