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
use std::time::Duration;

use anyhow::Context;
use fulcrum_domain::HookEvent;
use fulcrum_sandbox::Sandbox;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::config::password::{self, Cost};

/// A daemon as it was configured.
pub(in crate::cli) struct Daemon {
    pub(in crate::cli) config: PathBuf,
    pub(in crate::cli) public_url: String,
    pub(in crate::cli) api_token: String,
    /// Of every user of the console, the one called [`CONSOLE_USER`] too.
    pub(in crate::cli) console_password: String,
}

/// Who signs in to see everything.
pub(in crate::cli) const CONSOLE_USER: &str = "admin@acme.example";

impl Daemon {
    /// Where the password of the console's users is kept.
    pub(in crate::cli) fn console_password_file(&self) -> PathBuf {
        self.config.with_file_name("console-password")
    }
}

/// Lever's limits there.
#[derive(Clone, Copy)]
pub(in crate::cli) struct Limits {
    pub(in crate::cli) rate: u32,
    pub(in crate::cli) burst: u32,
}

/// Writes the config and its secrets, each readable by its owner alone.
pub(in crate::cli) fn write(
    dir: &Path,
    sandbox: &Sandbox,
    limits: Limits,
    delay: Duration,
) -> anyhow::Result<Daemon> {
    fs::create_dir_all(dir)?;
    let dir = dir.canonicalize()?;
    let [listen, ops] = free_addresses()?;
    let daemon = Daemon {
        config: dir.join("fulcrum.toml"),
        public_url: format!("http://{listen}"),
        api_token: format!("sandbox-{}", Uuid::new_v4().simple()),
        console_password: Uuid::new_v4().simple().to_string(),
    };
    let file = |name: &str| dir.join(name);
    let users = users(sandbox, &file("console-password-hash"));
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
        // A newcomer looks at any hour of the day.
        "quiet_hours": { "window": "00:00-24:00" },
        "transcript": { "delay": format!("{}s", delay.as_secs().max(1)) },
        "carrier": {
            "numbers": sandbox.numbers(),
            "twilio": {
                "base_url": sandbox.twilio_url(),
                "account_sid": sandbox.account_sid(),
                "auth_token_file": file("twilio-auth-token"),
            },
        },
        // The simulated site as it is, and for a browser that is told to find Lever's name there.
        "extension": { "lever_hosts": ["http://127.0.0.1", "http://hire.lever.co"] },
        "api": { "tokens": [{
            "name": "sandbox", "role": "admin", "token_file": file("api-token"), "confidential": true,
        }] },
        "users": users,
    });
    put(&file("lever-api-key"), sandbox.api_key())?;
    put(&file("lever-webhooks.toml"), &toml::to_string(&tokens(sandbox))?)?;
    put(&file("twilio-auth-token"), sandbox.auth_token())?;
    put(&file("api-token"), &daemon.api_token)?;
    put(&daemon.console_password_file(), &daemon.console_password)?;
    // Random enough to be guessed from no hash, however cheap.
    put(&file("console-password-hash"), &password::hash(&daemon.console_password, Cost::Least)?)?;
    put(&daemon.config, &toml::to_string(&settings)?)?;
    Ok(daemon)
}

/// One user of the console for each role, and one of Lever's, whose notes bear their name. Only who
/// sees everything sees what is confidential.
fn users(sandbox: &Sandbox, hash: &Path) -> Vec<Value> {
    let (name, email) = sandbox.lasting_user();
    let users = [
        ("Ada Admin", CONSOLE_USER, "admin"),
        ("Rae Recruiter", "recruiter@acme.example", "recruiter"),
        ("Vic Viewer", "viewer@acme.example", "viewer"),
        ("Oli Operator", "operator@acme.example", "operator"),
        (&name, &email, "recruiter"),
    ];
    let user = |(name, email, role)| json!({ "name": name, "email": email, "role": role, "password_hash_file": hash, "confidential": role == "admin" });
    users.map(user).into()
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
