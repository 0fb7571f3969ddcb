//! A TCP connection that can be pulled out, or kept and made deaf: between a daemon and its database.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use url::Url;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Everything passes.
    Plugged,
    /// What was connected is cut, and nothing connects.
    Pulled,
    /// Connections stand, and no byte passes.
    Deaf,
}

/// The cable. Dropped: pulled for good.
pub struct Cable {
    address: SocketAddr,
    state: watch::Sender<State>,
    used: Arc<AtomicBool>,
}

impl Cable {
    /// A cable to where a URL points, and the URL that goes through it.
    pub async fn to(url: &str) -> (Self, String) {
        let mut url = Url::parse(url).expect("a URL");
        let host = url.host_str().expect("a host").to_owned();
        let port = url.port().expect("a port");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound port");
        let (state, seen) = watch::channel(State::Plugged);
        let used = Arc::new(AtomicBool::new(false));
        tokio::spawn(accept(listener, format!("{host}:{port}"), seen, used.clone()));
        url.set_host(Some("127.0.0.1")).expect("a host fits");
        url.set_port(Some(address.port())).expect("a port fits");
        (Self { address, state, used }, url.into())
    }

    /// Cuts every connection; new ones are closed at once.
    pub fn pull(&self) {
        self.state.send_replace(State::Pulled);
    }

    /// Keeps every connection, and lets no byte through.
    pub fn deafen(&self) {
        self.state.send_replace(State::Deaf);
    }

    /// Lets everything through again.
    pub fn plug(&self) {
        self.state.send_replace(State::Plugged);
    }

    /// Whether anything ever went through it, and where it stands.
    pub fn was_used(&self) -> (bool, SocketAddr) {
        (self.used.load(Ordering::Relaxed), self.address)
    }
}

async fn accept(listener: TcpListener, target: String, state: watch::Receiver<State>, used: Arc<AtomicBool>) {
    while let Ok((near, _)) = listener.accept().await {
        if *state.borrow() == State::Pulled {
            continue;
        }
        used.store(true, Ordering::Relaxed);
        let (target, state) = (target.clone(), state.clone());
        tokio::spawn(async move {
            let Ok(far) = TcpStream::connect(&target).await else { return };
            let (near_in, near_out) = near.into_split();
            let (far_in, far_out) = far.into_split();
            let mut pulled = state.clone();
            tokio::select! {
                () = copy(near_in, far_out, state.clone()) => (),
                () = copy(far_in, near_out, state) => (),
                _ = pulled.wait_for(|state| *state == State::Pulled) => (),
            }
        });
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut state: watch::Receiver<State>) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if state.wait_for(|state| *state != State::Deaf).await.is_err() || to.write_all(&buffer[..read]).await.is_err()
        {
            return;
        }
    }
}
