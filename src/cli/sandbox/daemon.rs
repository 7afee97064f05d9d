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
use fulcrum_sandbox::{Carrier, Sandbox};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::config::password::{self, Cost};

/// A daemon as it was configured.
pub struct Daemon {
    /// Its config.
    pub config: PathBuf,
    /// Where it is reached.
    pub public_url: String,
    /// What the API lets in as admin.
    pub api_token: String,
    /// Of every user of the console, the one called [`CONSOLE_USER`] too.
    pub console_password: String,
}

/// Who signs in to see everything.
pub const CONSOLE_USER: &str = "admin@acme.example";

impl Daemon {
    /// Where the password of the console's users is kept.
    pub fn console_password_file(&self) -> PathBuf {
        self.config.with_file_name("console-password")
    }
}

/// What differs between those that have one written.
#[derive(Clone, Copy)]
pub struct Wanted {
    /// Lever's requests a second.
    pub rate: u32,
    /// The same at once.
    pub burst: u32,
    /// What a transcript waits.
    pub delay: Duration,
    /// What the user may do who is one of Lever's too.
    pub lever_user: &'static str,
}

/// Writes the config and its secrets, each readable by its owner alone.
///
/// # Errors
/// The disk's, and that no port is free.
pub fn write(dir: &Path, sandbox: &Sandbox, wanted: Wanted) -> anyhow::Result<Daemon> {
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
    let (_, interviewer) = sandbox.lasting_user();
    let users = users(sandbox, wanted.lever_user, &file("console-password-hash"));
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
            "requests_per_second": wanted.rate, "burst": wanted.burst,
        },
        "transcript": { "delay": format!("{}s", wanted.delay.as_secs().max(1)) },
        // Whoever tries it out does so at any hour, and nobody is woken.
        "quiet_hours": { "window": "00:00-24:00" },
        "templates": TEMPLATES.map(|(id, name, text)| json!({ "id": id, "name": name, "text": text })),
        "event_types": [
            event_type("phone", "Phone interview", 30, "Telephone: we call you", &interviewer),
            event_type("visit", "Visit to our office", 60, "Sandbox Recruiting, 1 Main Street", &interviewer),
        ],
        "calendars": [always_free(&interviewer)],
        // One that leaves at once, so that one can watch; and an hour before is soon enough.
        "automation": { "settle": "0s" },
        "automations": [{
            "name": "phone-screen", "paused": false, "trigger": "stage-entered", "scope": ["Phone screen"],
            "message": "choose-a-time",
        }],
        "reminders": { "leads": ["1h"] },
        "saved_links": LINKS.map(|(id, url)| json!({ "id": id, "url": url })),
        "carrier": carrier(sandbox, &dir),
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
    put(&file("telnyx-api-key"), sandbox.telnyx_api_key())?;
    let (secret, inbound_secret) = sandbox.gateway_secrets();
    put(&file("webhook-secret"), &secret)?;
    put(&file("webhook-inbound-secret"), &inbound_secret)?;
    put(&file("api-token"), &daemon.api_token)?;
    put(&daemon.console_password_file(), &daemon.console_password)?;
    // Random enough to be guessed from no hash, however cheap.
    put(&file("console-password-hash"), &password::hash(&daemon.console_password, Cost::Least)?)?;
    put(&daemon.config, &toml::to_string(&settings)?)?;
    Ok(daemon)
}

/// The account at whichever carrier has the numbers.
fn carrier(sandbox: &Sandbox, dir: &Path) -> Value {
    let section = match sandbox.carrier() {
        Carrier::Twilio => json!({
            "base_url": sandbox.twilio_url(),
            "account_sid": sandbox.account_sid(),
            "auth_token_file": dir.join("twilio-auth-token"),
        }),
        Carrier::Telnyx => json!({
            "base_url": sandbox.carrier_url(),
            "api_key_file": dir.join("telnyx-api-key"),
            "public_key": sandbox.telnyx_public_key(),
        }),
        Carrier::Gateway => json!({
            "url": sandbox.gateway_url(),
            "secret_file": dir.join("webhook-secret"),
            "inbound_secret_file": dir.join("webhook-inbound-secret"),
        }),
    };
    let name = sandbox.carrier().name();
    let of = [("kind", json!(name)), ("numbers", json!(sandbox.numbers())), (name, section)];
    Value::Object(of.map(|(key, value)| (key.to_owned(), value)).into_iter().collect())
}

/// Texts to choose from.
const TEMPLATES: [(&str, &str, &str); 4] = [
    (
        "choose-a-time",
        "Choose a time",
        "Hi {{ profile.first_name }}, {{ org.name }} would like to talk with you about the {{ job.name }} role. \
         Choose a time: {{ links.booking }}",
    ),
    (
        "first-contact",
        "First contact",
        "Hi {{ profile.first_name }}, this is {{ sender.first_name }} from {{ org.name }} about the {{ job.name }} role. \
         Do you have ten minutes today?",
    ),
    (
        "interview",
        "See you at the interview",
        "Hi {{ profile.first_name }}, see you {% if interview.date is defined %}on {{ interview.date }} at \
         {{ interview.time }}{% else %}soon{% endif %}. How to find us: {{ saved_links.directions }}",
    ),
    (
        "benefits",
        "What we offer",
        "{{ profile.first_name }}, here is what we offer: {{ saved_links.benefits }}",
    ),
];

/// What stands in them.
const LINKS: [(&str, &str); 2] =
    [("directions", "https://acme.example/visit"), ("benefits", "https://acme.example/benefits")];

/// A meeting that candidates book. There is always a time before long.
fn event_type(id: &str, name: &str, minutes: u32, location: &str, interviewer: &str) -> Value {
    json!({
        "id": id, "name": name, "minutes": minutes, "location": location, "interviewers": [interviewer],
        "notice": "2h", "per_day": 100, "per_week": 700,
    })
}

/// Somebody who interviews at any hour: whoever tries it out does so at any hour.
fn always_free(user: &str) -> Value {
    let days = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let hours = days.map(|day| (day.to_owned(), json!("00:00-24:00")));
    Value::Object(hours.into_iter().chain([("user".to_owned(), json!(user))]).collect())
}

/// One user of the console for each role, and one of Lever's, whose notes bear their name. Only who
/// sees everything sees what is confidential.
fn users(sandbox: &Sandbox, lever_user: &str, hash: &Path) -> Vec<Value> {
    let (name, email) = sandbox.lasting_user();
    let users = [
        ("Ada Admin", CONSOLE_USER, "admin"),
        ("Rae Recruiter", "recruiter@acme.example", "recruiter"),
        ("Vic Viewer", "viewer@acme.example", "viewer"),
        ("Oli Operator", "operator@acme.example", "operator"),
        (&name, &email, lever_user),
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
