//! The config of a daemon that talks to a sandbox: everything in one folder, nothing to fill in.
//!
//! The daemon's ports are chosen here and written down, since both sides must know them before
//! either can say so. Between here and the daemon's start another program could take one; the daemon
//! then says that the address is in use.

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;
use fulcrum_domain::HookEvent;
use fulcrum_sandbox::Sandbox;
use serde_json::{Value, json};
use uuid::Uuid;

/// A daemon as it was configured.
pub(super) struct Daemon {
    pub(super) config: PathBuf,
    pub(super) public_url: String,
    pub(super) api_token: String,
}

/// Lever's limits there.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) rate: u32,
    pub(super) burst: u32,
}

/// Writes the config and its secrets, each readable by its owner alone.
pub(super) fn write(dir: &Path, sandbox: &Sandbox, limits: Limits) -> anyhow::Result<Daemon> {
    fs::create_dir_all(dir)?;
    let dir = dir.canonicalize()?;
    let [listen, ops] = free_addresses()?;
    let daemon = Daemon {
        config: dir.join("fulcrum.toml"),
        public_url: format!("http://{listen}"),
        api_token: format!("sandbox-{}", Uuid::new_v4().simple()),
    };
    let file = |name: &str| dir.join(name);
    let settings = json!({
        "organisation": { "name": "Sandbox Recruiting", "timezone": "America/New_York" },
        "server": {
            "listen": listen, "public_url": daemon.public_url, "control_socket": file("fulcrum.sock"),
        },
        "ops": { "listen": ops },
        "store": { "path": file("fulcrum.redb") },
        "lever": {
            "base_url": sandbox.lever_url(),
            "api_key_file": file("lever-api-key"),
            "webhook_tokens_file": file("lever-webhooks.toml"),
            "requests_per_second": limits.rate, "burst": limits.burst,
        },
        // Short, so that one can watch a transcript being filed.
        "transcript": { "delay": "1m" },
        "carrier": {
            "numbers": sandbox.numbers(),
            "twilio": {
                "base_url": sandbox.twilio_url(),
                "account_sid": sandbox.account_sid(),
                "auth_token_file": file("twilio-auth-token"),
            },
        },
        "api": { "tokens": [{ "name": "sandbox", "role": "admin", "token_file": file("api-token") }] },
    });
    put(&file("lever-api-key"), sandbox.api_key())?;
    put(&file("lever-webhooks.toml"), &toml::to_string(&tokens(sandbox))?)?;
    put(&file("twilio-auth-token"), sandbox.auth_token())?;
    put(&file("api-token"), &daemon.api_token)?;
    put(&daemon.config, &toml::to_string(&settings)?)?;
    Ok(daemon)
}

/// The tokens under the names that our file has for the events.
fn tokens(sandbox: &Sandbox) -> Value {
    let named = HookEvent::ALL.into_iter().filter_map(|event| {
        let token = sandbox.webhook_tokens().get(event.as_lever())?;
        Some((event.as_key().to_owned(), json!(token)))
    });
    Value::Object(named.collect())
}

/// Two at once, so that they differ.
fn free_addresses() -> std::io::Result<[SocketAddr; 2]> {
    let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let (one, other) = (bind()?, bind()?);
    Ok([one.local_addr()?, other.local_addr()?])
}

fn put(path: &Path, text: &str) -> anyhow::Result<()> {
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        // One that was there before keeps its mode otherwise.
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.write_all(text.as_bytes())
    };
    write().with_context(|| path.display().to_string())
}
