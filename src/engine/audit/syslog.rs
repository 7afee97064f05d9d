//! The audit log as syslog over TLS: RFC 5424 messages, each after its length (RFC 5425).
//!
//! Syslog has no answers, and what a socket took may be lost when its other end dies. So each batch has a
//! connection of its own, which ends in order: we say that this was all, and the receiver closes once it has
//! read to there. Only then does the bookmark move. A receiver that closes sooner has perhaps not read all.
//! Since its end may be on its way to us just while we say ours, we first wait for longer than a way there
//! and back takes, with everything written; whoever closes by then gets the batch once more.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::Line;

/// A notice of the facility "log audit".
const PRIORITY: u8 = 13 * 8 + 5;
/// A `sequenceId` goes so far and begins again (RFC 5424 7.3.1).
const SEQUENCE_MAX: u64 = 2_147_483_647;

const CONNECT: Duration = Duration::from_secs(10);
/// For everything to be written, and then for everything to be read.
const BATCH: Duration = Duration::from_secs(60);
/// How long we wait at least whether the other end closes before its time.
const LINGER: Duration = Duration::from_millis(500);

/// Somebody who takes syslog over TLS.
#[derive(Clone)]
pub struct Syslog {
    host: String,
    port: u16,
    name: ServerName<'static>,
    from: String,
    tls: TlsConnector,
    linger: Duration,
}

impl std::fmt::Debug for Syslog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Syslog({self})")
    }
}

impl std::fmt::Display for Syslog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Why a receiver has perhaps not got a batch.
#[derive(Debug, thiserror::Error)]
#[error("{receiver}: {what}")]
pub(super) struct SyslogError {
    receiver: String,
    what: &'static str,
    source: Option<io::Error>,
}

impl Syslog {
    /// The receiver at `host`, a name or an address; `from` is the host name in messages.
    pub fn new(name: ServerName<'static>, port: u16, from: &str, tls: Arc<ClientConfig>) -> Self {
        let printable = |c: &char| c.is_ascii_graphic();
        let from: String = from.chars().filter(printable).take(255).collect();
        Self {
            host: name.to_str().into_owned(),
            port,
            name,
            from: if from.is_empty() { "-".to_owned() } else { from },
            tls: tls.into(),
            linger: LINGER,
        }
    }

    /// Returns when the receiver has read all of these.
    pub(super) async fn take(&self, lines: &[Line]) -> Result<(), SyslogError> {
        let failed = |what| move |source: io::Error| self.error(what, source);
        let began = Instant::now();
        let stream = timeout(CONNECT, self.connect()).await.unwrap_or_else(|late| Err(late.into()));
        let mut stream = stream.map_err(failed("no connection"))?;
        let way = began.elapsed();
        let mut frames = Vec::new();
        for line in lines {
            self.frame(line, &mut frames).map_err(failed("an entry that is no message"))?;
        }
        let written = timeout(BATCH, async {
            stream.write_all(&frames).await?;
            stream.flush().await
        });
        written.await.unwrap_or_else(|late| Err(late.into())).map_err(failed("the connection broke off"))?;
        match timeout(self.linger.max(2 * way), end(&mut stream)).await {
            Err(_) => {}
            Ok(ended) => return Err(self.error("it closed before it had everything", ended.err())),
        }
        let ended = timeout(BATCH, async {
            stream.shutdown().await?;
            end(&mut stream).await
        });
        let not_closed = failed("it did not confirm by closing the connection that it has everything");
        ended.await.unwrap_or_else(|late| Err(late.into())).map_err(not_closed)
    }

    #[expect(clippy::disallowed_methods, reason = "the receiver of the audit log, which the config names")]
    async fn connect(&self) -> io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        self.tls.connect(self.name.clone(), stream).await
    }

    fn error(&self, what: &'static str, source: impl Into<Option<io::Error>>) -> SyslogError {
        SyslogError { receiver: self.to_string(), what, source: source.into() }
    }

    /// A message and its length before it.
    fn frame(&self, line: &Line, frames: &mut Vec<u8>) -> io::Result<()> {
        let Line { number, at, kind, .. } = line;
        let sequence = number.saturating_sub(1) % SEQUENCE_MAX + 1;
        let entry = serde_json::to_string(line)?;
        let message = format!(
            "<{PRIORITY}>1 {at} {} fulcrum - {kind} [meta sequenceId=\"{sequence}\"] {entry}",
            self.from
        );
        frames.extend_from_slice(format!("{} {message}", message.len()).as_bytes());
        Ok(())
    }
}

