//! The address under which people reach us, and what follows from it: links, redirects, cookies.

use std::time::Duration;

use cookie::{Cookie, SameSite};
use http::{HeaderMap, HeaderValue, header};
use url::Url;

/// A cookie of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Jar {
    /// Whoever is signed in.
    SignedIn,
    /// Whoever is about to.
    Door,
}

/// Where the console is.
#[derive(Clone, Debug)]
pub(super) struct Site {
    url: Url,
}

impl Site {
    pub(super) fn new(url: Url) -> Self {
        Self { url }
    }

    /// What stands before every path in links: empty, or a path without a slash at its end.
    pub(super) fn base(&self) -> &str {
        self.url.path().trim_end_matches('/')
    }

    /// A path of ours with all that stands before it.
    pub(super) fn absolute(&self, path: &str) -> String {
        format!("{}{}{path}", self.origin(), self.base())
    }

    /// The host alone.
    pub(super) fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// Scheme, host and port, as browsers send it.
    pub(super) fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// The config allows http on loopback alone, where a browser keeps no secure cookies.
    fn is_secure(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// The name of a cookie: with the prefix no other host, not even a neighbour, can set it.
    pub(super) fn name(&self, jar: Jar) -> &'static str {
        match (jar, self.is_secure()) {
            (Jar::SignedIn, true) => "__Host-fulcrum",
            (Jar::SignedIn, false) => "fulcrum",
            (Jar::Door, true) => "__Host-fulcrum-door",
            (Jar::Door, false) => "fulcrum-door",
        }
    }

    /// What a cookie holds.
    pub(super) fn read(&self, jar: Jar, headers: &HeaderMap) -> Option<String> {
        let name = self.name(jar);
        headers
            .get_all(header::COOKIE)
            .into_iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| Cookie::split_parse(value).flatten())
            .find(|cookie| cookie.name() == name)
            .map(|cookie| cookie.value().to_owned())
    }

    /// The header that sets a cookie for so long; for no time at all it takes it away.
    pub(super) fn set(&self, jar: Jar, value: &str, lasts: Duration) -> HeaderValue {
        let lasts = cookie::time::Duration::try_from(lasts).unwrap_or(cookie::time::Duration::ZERO);
        let cookie = Cookie::build((self.name(jar), value))
            .path("/")
            .http_only(true)
            .secure(self.is_secure())
            .same_site(SameSite::Lax)
            .max_age(lasts)
            .build();
        // Our values are base64, so this cannot fail.
        HeaderValue::try_from(cookie.to_string()).unwrap_or(HeaderValue::from_static(""))
    }
}

/// A path on this very site that somebody may be sent to after signing in; `/` for anything that
/// could lead elsewhere. Browsers read a backslash as a slash and pass over tabs and line ends, so
/// such paths are nobody's honest wish.
pub(super) fn local_path(text: &str) -> &str {
    let plain = |c: char| !c.is_control() && c != '\\';
    let local = text.starts_with('/') && !text.starts_with("//") && text.chars().all(plain);
    if local { text } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(url: &str) -> Site {
        Site::new(url.parse().unwrap())
    }

    #[test]
    fn nobody_is_sent_elsewhere() {
        for fine in ["/", "/inbox?folder=mine&c=K3V9", "/c/K3V9#m1", "/a//b", "/?next=https://x.example"] {
            assert_eq!(local_path(fine), fine);
        }
        for wrong in [
            "",
            "inbox",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            "https://evil.example",
            "javascript:alert(1)",
            " /",
            "/a\\b",
            "http:/evil.example",
        ] {
            assert_eq!(local_path(wrong), "/", "{wrong:?}");
        }
    }

    #[test]
    fn a_cookie_is_out_of_reach_of_scripts_neighbours_and_other_sites() {
        let set = site("https://text.acme.example/x/").set(Jar::SignedIn, "abc", Duration::from_secs(60));
        assert_eq!(set, "__Host-fulcrum=abc; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=60");
        let set = site("http://127.0.0.1:8080").set(Jar::Door, "", Duration::ZERO);
        assert_eq!(set, "fulcrum-door=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0");
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        let site = site("https://text.acme.example");
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("fulcrum=no; x=__Host-fulcrum=no"));
        headers.append(header::COOKIE, HeaderValue::from_static("a=b; __Host-fulcrum=yes"));
        assert_eq!(site.read(Jar::SignedIn, &headers).as_deref(), Some("yes"));
        assert_eq!(site.read(Jar::Door, &headers), None);
    }

    #[test]
    fn links_stand_below_the_path_of_the_public_address() {
        let site = site("https://text.acme.example/fulcrum/");
        assert_eq!((site.base(), site.origin().as_str()), ("/fulcrum", "https://text.acme.example"));
        assert_eq!(site.absolute("/sign-in"), "https://text.acme.example/fulcrum/sign-in");
    }
}
