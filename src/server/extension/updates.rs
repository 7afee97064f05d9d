//! What browsers ask to learn whether there is a newer extension.
//!
//! Chromium's policies name `updates.xml` and the extension's id; it leads to the signed archive.
//! Firefox asks `updates.json` by itself.

use serde_json::json;
use sha2::{Digest, Sha256};
use url::Url;

use super::package::{Packages, VERSION, base, firefox_id};

/// The manifest of updates for Chromium.
pub(super) fn chromium(public_url: &Url, packages: &Packages) -> String {
    let base = base(public_url).replace('&', "&amp;").replace('\'', "&apos;").replace('<', "&lt;");
    format!(
        "<?xml version='1.0' encoding='UTF-8'?>\n\
         <gupdate xmlns='http://www.google.com/update2/response' protocol='2.0'>\n  \
         <app appid='{}'>\n    \
         <updatecheck codebase='{base}/extension/fulcrum.crx' version='{VERSION}'/>\n  \
         </app>\n\
         </gupdate>\n",
        packages.chromium_id,
    )
}

/// The manifest of updates for Firefox.
pub(super) fn firefox(public_url: &Url, packages: &Packages) -> String {
    let update = json!({
        "version": VERSION,
        "update_link": format!("{}/extension/fulcrum-firefox.zip", base(public_url)),
        "update_hash": format!("sha256:{}", hex::encode(Sha256::digest(&packages.firefox))),
    });
    json!({ "addons": { firefox_id(public_url): { "updates": [update] } } }).to_string()
}
