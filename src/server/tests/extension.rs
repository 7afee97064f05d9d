//! The extension's downloads, as browsers ask for them.

use super::*;

#[tokio::test]
async fn the_downloads_ask_nobody_who_they_are_and_lead_to_one_another() {
    let world = World::start(Choice::default()).await;
    let get = async |path: &str| {
        let answer = world.client.get(world.url(path)).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer.bytes().await.unwrap()
    };
    let about: Value = serde_json::from_slice(&get("/extension/about").await).unwrap();
    assert_eq!(about["fulcrum"], env!("CARGO_PKG_VERSION"));
    let zip = get("/extension/fulcrum-chromium.zip").await;
    let crx = get("/extension/fulcrum.crx").await;
    assert!(zip.starts_with(b"PK") && crx.starts_with(b"Cr24") && crx.ends_with(&zip));
    let xml = String::from_utf8(get("/extension/updates.xml").await.to_vec()).unwrap();
    assert!(xml.contains("codebase='https://sms.example.com/extension/fulcrum.crx'"), "{xml}");
    let firefox = get("/extension/fulcrum-firefox.zip").await;
    let json: Value = serde_json::from_slice(&get("/extension/updates.json").await).unwrap();
    let update = &json["addons"]["fulcrum@sms.example.com"]["updates"][0];
    let digest = <sha2::Sha256 as sha2::Digest>::digest(&firefox);
    assert_eq!(update["update_hash"], format!("sha256:{}", hex::encode(digest)));
    assert_eq!(update["update_link"], "https://sms.example.com/extension/fulcrum-firefox.zip");
}

#[tokio::test]
async fn the_extensions_id_outlives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let key = async || {
        let engine = engine(&folder.path().join("fulcrum.redb"), Clock::System).await;
        let key = engine.extension_key().await.unwrap();
        assert!(engine.stop(PATIENCE).await);
        key
    };
    assert_eq!(key().await, key().await);
}

#[tokio::test]
async fn the_bookmark_leads_to_the_installation() {
    let world = World::start(Choice::default()).await;
    let mark = world.running.shared.extension.bookmarklet();
    assert!(mark.starts_with("javascript:") && mark.contains("open(\"https://sms.example.com/o/\"+m[1])"));
}
