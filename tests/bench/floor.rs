//! The limit of durable ingest: hyper and redb alone. A body is stored as it came, by its number,
//! in groups with a sync, and answered; no signature, no repeat, no meaning.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use redb::{Database, TableDefinition};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

const BODIES: TableDefinition<'static, u64, &'static [u8]> = TableDefinition::new("bodies");
const GROUP: usize = 1024;

type Order = (Bytes, oneshot::Sender<()>);

/// The job: prints its address, and serves until it is killed.
#[expect(clippy::print_stdout, reason = "the parent reads the address there")]
pub(crate) fn serve(file: PathBuf) -> anyhow::Result<()> {
    tokio::runtime::Runtime::new()?.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address: SocketAddr = listener.local_addr()?;
        println!("{}", json!(address));
        let (orders, waiting) = mpsc::channel(4 * GROUP);
        std::thread::spawn(move || write(&file, waiting));
        let mut connections = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let orders = orders.clone();
            connections.spawn(async move {
                let service = service_fn(move |request| store(request, orders.clone()));
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    })
}

async fn store(
    request: Request<Incoming>,
    orders: mpsc::Sender<Order>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::new(Bytes::from_static(br#"{"status":"stored"}"#)));
    let (told, stored) = oneshot::channel();
    let taken = match request.into_body().collect().await {
        Ok(body) => orders.send((body.to_bytes(), told)).await.is_ok(),
        Err(_) => false,
    };
    if !taken || stored.await.is_err() {
        *response.status_mut() = hyper::StatusCode::SERVICE_UNAVAILABLE;
    }
    Ok(response)
}

fn write(file: &PathBuf, mut waiting: mpsc::Receiver<Order>) -> anyhow::Result<()> {
    let database: Database = redb::Builder::new().set_cache_size(fulcrum::store::CACHE_BYTES).create(file)?;
    let (mut number, mut group) = (0, Vec::with_capacity(GROUP));
    while waiting.blocking_recv_many(&mut group, GROUP) > 0 {
        let mut transaction = database.begin_write()?;
        transaction.set_two_phase_commit(true);
        {
            let mut table = transaction.open_table(BODIES)?;
            for (body, _) in &group {
                number += 1;
                table.insert(number, body.as_ref())?;
            }
        }
        transaction.commit()?;
        for (_, told) in group.drain(..) {
            let _ = told.send(());
        }
    }
    Ok(())
}
