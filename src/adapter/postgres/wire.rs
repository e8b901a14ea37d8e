//! The stream to the server: the request for TLS, the handshake, and the shutdown.
//!
//! To cancel a statement, the driver sends a request and closes its socket at once. PgBouncer drops
//! a request whose client is gone, and version 1.18 may even crash; libpq waits until the other
//! side closes. So does this connector. For that it has to own every stream, encrypted or not, and
//! so it requests TLS itself (PostgreSQL documentation, "Message Flow", "Cancelling Requests in
//! Progress", "SSL Session Encryption").

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio_postgres::Socket;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Length 8, then the code of a request for TLS.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Makes connectors. The driver must be configured not to negotiate TLS itself.
#[derive(Clone)]
pub(super) struct TlsNegotiator {
    pub(super) tls: Option<MakeRustlsConnect>,
    /// Whether an unencrypted connection is accepted if the server has no TLS.
    pub(super) prefer: bool,
    /// Whether to wait for the other side to close when the stream is shut down.
    pub(super) waits: bool,
}

pub(super) struct HostTlsNegotiator {
    wire: TlsNegotiator,
    host: String,
}

impl MakeTlsConnect<Socket> for TlsNegotiator {
    type Stream = ServerStream;
    type TlsConnect = HostTlsNegotiator;
    type Error = io::Error;

    fn make_tls_connect(&mut self, host: &str) -> Result<HostTlsNegotiator, io::Error> {
        Ok(HostTlsNegotiator { wire: self.clone(), host: host.to_owned() })
    }
}

impl TlsConnect<Socket> for HostTlsNegotiator {
    type Stream = ServerStream;
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<ServerStream, Failure>> + Send>>;

    fn connect(self, stream: Socket) -> Self::Future {
        Box::pin(self.open(stream))
    }
}

impl HostTlsNegotiator {
    async fn open(self, mut stream: Socket) -> Result<ServerStream, Failure> {
        let HostTlsNegotiator { wire, host } = self;
        let line = |inner| Ok(ServerStream { inner, waits: wire.waits });
        let Some(mut tls) = wire.tls else { return line(Box::pin(Plain(stream))) };
        stream.write_all(&SSL_REQUEST).await?;
        let mut answer = [0];
        stream.read_exact(&mut answer).await?;
        if answer[0] != b'S' {
            return if wire.prefer {
                line(Box::pin(Plain(stream)))
            } else {
                Err("server does not support TLS".into())
            };
        }
        let connect = MakeTlsConnect::<Socket>::make_tls_connect(&mut tls, &host)?;
        line(Box::pin(connect.connect(stream).await?))
    }
}

/// An unencrypted stream.
struct Plain(Socket);

impl TlsStream for Plain {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Plain {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Plain {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// A connection, encrypted or not.
pub(super) struct ServerStream {
    inner: Pin<Box<dyn TlsStream + Send>>,
    waits: bool,
}

impl TlsStream for ServerStream {
    fn channel_binding(&self) -> ChannelBinding {
        self.inner.channel_binding()
    }
}

impl AsyncRead for ServerStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.inner.as_mut().poll_read(cx, buf)
    }
}

impl AsyncWrite for ServerStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.inner.as_mut().poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.inner.as_mut().poll_flush(cx))?;
        while self.waits {
            let mut bytes = [0; 64];
            let mut buffer = ReadBuf::new(&mut bytes);
            let more = ready!(self.inner.as_mut().poll_read(cx, &mut buffer)).is_ok()
                && !buffer.filled().is_empty();
            self.waits = more;
        }
        self.inner.as_mut().poll_shutdown(cx)
    }
}
