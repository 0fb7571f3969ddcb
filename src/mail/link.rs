//! A connection to a mail server, in the clear or encrypted, that never reads more than it was allowed to.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::imap::Shape;
use crate::config::mail_server::{MailServer, MailTls};

/// Why there is no connection, or none any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The host name has no address.
    #[error("the host name was not resolved")]
    Resolve,
    /// Without encryption, and the host name leads to another machine.
    #[error("the host name leads to another machine, and nothing is encrypted")]
    NotLoopback,
    /// Nobody took the connection.
    #[error("no connection could be made")]
    Connect,
    /// The server does not offer STARTTLS.
    #[error("the server does not offer STARTTLS")]
    NoStarttls,
    /// The certificate is of none of the trusted authorities.
    #[error("the certificate is not of a trusted authority")]
    Authority,
    /// The certificate is for another name.
    #[error("the certificate is for another name")]
    Name,
    /// The certificate is not valid now.
    #[error("the certificate has expired or is not valid yet")]
    Validity,
    /// The certificate cannot be used for another reason.
    #[error("the certificate was not accepted")]
    Certificate,
    /// No encryption was agreed on.
    #[error("no TLS could be agreed on")]
    Tls,
    /// The connection broke.
    #[error("the connection broke")]
    Broken,
    /// The server sent more than we are ready to read.
    #[error("the server sent too much")]
    TooMuch,
}

/// A connection.
pub(super) struct Link {
    stream: Stream,
    /// What is read before the stream is.
    ahead: &'static [u8],
    /// How many more bytes may be read.
    allowance: usize,
    /// What the bytes must look like, where that is checked.
    shape: Option<Shape>,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Connects, and encrypts where that comes first. The caller sets the deadline.
///
/// # Errors
/// Says what was in the way.
pub(super) async fn connect(server: &MailServer, tls: &Arc<ClientConfig>, allowance: usize) -> Result<Link, Fault> {
    let found = tokio::net::lookup_host((server.host.as_str(), server.port)).await.map_err(|_| Fault::Resolve)?;
    let addresses: Vec<SocketAddr> = found.collect();
    if addresses.is_empty() {
        return Err(Fault::Resolve);
    }
    if server.tls == MailTls::None && addresses.iter().any(|address| !address.ip().is_loopback()) {
        return Err(Fault::NotLoopback);
    }
    let stream = TcpStream::connect(addresses.as_slice()).await.map_err(|_| Fault::Connect)?;
    // Commands are written in pieces; without this each would wait for the answer to the piece before.
    stream.set_nodelay(true).map_err(|_| Fault::Broken)?;
    let link = Link { stream: Stream::Plain(stream), ahead: b"", allowance, shape: None };
    if server.tls == MailTls::Implicit { link.encrypt(&server.host, tls).await } else { Ok(link) }
}

impl Link {
    /// The same connection, encrypted.
    ///
    /// # Errors
    /// What is wrong with the certificate, or that no encryption was agreed on.
    pub(super) async fn encrypt(self, host: &str, tls: &Arc<ClientConfig>) -> Result<Self, Fault> {
        let Stream::Plain(stream) = self.stream else { return Err(Fault::Tls) };
        let name = ServerName::try_from(host.to_owned()).map_err(|_| Fault::Name)?;
        let stream = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await.map_err(|e| refused(&e))?;
        // What was said in the clear is over, also half a line of it.
        let shape = self.shape.map(|_| Shape::default());
        Ok(Self { stream: Stream::Tls(Box::new(stream)), shape, ..self })
    }

    /// Lets nothing be read that an IMAP parser must not see. What is refused is an error of the kind [`ErrorKind::Other`].
    pub(super) fn shaped(self) -> Self {
        Self { shape: Some(Shape::default()), ..self }
    }

    /// Lets this text be read before anything that the server sends from here on.
    pub(super) fn preceded_by(self, ahead: &'static [u8]) -> Self {
        Self { ahead, ..self }
    }

    /// How many more bytes may be read, from here on.
    pub(super) fn allow(&mut self, allowance: usize) {
        self.allowance = allowance;
    }

    /// Reads one line and not a byte more: what follows may belong to the encryption.
    ///
    /// # Errors
    /// When the connection ends before the line does, or the line does not end.
    pub(super) async fn line(&mut self) -> Result<String, Fault> {
        const LONGEST: usize = 2048;
        let mut line = Vec::new();
        while line.len() < LONGEST {
            match self.read_u8().await.map_err(|e| broken(&e))? {
                b'\n' => {
                    line.pop_if(|last| *last == b'\r');
                    return Ok(String::from_utf8_lossy(&line).into_owned());
                }
                byte => line.push(byte),
            }
        }
        Err(Fault::TooMuch)
    }
}

/// What an error on the connection says.
pub(super) fn broken(error: &io::Error) -> Fault {
    if error.kind() == ErrorKind::QuotaExceeded { Fault::TooMuch } else { Fault::Broken }
}

/// What a failed handshake says.
fn refused(error: &io::Error) -> Fault {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(certificate)) => match certificate {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Fault::Authority,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Fault::Name,
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Fault::Validity,
            _ => Fault::Certificate,
        },
        Some(_) => Fault::Tls,
        None if error.kind() == ErrorKind::UnexpectedEof => Fault::Tls,
        None => Fault::Broken,
    }
}

/// Nothing of what goes over it.
impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.stream {
            Stream::Plain(_) => "a connection in the clear",
            Stream::Tls(_) => "an encrypted connection",
        })
    }
}

impl AsyncRead for Link {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.ahead.is_empty() {
            let (now, later) = self.ahead.split_at(self.ahead.len().min(buf.remaining()));
            buf.put_slice(now);
            self.ahead = later;
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        ready!(match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        })?;
        let read = &buf.filled()[before..];
        let Some(left) = self.allowance.checked_sub(read.len()) else {
            return Poll::Ready(Err(ErrorKind::QuotaExceeded.into()));
        };
        self.allowance = left;
        if self.shape.as_mut().is_some_and(|shape| !shape.takes(read)) {
            return Poll::Ready(Err(ErrorKind::Other.into()));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Link {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

impl AsyncTokioStream for Link {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.stream {
            Stream::Plain(stream) => stream.peer_addr(),
            Stream::Tls(stream) => stream.get_ref().0.peer_addr(),
        }
    }
}