/// Reads to the end. One without TLS's farewell is one as well; a reset is none.
async fn end(stream: &mut TlsStream<TcpStream>) -> io::Result<()> {
    let mut unheeded = [0; 256];
    loop {
        match stream.read(&mut unheeded).await {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a receiver of its own, outside of the daemon")]
mod tests {
    use std::sync::Mutex;

    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::crypto::aws_lc_rs;
    use tokio_rustls::rustls::pki_types::pem::PemObject as _;
    use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use tokio_rustls::rustls::{RootCertStore, ServerConfig};

    use super::*;
    use crate::engine::audit::outputs::tests::{happen, store};
    use crate::engine::audit::outputs::{Output, OutputError, pass_on};

    const CERTIFICATE: &str = include_str!("../../server/tests/localhost.pem");
    const KEY: &str = include_str!("../../server/tests/localhost.key");

    /// How a receiver treats one connection.
    #[derive(Clone, Copy)]
    enum Way {
        Well,
        /// It begins to read when its sender has waited long already.
        Slowly,
        /// It closes after so many messages, in order, and has not read on.
        ClosesAfter(usize),
        /// It dies after so many.
        DiesAfter(usize),
    }

    fn root() -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).unwrap()
    }

    /// A receiver for as many connections as there are ways. What it has read, in order.
    async fn receiver(ways: &[Way]) -> (Syslog, Arc<Mutex<Vec<String>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![root()], PrivateKeyDer::from_pem_slice(KEY.as_bytes()).unwrap())
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let got = Arc::new(Mutex::new(Vec::new()));
        let (ways, kept) = (ways.to_owned(), got.clone());
        tokio::spawn(async move {
            for way in ways {
                let (stream, _) = listener.accept().await.unwrap();
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let most = match way {
                    Way::Well | Way::Slowly => usize::MAX,
                    Way::ClosesAfter(most) | Way::DiesAfter(most) => most,
                };
                if matches!(way, Way::Slowly) {
                    tokio::time::sleep(LINGER).await;
                }
                let mut read = 0;
                while read < most {
                    let Some(message) = message(&mut stream).await else { break };
                    kept.lock().unwrap().push(message);
                    read += 1;
                }
                if !matches!(way, Way::DiesAfter(_)) {
                    let _ = stream.shutdown().await;
                }
            }
        });
        let mut roots = RootCertStore::empty();
        roots.add(root()).unwrap();
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        (Syslog::new(name, port, "text.acme.example", Arc::new(tls)), got)
    }

    /// A message, by the length before it.
    async fn message(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Option<String> {
        let mut length = 0;
        loop {
            match stream.read_u8().await.ok()? {
                b' ' => break,
                digit => length = length * 10 + usize::from(digit - b'0'),
            }
        }
        let mut message = vec![0; length];
        stream.read_exact(&mut message).await.ok()?;
        String::from_utf8(message).ok()
    }

    /// The numbers of the entries in messages.
    fn numbers(got: &Mutex<Vec<String>>) -> Vec<u64> {
        let entry = |message: &String| {
            let (_, entry) = message.split_once("] ").unwrap();
            serde_json::from_str::<Line>(entry).unwrap().number
        };
        got.lock().unwrap().iter().map(entry).collect()
    }

    #[tokio::test]
    async fn a_message_is_as_the_rfcs_have_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        happen(&store, 1).await;
        let (syslog, got) = receiver(&[Way::Well]).await;
        assert_eq!(pass_on(&store, &Output::Syslog(Arc::new(syslog)), 10).await.unwrap(), 1);
        let got = got.lock().unwrap();
        let (head, entry) = got[0].split_once("] ").unwrap();
        assert_eq!(
            head,
            "<109>1 1970-01-01T00:00:00.000Z text.acme.example fulcrum - sign-in [meta sequenceId=\"1\""
        );
        let mut exported = Vec::new();
        store.read_here(|read| crate::engine::audit::export(read, &mut exported)).unwrap();
        assert_eq!(entry, String::from_utf8(exported).unwrap().trim_end());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn every_entry_arrives_in_order_and_comes_again_at_a_seam_alone() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        happen(&store, 9).await;
        let ways = [Way::Slowly, Way::ClosesAfter(1), Way::DiesAfter(2), Way::DiesAfter(0), Way::Well];
        let (syslog, got) = receiver(&ways).await;
        // Whoever closes too soon does so at once; for the others there is nothing to wait for.
        let [long, short] = [Duration::from_mins(2), Duration::from_millis(5)];
        let mut outcomes = Vec::new();
        for (most, linger) in [(4, short), (4, long), (4, long), (4, long), (10, short)] {
            let output = Output::Syslog(Arc::new(Syslog { linger, ..syslog.clone() }));
            let passed = pass_on(&store, &output, most).await;
            assert!(!matches!(passed, Err(OutputError::Store(_))));
            outcomes.push(passed.ok());
        }
        assert_eq!(outcomes, [Some(4), None, None, None, Some(5)]);
        assert_eq!(numbers(&got), [1, 2, 3, 4, 5, 5, 6, 5, 6, 7, 8, 9]);
    }

    #[tokio::test]
    async fn a_receiver_that_is_down_or_is_another_gets_nothing_and_loses_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        happen(&store, 2).await;
        let (mut other, got) = receiver(&[Way::Well, Way::Well]).await;
        let trusted = other.name.clone();
        other.name = ServerName::try_from("siem.acme.example").unwrap();
        assert!(pass_on(&store, &Output::Syslog(Arc::new(other)), 10).await.is_err());
        assert!(got.lock().unwrap().is_empty());
        let (mut syslog, got) = receiver(&[Way::Well]).await;
        assert_eq!(syslog.name, trusted);
        let port = std::mem::replace(&mut syslog.port, 1);
        assert!(syslog.take(&[]).await.unwrap_err().to_string().contains("localhost:1: no connection"));
        syslog.port = port;
        assert_eq!(pass_on(&store, &Output::Syslog(Arc::new(syslog)), 10).await.unwrap(), 2);
        assert_eq!(numbers(&got), [1, 2]);
    }
}
