//! One query to one server and its response: over UDP, and over TCP where it does not fit.
//!
//! Every query has a socket of its own, connected to the server: a port chosen by the system, and nothing from any other
//! address is seen (RFC 5452 section 9).

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::message::{Arrived, Asking, Manner, ask};
use crate::domain::dns::{Failure, Question};

/// More than the payload that is asked for: some servers do not keep to it.
const UDP_BUFFER: usize = 4096;

/// A response, and whether it took TCP.
pub(super) struct Response {
    pub(super) message: Box<Message>,
    pub(super) over_tcp: bool,
}

/// Asks a server, and waits for each of UDP and TCP no longer than `limit`.
pub(super) async fn exchange(
    server: SocketAddr,
    question: &Question,
    manner: Manner,
    limit: Duration,
) -> Result<Response, Failure> {
    let asking = ask(question, manner).ok_or(Failure::Other)?;
    let arrived = timeout(limit, over_udp(server, &asking)).await.map_err(|_| Failure::Timeout)?;
    match arrived.map_err(|_| Failure::Other)? {
        Arrived::Response(message) => return Ok(Response { message, over_tcp: false }),
        Arrived::Truncated => {}
        Arrived::Malformed | Arrived::Foreign => return Err(Failure::Other),
    }
    let arrived = timeout(limit, over_tcp(server, &asking)).await.map_err(|_| Failure::Timeout)?;
    match arrived.map_err(|_| Failure::Other)? {
        Arrived::Response(message) => Ok(Response { message, over_tcp: true }),
        _ => Err(Failure::Other),
    }
}

async fn over_udp(server: SocketAddr, asking: &Asking) -> io::Result<Arrived> {
    let any = match server {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    socket.send(&asking.bytes).await?;
    let mut buffer = vec![0; UDP_BUFFER];
    loop {
        let length = socket.recv(&mut buffer).await?;
        match asking.read(&buffer[..length]) {
            Arrived::Foreign => {}
            arrived => return Ok(arrived),
        }
    }
}

async fn over_tcp(server: SocketAddr, asking: &Asking) -> io::Result<Arrived> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(asking.bytes.len()).map_err(io::Error::other)?;
    // In one piece: some servers read the length and the message by a single read.
    stream.write_all(&[&length.to_be_bytes(), asking.bytes.as_slice()].concat()).await?;
    let mut buffer = vec![0; stream.read_u16().await?.into()];
    stream.read_exact(&mut buffer).await?;
    Ok(asking.read(&buffer))
}
