//! A scripted listener of a few lines, for what a carrier's client asks and what it makes of each answer,
//! and the text that the tests of all carriers hand over.

#![allow(clippy::disallowed_methods, reason = "a client of a test, outside of the daemon")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

use url::Url;

use super::{Carrier, Outgoing, SendError};

/// Answers one connection after the other, then gives back what was asked.
pub(super) fn serve(answers: Vec<String>) -> (Url, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let answer = move |answer: String| {
        let (mut stream, _) = listener.accept().unwrap();
        let request = request(&mut stream);
        stream.write_all(answer.as_bytes()).unwrap();
        request
    };
    (url, std::thread::spawn(move || answers.into_iter().map(answer).collect()))
}

/// A whole request, its body included.
fn request(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).unwrap();
        text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if read == 0 || body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
            return text;
        }
    }
}

pub(super) fn answer(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

/// The id of [`outgoing`].
pub(super) const MID: &str = "0190f3c2-0000-7000-8000-000000000001";

/// A text to hand over.
pub(super) fn outgoing() -> Outgoing {
    Outgoing {
        mid: MID.parse().unwrap(),
        to: "+14155550123".into(),
        from: "+14155550100".into(),
        body: "private words & more".into(),
        validity: None,
        at: jiff::Timestamp::UNIX_EPOCH,
    }
}

/// Without redirects, as the program's.
pub(super) fn http() -> reqwest::Client {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

/// How a send ends that is answered so; what it says holds neither the words nor a number.
pub(super) async fn failing(
    carrier: impl FnOnce(Url) -> Carrier,
    text: &Outgoing,
    answer: String,
) -> SendError {
    let (url, server) = serve(vec![answer]);
    let error = carrier(url).send(text).await.unwrap_err();
    server.join().unwrap();
    let printed = format!("{error} {error:?}");
    assert!(!printed.contains("private") && !printed.contains("555"), "{printed}");
    error
}
