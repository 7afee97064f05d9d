//! The extension as it is downloaded: one package for each browser, made for this installation.
//!
//! The source is embedded and goes in as it is; only the manifest, the name of the server and the
//! policy's schema are written here. What the panel shares with the console are the console's own
//! files. The same installation gives the same bytes each time.
//!
//! Chromium's policies take no zip, they take it signed (`crx`). The manifest names the key too, so
//! that a package loaded by hand has the same id. Mozilla signs for Firefox, which nobody can do in
//! its place.

use std::io::{Cursor, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};
use url::Url;
use zip::write::{SimpleFileOptions, ZipWriter};

use super::crx::{Signer, SigningError};
use crate::config::LeverHost;

/// The extension's version, in the three numbers that both browsers compare.
pub(in crate::server) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What is the same in every installation.
const SOURCE: &[(&str, &[u8])] = &[
    ("cards.js", include_bytes!("source/cards.js")),
    ("connection.js", include_bytes!("source/connection.js")),
    ("content.js", include_bytes!("source/content.js")),
    ("kept.js", include_bytes!("source/kept.js")),
    ("options.html", include_bytes!("source/options.html")),
    ("options.js", include_bytes!("source/options.js")),
    ("panel.css", include_bytes!("source/panel.css")),
    ("panel.html", include_bytes!("source/panel.html")),
    ("panel.js", include_bytes!("source/panel.js")),
    ("pictures.js", include_bytes!("source/pictures.js")),
    ("tab-texts.js", include_bytes!("source/tab-texts.js")),
    ("tab.css", include_bytes!("source/tab.css")),
    ("texts.js", include_bytes!("source/texts.js")),
];

/// What the panel shares with the console: the very same files.
const SHARED: &[(&str, &[u8])] = &[
    ("assets/conversation.js", include_bytes!("../console/assets/conversation.js")),
    ("assets/events.js", include_bytes!("../console/assets/events.js")),
    ("assets/icon.svg", include_bytes!("../console/assets/icon.svg")),
    ("assets/interviews.js", include_bytes!("../console/assets/interviews.js")),
    ("assets/layout.js", include_bytes!("../console/assets/layout.js")),
    ("assets/segments.js", include_bytes!("../console/assets/segments.js")),
    ("assets/style.css", include_bytes!("../console/assets/style.css")),
];

/// The oldest Firefox that is still kept, and the first Chromium in which a page cannot find the
/// panel by guessing its address.
const FIREFOX_MIN: &str = "140.0";
const CHROMIUM_MIN: &str = "130";

