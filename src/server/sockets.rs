//! Binding: two TCP ports and the control socket.
//!
//! Apart from serving, so that sockets may also come from elsewhere, and so that nothing is bound
//! before the settings are known to be good.

use std::fs::{self, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::{TcpListener, UnixListener, UnixStream};

/// Why the server cannot be reached.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// A port.
    #[error("cannot listen on {address}")]
    Port {
        /// Which.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The control socket.
    #[error("cannot make the control socket {}", path.display())]
    Socket {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A daemon answers there.
    #[error("another fulcrum answers on the control socket {}", path.display())]
    Taken {
        /// Where.
        path: PathBuf,
    },
    /// Something else lies there.
    #[error("{} is not a socket and was left alone", path.display())]
    NotASocket {
        /// Where.
        path: PathBuf,
    },
}

/// Sockets that somebody else bound before we were started, and keeps while we are not: who connects
/// meanwhile waits and is not refused.
#[derive(Debug, Default)]
pub struct Given {
    /// For hooks, the API and the console.
    pub public: Option<std::net::TcpListener>,
    /// For health and metrics.
    pub ops: Option<std::net::TcpListener>,
}

/// The sockets of a server, bound.
pub struct Listeners {
    /// Hooks and the API.
    pub public: TcpListener,
    /// Health and metrics.
    pub ops: TcpListener,
    /// Commands.
    pub control: Option<ControlSocket>,
}

impl Listeners {
    /// Binds all of them but those that are given.
    ///
    /// # Errors
    /// [`BindError`]; none is left bound then.
    pub async fn bind(
        public: SocketAddr,
        ops: SocketAddr,
        control: Option<&Path>,
        given: Given,
    ) -> Result<Self, BindError> {
        Ok(Self {
            public: port(public, given.public).await?,
            ops: port(ops, given.ops).await?,
            control: match control {
                Some(path) => Some(ControlSocket::bind(path).await?),
                None => None,
            },
        })
    }
}

async fn port(address: SocketAddr, given: Option<std::net::TcpListener>) -> Result<TcpListener, BindError> {
    let bound = match given {
        Some(given) => given.set_nonblocking(true).and_then(|()| TcpListener::from_std(given)),
        None => TcpListener::bind(address).await,
    };
    bound.map_err(|source| BindError::Port { address, source })
}

/// The Unix socket that commands talk to. Who may write to it is admin, so its mode is 0660 from
/// the moment at which it appears. Dropped, it takes the file with it.
pub struct ControlSocket {
    listener: Option<UnixListener>,
    path: PathBuf,
}

impl ControlSocket {
    /// Makes the socket, in the place of one on which nobody answers.
    ///
    /// # Errors
    /// [`BindError`]; what lies there is then untouched.
    pub async fn bind(path: &Path) -> Result<Self, BindError> {
        let failed = |source| BindError::Socket { path: path.to_owned(), source };
        match fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => {
                return Err(BindError::NotASocket { path: path.to_owned() });
            }
            Ok(_) if UnixStream::connect(path).await.is_ok() => {
                return Err(BindError::Taken { path: path.to_owned() });
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        // Made beside, given its mode, then put in its place: nobody meets it with another one.
        let mut beside = path.as_os_str().to_owned();
        beside.push(format!(".{}", std::process::id()));
        let listener = UnixListener::bind(&beside).map_err(failed)?;
        fs::set_permissions(&beside, Permissions::from_mode(0o660))
            .and_then(|()| fs::rename(&beside, path))
            .inspect_err(|_| drop(fs::remove_file(&beside)))
            .map_err(failed)?;
        Ok(Self { listener: Some(listener), path: path.to_owned() })
    }

    /// What connections come in on; the file stays until `self` is dropped.
    pub(super) fn take_listener(&mut self) -> Option<UnixListener> {
        self.listener.take()
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // One that stays is replaced at the next start.
        let _ = fs::remove_file(&self.path);
    }
}
