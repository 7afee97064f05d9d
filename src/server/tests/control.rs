//! The control socket: its guard is the file's mode.

use std::os::unix::fs::PermissionsExt;

use tokio::net::UnixStream;

use super::*;

pub(super) async fn ask(path: &std::path::Path, request: &str) -> String {
    let mut stream = UnixStream::connect(path).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn whoever_may_open_the_socket_is_admin_without_a_token() {
    let world = World::start(Choice::default()).await;
    let path = world.folder.path().join("fulcrum.sock");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    let body = r#"{"kind":"hydrate","id":"x"}"#;
    let head = "host: fulcrum\r\nconnection: close\r\ncontent-type: application/json";
    let retry = format!(
        "POST /api/v1/outbox/retry HTTP/1.1\r\n{head}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    assert!(ask(&path, &retry).await.contains("no such effect has failed"));
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\n{head}\r\n\r\n");
    assert!(ask(&path, &get("/api/v1/status")).await.starts_with("HTTP/1.1 200"));
    assert!(ask(&path, &get("/hooks/lever")).await.starts_with("HTTP/1.1 404"));

    assert!(world.running.stop(PATIENCE).await);
    assert!(!path.exists());
}

#[tokio::test]
async fn a_socket_that_nobody_answers_is_replaced_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let socket = ControlSocket::bind(&path).await.unwrap();
    assert!(matches!(ControlSocket::bind(&path).await, Err(BindError::Taken { .. })));
    drop(socket);

    std::fs::write(&path, "precious").unwrap();
    assert!(matches!(ControlSocket::bind(&path).await, Err(BindError::NotASocket { .. })));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");

    let nowhere = folder.path().join("missing/s");
    assert!(matches!(ControlSocket::bind(&nowhere).await, Err(BindError::Socket { .. })));
}