/// Why there is no package.
#[derive(Debug, thiserror::Error)]
pub(super) enum PackageError {
    /// The archive.
    #[error("cannot write the archive")]
    Zip(#[from] zip::result::ZipError),
    /// A file in it.
    #[error("cannot write into the archive")]
    Write(#[from] std::io::Error),
    /// The signature.
    #[error(transparent)]
    Signing(#[from] SigningError),
}

/// The downloads.
#[derive(Clone)]
pub(super) struct Packages {
    /// To be loaded unpacked.
    pub(super) chromium: Bytes,
    /// The same, signed, for policies.
    pub(super) crx: Bytes,
    /// For Mozilla's signature, or for a Firefox that needs none.
    pub(super) firefox: Bytes,
    /// The id of the extension in Chromium.
    pub(super) chromium_id: String,
}

/// Which browser a package is for.
#[derive(Clone, Copy)]
enum Browser<'a> {
    Chromium { public_key: &'a [u8] },
    Firefox,
}

impl Packages {
    /// `key`: 32 random bytes of this installation.
    pub(super) fn make(
        public_url: &Url,
        lever_hosts: &[LeverHost],
        key: &[u8; 32],
    ) -> Result<Self, PackageError> {
        let signer = Signer::new(key)?;
        let zip = |browser| archive(browser, public_url, lever_hosts);
        let chromium = zip(Browser::Chromium { public_key: signer.public_key() })?;
        Ok(Self {
            crx: signer.crx(&chromium)?.into(),
            chromium: chromium.into(),
            firefox: zip(Browser::Firefox)?.into(),
            chromium_id: signer.id(),
        })
    }
}

/// `public_url` without a slash at the end.
pub(super) fn base(public_url: &Url) -> &str {
    public_url.as_str().trim_end_matches('/')
}

/// The extension's id in Firefox.
pub(super) fn firefox_id(public_url: &Url) -> String {
    format!("fulcrum@{}", public_url.host_str().unwrap_or("localhost").trim_matches(['[', ']']))
}

fn archive(browser: Browser<'_>, public_url: &Url, hosts: &[LeverHost]) -> Result<Vec<u8>, PackageError> {
    // No time of its own, so that the same content is the same file.
    let options =
        SimpleFileOptions::default().last_modified_time(zip::DateTime::default()).unix_permissions(0o644);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let mut put = |name: &str, content: &[u8]| -> Result<(), PackageError> {
        zip.start_file(name, options)?;
        Ok(zip.write_all(content)?)
    };
    put("manifest.json", pretty(&manifest(browser, public_url, hosts)).as_bytes())?;
    put("installation.js", installation(public_url).as_bytes())?;
    if matches!(browser, Browser::Chromium { .. }) {
        put("managed_schema.json", pretty(&managed_schema(public_url)).as_bytes())?;
    }
    for (name, content) in SOURCE.iter().chain(SHARED) {
        put(name, content)?;
    }
    Ok(zip.finish()?.into_inner())
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

/// The module that tells the extension where it belongs.
fn installation(public_url: &Url) -> String {
    format!(
        "// Made for one installation by its daemon.\nexport const SERVER = {};\nexport const VERSION = {};\n",
        json!(base(public_url)),
        json!(VERSION),
    )
}

fn manifest(browser: Browser<'_>, public_url: &Url, hosts: &[LeverHost]) -> Value {
    let base = base(public_url);
    let origin = public_url.origin().ascii_serialization();
    // All pages of Lever's, since a profile is opened from a list without a new page being loaded.
    let lever: Vec<_> = hosts.iter().map(|host| format!("{host}/*")).collect();
    let mut manifest = json!({
        "manifest_version": 3,
        "name": "fulcrum for Lever",
        "short_name": "fulcrum",
        "version": VERSION,
        "description": format!("Read and send texts beside a candidate's profile in Lever, through {base}"),
        "homepage_url": base,
        "permissions": ["storage"],
        "host_permissions": [pattern(public_url)],
        // Where a policy names another address of the server.
        "optional_host_permissions": ["https://*/*"],
        "content_scripts": [{ "matches": lever, "js": ["tab-texts.js", "content.js"], "run_at": "document_idle" }],
        "web_accessible_resources": [{ "resources": ["panel.html", "tab.css"], "matches": lever }],
        "options_ui": { "page": "options.html", "open_in_tab": true },
        "content_security_policy": {
            "extension_pages": format!(
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; \
                 connect-src {origin} https:; base-uri 'none'; form-action 'none'"
            ),
        },
    });
    match browser {
        Browser::Chromium { public_key } => {
            manifest["key"] = json!(STANDARD.encode(public_key));
            manifest["minimum_chrome_version"] = json!(CHROMIUM_MIN);
            manifest["update_url"] = json!(format!("{base}/extension/updates.xml"));
            manifest["storage"] = json!({ "managed_schema": "managed_schema.json" });
            manifest["web_accessible_resources"][0]["use_dynamic_url"] = json!(true);
        }
        Browser::Firefox => {
            let mut gecko = json!({
                "id": firefox_id(public_url),
                "strict_min_version": FIREFOX_MIN,
                // To the organisation's own server, and nowhere else: the texts, and whose profile is open.
                "data_collection_permissions": {
                    "required": ["personalCommunications", "browsingActivity"],
                },
            });
            // Firefox takes updates over TLS alone.
            if public_url.scheme() == "https" {
                gecko["update_url"] = json!(format!("{base}/extension/updates.json"));
            }
            manifest["browser_specific_settings"] = json!({ "gecko": gecko });
            manifest["icons"] = json!({ "48": "assets/icon.svg", "96": "assets/icon.svg" });
        }
    }
    manifest
}

/// The server as a pattern. Without a port, which Firefox does not take; it fits every port then.
fn pattern(public_url: &Url) -> String {
    format!("{}://{}/*", public_url.scheme(), public_url.host_str().unwrap_or("localhost"))
}

/// What a policy may set.
fn managed_schema(public_url: &Url) -> Value {
    json!({
        "type": "object",
        "properties": {
            "server": {
                "title": "Address of fulcrum",
                "description": format!(
                    "Set it if fulcrum is reached under another address than {}", base(public_url)
                ),
                "type": "string",
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Read as _;

    use super::*;

    fn packages(url: &str) -> Packages {
        let hosts =
            [LeverHost::parse("hire.lever.co").unwrap(), LeverHost::parse("hire.eu.lever.co").unwrap()];
        Packages::make(&url.parse().unwrap(), &hosts, &[7; 32]).unwrap()
    }

    fn files(zip: &Bytes) -> BTreeMap<String, String> {
        let mut archive = zip::ZipArchive::new(Cursor::new(zip.clone())).unwrap();
        let names: Vec<String> = archive.file_names().map(|name| name.unwrap().into_owned()).collect();
        let mut text = |name: String| {
            let mut text = String::new();
            archive.by_name(&name).unwrap().read_to_string(&mut text).unwrap();
            (name, text)
        };
        names.into_iter().map(&mut text).collect()
    }

    fn manifest_in(zip: &Bytes) -> Value {
        serde_json::from_str(&files(zip)["manifest.json"]).unwrap()
    }

    #[test]
    fn a_package_is_of_its_installation_and_the_same_each_time() {
        let (one, other) = (packages("https://text.acme.example"), packages("https://text.acme.example/"));
        assert_eq!((&one.chromium, &one.firefox), (&other.chromium, &other.firefox));
        assert_eq!(one.chromium_id, other.chromium_id);
        let chromium = manifest_in(&one.chromium);
        assert_eq!(chromium["host_permissions"], json!(["https://text.acme.example/*"]));
        let lever = json!(["https://hire.lever.co/*", "https://hire.eu.lever.co/*"]);
        assert_eq!(chromium["content_scripts"][0]["matches"], lever);
        assert_eq!(chromium["update_url"], "https://text.acme.example/extension/updates.xml");
        assert!(files(&one.chromium)["installation.js"].contains("\"https://text.acme.example\""));
        let gecko = &manifest_in(&one.firefox)["browser_specific_settings"]["gecko"];
        assert_eq!(gecko["id"], "fulcrum@text.acme.example");
        assert_eq!(gecko["update_url"], "https://text.acme.example/extension/updates.json");
    }

    #[test]
    fn below_a_path_and_with_a_port_only_the_host_is_asked_for() {
        let firefox = manifest_in(&packages("http://127.0.0.1:8080/fulcrum/").firefox);
        assert_eq!(firefox["host_permissions"], json!(["http://127.0.0.1/*"]));
        let policy = firefox["content_security_policy"]["extension_pages"].as_str().unwrap();
        assert!(policy.contains("connect-src http://127.0.0.1:8080 https:;"), "{policy}");
        assert!(firefox["browser_specific_settings"]["gecko"]["update_url"].is_null(), "no TLS, no updates");
    }

    /// Everything that a file of the package names is in it.
    #[test]
    fn nothing_is_missing_and_nothing_comes_from_elsewhere() {
        for zip in [&packages("https://a.example").chromium, &packages("https://a.example").firefox] {
            let files = files(zip);
            let manifest = files["manifest.json"].clone();
            for name in ["tab-texts.js", "content.js", "panel.html", "tab.css", "options.html"] {
                assert!(manifest.contains(name) && files.contains_key(name), "{name}");
            }
            for (name, text) in files.iter().filter(|(name, _)| name.ends_with(".js")) {
                for part in text.split("from \"./").skip(1) {
                    let beside = name.rsplit_once('/').map_or("", |(folder, _)| folder);
                    let imported = part.split('"').next().unwrap();
                    let imported = format!("{beside}/{imported}");
                    assert!(files.contains_key(imported.trim_start_matches('/')), "{name}: {imported}");
                }
                assert!(!text.contains("eval(") && !text.contains("import("), "{name}");
            }
            for (name, text) in files.iter().filter(|(name, _)| name.ends_with(".html")) {
                for part in text.split("src=\"").skip(1).chain(text.split("href=\"").skip(1)) {
                    let named = part.split('"').next().unwrap();
                    assert!(files.contains_key(named), "{name}: {named}");
                }
            }
        }
    }
}
