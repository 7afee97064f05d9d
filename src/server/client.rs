//! From where a request comes: the other end of its connection, or whom the proxies in front name.
//!
//! A header can say anything, so it counts only as far as proxies of `server.trusted_proxies` wrote
//! it: names are taken off its end for as long as the one before was such a proxy. What is left is the
//! rightmost address that is none of them. Most proxies write one header and pass the other on as
//! the client sent it; so where `X-Forwarded-For` and `Forwarded` differ, neither is believed.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, header};

use super::listener::Peer;
use crate::config::ProxyRange;

/// Puts the client in the place of the proxy, for all that asks who is at the other end.
pub(super) async fn found(
    State(trusted): State<Arc<[ProxyRange]>>,
    mut request: Request,
    next: Next,
) -> Response {
    if let Some(Peer(peer)) = request.extensions().get().copied() {
        let client = client_of(peer, request.headers(), &trusted);
        request.extensions_mut().insert(Peer(client));
    }
    next.run(request).await
}

/// What one subscriber has, whom limits count as one: an IPv4 address, or 64 bits of an IPv6 one.
pub(super) fn subscriber(address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => (address.to_bits() >> 64) as u64,
    }
}

fn client_of(peer: IpAddr, headers: &HeaderMap, trusted: &[ProxyRange]) -> IpAddr {
    let by_common = list(headers, "x-forwarded-for").map(address);
    let by_standard = list(headers, header::FORWARDED.as_str()).map(for_of);
    let by_common = behind(peer, by_common, trusted);
    let by_standard = behind(peer, by_standard, trusted);
    match (by_common, by_standard) {
        (Some(one), None) | (None, Some(one)) => one,
        (Some(one), Some(other)) if one == other => one,
        _ => peer,
    }
    .to_canonical()
}

/// The elements of a list that may stand in several lines, the last first.
fn list<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a str> {
    let lines: Vec<_> = headers.get_all(name).into_iter().collect();
    lines.into_iter().rev().flat_map(|line| line.to_str().unwrap_or_default().rsplit(','))
}

/// Whom the names lead to; none where there are no names. What is no address ends the way.
fn behind(
    peer: IpAddr,
    names: impl Iterator<Item = Option<IpAddr>>,
    trusted: &[ProxyRange],
) -> Option<IpAddr> {
    let mut names = names.peekable();
    names.peek()?;
    let mut client = peer;
    for name in names {
        let is_proxy = trusted.iter().any(|range| range.contains(client));
        match name.filter(|_| is_proxy) {
            Some(address) => client = address,
            None => break,
        }
    }
    Some(client)
}

/// An address, as proxies write it: with or without a port, IPv6 in brackets or not.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse().map(|with_port: SocketAddr| with_port.ip()).ok())
}

/// The address of an element of `Forwarded` (RFC 7239, 4).
fn for_of(element: &str) -> Option<IpAddr> {
    let pairs = element.split(';').filter_map(|pair| pair.trim().split_once('='));
    let (_, node) = pairs.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("for"))?;
    address(node.strip_prefix('"').and_then(|node| node.strip_suffix('"')).unwrap_or(node))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    /// `lines` are header lines; the proxies are 10.0.0.0/8 and 192.0.2.7.
    #[track_caller]
    fn check(peer: &str, lines: &[&str], client: &str) {
        let trusted = ["10.0.0.0/8", "192.0.2.7"].map(|range| range.parse().unwrap());
        let mut headers = HeaderMap::new();
        for line in lines {
            let (name, value) = line.split_once(": ").unwrap();
            let name: http::HeaderName = name.parse().unwrap();
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        let found = client_of(peer.parse().unwrap(), &headers, &trusted);
        assert_eq!(found.to_string(), client, "{peer} {lines:?}");
    }

    #[test]
    fn an_address_counts_the_same_in_either_writing() {
        let counted = |text: &str| subscriber(text.parse().unwrap());
        assert_eq!(counted("::ffff:192.0.2.1"), counted("192.0.2.1"));
        assert_eq!(counted("2001:db8::1"), counted("2001:db8::2"));
        assert_ne!(counted("2001:db8::1"), counted("2001:db8:0:1::1"));
    }

    #[test]
    fn whom_a_stranger_names_is_not_believed() {
        check("203.0.113.5", &["x-forwarded-for: 198.51.100.1"], "203.0.113.5");
        check("203.0.113.5", &["forwarded: for=198.51.100.1"], "203.0.113.5");
    }

    #[test]
    fn the_rightmost_address_that_is_no_proxy_counts() {
        check("10.0.0.1", &[], "10.0.0.1");
        check("10.0.0.1", &["x-forwarded-for: 198.51.100.1"], "198.51.100.1");
        check("10.0.0.1", &["x-forwarded-for: 6.6.6.6, 198.51.100.1, 192.0.2.7"], "198.51.100.1");
        check("10.0.0.1", &["x-forwarded-for: 6.6.6.6", "x-forwarded-for: 198.51.100.1"], "198.51.100.1");
        check("10.0.0.1", &["x-forwarded-for: 10.0.0.2, 10.0.0.3"], "10.0.0.2");
        check("::ffff:10.0.0.1", &["x-forwarded-for: 2001:db8::1"], "2001:db8::1");
        check("10.0.0.1", &["forwarded: for=6.6.6.6, for=198.51.100.1;proto=https"], "198.51.100.1");
    }

    #[test]
    fn addresses_are_read_in_every_writing() {
        for written in ["198.51.100.1", "198.51.100.1:4711", " 198.51.100.1 ", "::ffff:198.51.100.1"] {
            check("10.0.0.1", &[&format!("x-forwarded-for: {written}")], "198.51.100.1");
        }
        for written in ["2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:4711"] {
            check("10.0.0.1", &[&format!("x-forwarded-for: {written}")], "2001:db8::1");
        }
        check(
            "10.0.0.1",
            &[r#"forwarded: proto=https; For="[2001:db8::1]:4711";by=10.0.0.1"#],
            "2001:db8::1",
        );
    }

    #[test]
    fn what_is_no_address_ends_the_way_at_the_last_proxy() {
        for odd in ["x-forwarded-for: nonsense", "x-forwarded-for: 6.6.6.6,", "forwarded: for=unknown"] {
            check("10.0.0.1", &[odd], "10.0.0.1");
        }
        check("10.0.0.1", &["x-forwarded-for: 6.6.6.6, _hidden, 192.0.2.7"], "192.0.2.7");
        check("10.0.0.1", &["forwarded: proto=https"], "10.0.0.1");
    }

    #[test]
    fn two_headers_that_differ_are_both_not_believed() {
        let ours = "x-forwarded-for: 198.51.100.1";
        check("10.0.0.1", &[ours, "forwarded: for=6.6.6.6"], "10.0.0.1");
        check("10.0.0.1", &[ours, "forwarded: for=198.51.100.1"], "198.51.100.1");
    }
}
