//! The settings as an operator meets them: files, variables, credentials, and what is said about
//! mistakes. Nothing here touches the process's own environment.

#![expect(clippy::unwrap_used, reason = "helpers of tests are outside of test functions")]

mod backup;
mod booking;
mod carrier;
mod limits;
mod store;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use fulcrum::config::{CarrierKind, Config, Origin, Outline, Problem, Problems, Role, Secret, Sources};
use fulcrum_domain::{Confidential, HookEvent, OnUnknown, TranscriptMode, quiet::Hours, template::Template};
use tempfile::TempDir;

const MINIMAL: &str = include_str!("../../config/examples/minimal.toml");

/// Everything that must never be seen in an output.
const SECRETS: [&str; 5] =
    ["lever-key-s3cr3t", "twilio-s3cr3t", "hook-s3cr3t", "webhook-s3cr3t", "api-token-s3cr3t"];

/// A machine with a config file, a folder of credentials, and variables.
struct Machine {
    folder: TempDir,
    env: Vec<(String, String)>,
}

impl Machine {
    fn new(config: &str) -> Self {
        let machine = Self { folder: TempDir::new().unwrap(), env: Vec::new() };
        machine.write("fulcrum.toml", config, 0o644);
        fs::create_dir(machine.path("credentials")).unwrap();
        machine.write("credentials/lever-api-key", "lever-key-s3cr3t\n", 0o400);
        machine.write("credentials/twilio-auth-token", "twilio-s3cr3t\n", 0o400);
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.path(name);
        // Written anew, since a file of mode 0400 cannot be written over.
        if path.exists() {
            fs::remove_file(&path).unwrap();
        }
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn with(mut self, variable: &str, value: &str) -> Self {
        self.env.push((variable.to_owned(), value.to_owned()));
        self
    }

    fn load(&self) -> Result<Config, Problems> {
        Config::load(&Sources {
            file: Some(self.path("fulcrum.toml")),
            env: self.env.clone(),
            credentials_dir: Some(self.path("credentials")),
        })
    }

    /// The problems as the operator reads them, the folder's name left out.
    fn complaints(&self) -> String {
        let problems = self.load().unwrap_err();
        for output in [problems.to_string(), format!("{problems:?}")] {
            for secret in SECRETS {
                assert!(!output.contains(secret), "{secret} in {output}");
            }
        }
        let text = problems.to_string();
        text.replace(&format!("{}/", self.folder.path().display()), "")
    }

    fn problems(&self) -> Vec<Problem> {
        self.load().unwrap_err().iter().cloned().collect()
    }
}

/// The minimal example with one more section or other text at its end.
fn minimal_and(more: &str) -> String {
    format!("{MINIMAL}\n{more}")
}

/// Paths are made below it: the carrier was told to call an address that nothing answered.
#[test]
fn nothing_comes_after_an_address_that_paths_are_made_below() {
    for more in ["/?x=1", "#top"] {
        let address = format!("https://text.acme.example{more}");
        let config = MINIMAL.replace("https://text.acme.example", &address);
        let complaint =
            format!("server.public_url: \"{address}\", expected an address that ends before the ? or #");
        let told = Machine::new(&config).complaints();
        assert!(told.contains(&complaint), "{told}");
    }
    let told = Machine::new(&minimal_and("[lever]\nbase_url = 'https://api.lever.co/v1?x=1'")).complaints();
    assert!(told.contains("lever.base_url"), "{told}");
}

#[test]
fn the_smallest_example_has_the_documented_defaults() {
    let config = Machine::new(MINIMAL).load().unwrap();
    assert_eq!(config.organisation.name, "Acme Recruiting");
    assert_eq!(config.organisation.timezone.iana_name(), Some("America/New_York"));
    assert_eq!(config.organisation.region, "US".parse().unwrap());
    assert!(config.organisation.help_text.contains("Acme Recruiting"));
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.ops.listen.to_string(), "127.0.0.1:9464");
    assert_eq!(config.store.path, Path::new("/var/lib/fulcrum/fulcrum.redb"));
    assert_eq!(config.lever.base_url.as_str(), "https://api.lever.co/v1");
    assert_eq!(config.lever.api_key.expose(), "lever-key-s3cr3t");
    assert_eq!(config.lever.confidential, Confidential::Off);
    assert_eq!(config.lever.in_flight.get(), 12);
    assert_eq!(config.lever.poll_interval, Duration::from_mins(5));
    assert!(config.lever.hook_secret.is_none());
    assert_eq!(config.transcript.delay, Duration::from_hours(1));
    assert_eq!(config.transcript.max_wait, Some(Duration::from_hours(24)));
    assert_eq!(config.transcript.on_unknown, OnUnknown::Repost);
    let CarrierKind::Twilio(twilio) = &config.carrier.kind else { panic!() };
    assert_eq!(twilio.auth_token.expose(), "twilio-s3cr3t");
    assert_eq!(twilio.validity_period, Duration::from_hours(1));
}

#[test]
fn the_larger_example_says_what_it_means() {
    let example = include_str!("../../config/examples/behind-a-proxy.toml");
    let machine = Machine::new(example);
    machine.write("credentials/api-token-hr-scripts", "api-token-s3cr3t-1", 0o400);
    machine.write("credentials/api-token-dashboard", "api-token-s3cr3t-2", 0o400);
    machine.write("credentials/lever-hook-secret", "hook-s3cr3t", 0o400);
    let config = machine.load().unwrap();
    assert_eq!(config.backfill.since, Some(jiff::civil::date(2022, 1, 1)));
    assert_eq!(
        config.transcript.postings[&"730e37db-93d3-4acf-b9de-7cfc397cef1d".parse().unwrap()],
        TranscriptMode::Off
    );
    let [scripts, dashboard] = config.api.tokens.as_slice() else { panic!("two tokens") };
    assert_eq!((scripts.name.as_str(), scripts.role), ("hr-scripts", Role::Recruiter));
    assert_eq!((dashboard.name.as_str(), dashboard.role), ("dashboard", Role::Viewer));
    assert!(config.server.trusted_proxies[0].contains("10.1.2.9".parse().unwrap()));
    assert_eq!(config.lever.hook_secret.as_ref().unwrap().expose(), "hook-s3cr3t");
    let printed = format!("{config:?} {config:#?}");
    for secret in SECRETS {
        assert!(!printed.contains(secret), "{secret}");
    }
}

#[test]
fn every_mistake_is_reported_at_once() {
    let machine = Machine::new(
        r#"
[organisation]
name = "Acme Recruiting"
timezone = "America/New_Yrok"
region = "usa"

[server]
listen = "localhost"
public_url = "http://text.acme.example"
tls_cert_file = "/nonexistent/cert.pem"
trusted_proxies = ["10.0.0.0/33"]

[lever]
poll_intervall = "10m"
requests_per_second = 0
burst = "20"
confidential = "yes"
request_timeout = "1 fortnight"
api_key_file = "lever-key-s3cr3t"

[backfill]
since = 2024-01-01

[transcript]
delay = "2h"
max_wait = "1h"

[[transcript.postings]]
mode = "of"

[carrier]
numbers = ["+12025550100", "202 555 0100", "+12025550100"]

[carrier.twilio]
account_sid = "twilio-s3cr3t"

[[api.tokens]]
name = "scripts"
role = "owner"

[lver]
burst = 3
"#,
    )
    .with("FULCRUM_LEVER__IN_FLIGHT", "many")
    .with("FULCRUM_LEVER__API_KEY", "lever-key-s3cr3t")
    .with("FULCRUM_STORE__PAHT", "/tmp/x")
    .with("FULCRUM_OPS_LISTEN", "127.0.0.1:1");
    insta::assert_snapshot!(machine.complaints(), @r#"
    26 problems in the settings
      fulcrum.toml:4: organisation.timezone: "America/New_Yrok", expected an IANA time zone, such as "America/New_York"
      fulcrum.toml:5: organisation.region: "usa", expected two letters, such as "US"
      fulcrum.toml:8: server.listen: "localhost", expected an address and a port, such as "127.0.0.1:8080"
      fulcrum.toml:9: server.public_url: "http://text.acme.example", expected https, since it is not on this machine
      fulcrum.toml:10: server.tls_cert_file: /nonexistent/cert.pem, which cannot be read (entity not found), expected a file that this user can read
      fulcrum.toml:11: server.trusted_proxies[0]: "10.0.0.0/33", expected an IP address or a network, such as "10.0.0.0/8"
      fulcrum.toml:14: lever.poll_intervall: an unknown key, expected a key of the reference, config/default.toml; did you mean lever.poll_interval?
      fulcrum.toml:15: lever.requests_per_second: 0, expected a number from 1 to 100000
      fulcrum.toml:16: lever.burst: text, expected a whole number, such as 20
      fulcrum.toml:17: lever.confidential: "yes", expected "off" or "read" or "full"
      fulcrum.toml:18: lever.request_timeout: "1 fortnight", expected a duration from 100ms to 10m, written as "90s", "5m", "1h30m"
      fulcrum.toml:19: lever.api_key_file: something else, expected a path that begins with /
      fulcrum.toml:22: backfill.since: a date without quotes, expected text in quotes
      fulcrum.toml:26: transcript.max_wait: "1h", expected "off", or as long as transcript.delay or longer
      fulcrum.toml:29: transcript.postings[0].mode: "of", expected "session" or "instant" or "off"
      fulcrum.toml:32: carrier.numbers[1]: "202 555 0100", expected a number such as "+12025550100", without spaces
      fulcrum.toml:32: carrier.numbers[2]: "+12025550100" again, expected each once
      fulcrum.toml:35: carrier.twilio.account_sid: something else, expected AC and 32 hex digits
      fulcrum.toml:39: api.tokens[0].role: "owner", expected "admin" or "recruiter" or "viewer" or "operator"
      fulcrum.toml:41: lver: an unknown key, expected a key of the reference, config/default.toml; did you mean lever?
      fulcrum.toml: transcript.postings[0].posting: not set, expected the id of a posting in Lever
      fulcrum.toml: api.tokens[0].token_file: not set, expected a file with the secret, or api-token-scripts as a credential or beside the config
      $FULCRUM_LEVER__API_KEY: lever.api_key: a secret in the environment, where other programs can see it, expected lever.api_key_file or a systemd credential
      $FULCRUM_LEVER__IN_FLIGHT: lever.in_flight: "many", expected a whole number, such as 12
      $FULCRUM_OPS_LISTEN: ops_listen: an unknown key, expected a key of the reference, config/default.toml; did you mean $FULCRUM_OPS__LISTEN?
      $FULCRUM_STORE__PAHT: store.paht: an unknown key, expected a key of the reference, config/default.toml; did you mean $FULCRUM_STORE__PATH?
    "#);
}

#[test]
fn nothing_set_at_all_says_what_must_be() {
    let problems = Config::load(&Sources::default()).unwrap_err();
    insta::assert_snapshot!(problems, @r#"
    7 problems in the settings
      settings: organisation.name: not set, expected the organisation's name
      settings: organisation.timezone: not set, expected an IANA time zone, such as "America/New_York"
      settings: server.public_url: not set, expected an address, such as "https://text.acme.example"
      settings: lever.api_key_file: not set, expected a file with the secret, or lever-api-key as a credential or beside the config
      settings: carrier.numbers: none, expected at least one number, such as ["+12025550100"]
      settings: carrier.twilio.account_sid: not set, expected AC and 32 hex digits
      settings: carrier.twilio.auth_token_file: not set, expected a file with the secret, or twilio-auth-token as a credential or beside the config
    "#);
}

#[test]
fn a_missing_file_is_not_an_empty_one() {
    let machine = Machine::new(MINIMAL);
    fs::remove_file(machine.path("fulcrum.toml")).unwrap();
    insta::assert_snapshot!(machine.complaints(), @r#"
    1 problem in the settings
      fulcrum.toml: there is no such file, expected a config file that this user can read; -c FILE names another
    "#);
}

#[test]
fn broken_toml_is_reported_with_its_lines_beside_other_mistakes() {
    let text = "[lever]\nburst = = 3\nbrust = 4\napi_key = \"lever-key-s3cr3t\nconfidential = 1\n\
                hook_secret = hook-s3cr3t\npoll_interval = \"0s\"\n";
    let machine = Machine::new(text);
    machine.write("fulcrum.toml", text, 0o600);
    insta::assert_snapshot!(machine.complaints(), @r#"
    7 problems in the settings
      fulcrum.toml:2: not TOML: extra `=`, expected nothing
      fulcrum.toml:2: not TOML: unexpected key or value, expected newline, `#`
      fulcrum.toml:3: lever.brust: an unknown key, expected a key of the reference, config/default.toml; did you mean lever.burst?
      fulcrum.toml:4: not TOML: invalid basic string, expected `"`
      fulcrum.toml:5: lever.confidential: a whole number, expected text in quotes, such as "off"
      fulcrum.toml:6: not TOML: string values must be quoted, expected literal string
      fulcrum.toml:7: lever.poll_interval: "0s", expected a duration from 1s to 24h, written as "90s", "5m", "1h30m"
    "#);
}

#[test]
fn a_problem_says_where_its_value_came_from() {
    let machine = Machine::new(&minimal_and("[lever]\nburst = 0")).with("FULCRUM_LEVER__POLL_INTERVAL", "0s");
    let problems = machine.problems();
    let origins: Vec<_> = problems.iter().map(|p| (p.key.as_str(), &p.origin, p.line)).collect();
    let file = Origin::File(machine.path("fulcrum.toml"));
    let variable = Origin::Environment("FULCRUM_LEVER__POLL_INTERVAL".to_owned());
    let last_line = MINIMAL.lines().count() + 3;
    assert_eq!(origins, [("lever.burst", &file, Some(last_line)), ("lever.poll_interval", &variable, None)]);
}

#[test]
fn the_environment_beats_the_file_and_is_read_by_the_keys_type() {
    let config = Machine::new(&minimal_and("[lever]\nburst = 7\n[transcript]\nsecret = false"))
        .with("FULCRUM_LEVER__BURST", "9")
        .with("FULCRUM_TRANSCRIPT__SECRET", "true")
        .with("FULCRUM_ORGANISATION__NAME", "0012")
        .with("FULCRUM_CARRIER__NUMBERS", "+12025550111, +12025550112")
        .with("FULCRUM_CARRIER__TWILIO__SEGMENTS_PER_SECOND", "3")
        .with("FULCRUM_SERVICE_HOST", "set by an orchestrator")
        .with("OTHER_LEVER__BURST", "1")
        .load()
        .unwrap();
    assert_eq!(config.lever.burst.get(), 9);
    assert!(config.transcript.secret);
    assert_eq!(config.organisation.name, "0012");
    assert_eq!(
        config.carrier.numbers.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["+12025550111", "+12025550112"]
    );
}

#[test]
fn a_secret_in_the_file_needs_a_file_that_nobody_else_can_read() {
    let text = minimal_and("[lever]\napi_key = \"lever-key-s3cr3t-2\"");
    let machine = Machine::new(&text);
    insta::assert_snapshot!(machine.complaints(), @r#"
    1 problem in the settings
      fulcrum.toml:20: lever.api_key: a secret in a config file that others can read, expected lever.api_key_file, or a config file with mode 0600
    "#);
    machine.write("fulcrum.toml", &text, 0o640);
    fs::remove_file(machine.path("credentials/lever-api-key")).unwrap();
    assert_eq!(machine.problems().len(), 1);
    machine.write("fulcrum.toml", &text, 0o600);
    assert_eq!(machine.load().unwrap().lever.api_key.expose(), "lever-key-s3cr3t-2");
}

#[test]
fn a_secret_set_twice_is_a_mistake() {
    let text = minimal_and("[lever]\napi_key = \"lever-key-s3cr3t\"\napi_key_file = \"/k\"");
    let machine = Machine::new(&text);
    machine.write("fulcrum.toml", &text, 0o600);
    insta::assert_snapshot!(machine.complaints(), @r#"
    1 problem in the settings
      fulcrum.toml:21: lever.api_key_file: set twice, expected only one of lever.api_key and lever.api_key_file
    "#);
}

#[test]
fn a_secret_of_the_wrong_type_is_not_shown() {
    let text = minimal_and("[lever]\napi_key = [\"lever-key-s3cr3t\"]\nhook_secret = \"\"");
    let machine = Machine::new(&text);
    machine.write("fulcrum.toml", &text, 0o600);
    insta::assert_snapshot!(machine.complaints(), @r#"
    2 problems in the settings
      fulcrum.toml:20: lever.api_key: a list, expected text, or lever.api_key_file instead
      fulcrum.toml:21: lever.hook_secret: an empty secret, expected a secret, or lever.hook_secret_file instead
    "#);
}

#[test]
fn a_login_in_an_address_is_refused_and_not_shown() {
    let machine =
        Machine::new(&minimal_and("[network]\nproxy = \"http://user:hook-s3cr3t@proxy.acme.example:3128\""));
    insta::assert_snapshot!(machine.complaints(), @r#"
    1 problem in the settings
      fulcrum.toml:20: network.proxy: an address with a login in it, expected an address without name and password
    "#);
}

#[test]
fn what_the_way_out_cannot_use_is_named_and_its_login_not_shown() {
    let machine = Machine::new(&minimal_and("[network]\nno_proxy = [\"10.0.0.0/8\", \"a b\"]"));
    machine.write("credentials/proxy-login", "hook-s3cr3t", 0o400);
    insta::assert_snapshot!(machine.complaints(), @r#"
    2 problems in the settings
      fulcrum.toml:20: network.no_proxy[1]: "a b", expected a host, a ".domain", an address or a network
      fulcrum.toml: network.proxy_login_file: a secret without a colon, expected name:password
    "#);
}

#[test]
fn a_secret_file_beats_the_credential() {
    let machine = Machine::new("");
    let key = machine.write("key", "from the file\r\n", 0o640);
    let lever = format!("[lever]\napi_key_file = {key:?}");
    machine.write("fulcrum.toml", &minimal_and(&lever), 0o644);
    assert_eq!(machine.load().unwrap().lever.api_key.expose(), "from the file");
}

#[test]
fn a_bad_secret_file_says_what_is_wrong_with_it() {
    let machine = Machine::new("");
    let complaint = |text: &[u8], mode: u32| {
        let path = machine.write("key", "", 0o600);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let lever = format!("[lever]\napi_key_file = {path:?}");
        machine.write("fulcrum.toml", &minimal_and(&lever), 0o644);
        machine.problems().pop().unwrap().found.rsplit_once("/key: ").unwrap().1.to_owned()
    };
    assert_eq!(complaint(b"lever-key-s3cr3t", 0o644), "a file that others can read (mode 0644)");
    assert_eq!(complaint(b"\n", 0o600), "an empty file");
    assert_eq!(complaint(b"\xff\xfe", 0o600), "a file that is not UTF-8");
    assert_eq!(complaint(&[b'x'; 70_000], 0o600), "a file of more than 64 KiB");
    for (path, found) in [("/nonexistent/key", "there is no such file"), ("/", "not a regular file")] {
        let lever = format!("[lever]\napi_key_file = {path:?}");
        machine.write("fulcrum.toml", &minimal_and(&lever), 0o644);
        assert!(machine.problems()[0].found.ends_with(found));
    }
}

#[test]
fn no_tokens_file_yet_means_no_tokens() {
    let text = minimal_and("[lever]\nwebhook_tokens_file = \"/nonexistent/hooks.toml\"");
    let lever = Machine::new(&text).load().unwrap().lever;
    assert_eq!(lever.webhook_tokens.tokens_for(HookEvent::CandidateHired).count(), 0);
    assert_eq!(lever.webhook_tokens_file, Some(PathBuf::from("/nonexistent/hooks.toml")));
}

#[test]
fn webhook_tokens_come_from_their_file_or_credential() {
    let machine = Machine::new(MINIMAL);
    machine.write("credentials/lever-webhooks.toml", "any = 'webhook-s3cr3t'", 0o400);
    let config = machine.load().unwrap();
    let tokens = config.lever.webhook_tokens.tokens_for(HookEvent::CandidateHired);
    assert_eq!(tokens.map(Secret::expose).collect::<Vec<_>>(), ["webhook-s3cr3t"]);
    assert!(!format!("{config:?}").contains("webhook-s3cr3t"));

    let hooks = machine.write("hooks.toml", "candidate_hierd = 'webhook-s3cr3t'", 0o644);
    let lever = format!("[lever]\nwebhook_tokens_file = {hooks:?}");
    machine.write("fulcrum.toml", &minimal_and(&lever), 0o644);
    insta::assert_snapshot!(machine.complaints(), @r#"
    1 problem in the settings
      fulcrum.toml:20: lever.webhook_tokens_file: hooks.toml: a file that others can read (mode 0644), expected a file that only fulcrum can read: chmod 0600 hooks.toml
    "#);
    machine.write("hooks.toml", "candidate_hierd = 'webhook-s3cr3t'", 0o600);
    insta::assert_snapshot!(machine.complaints(), @r#"
    1 problem in the settings
      hooks.toml:1: candidate_hierd: an unknown key, expected an event or any; did you mean candidate_hired?
    "#);
}

#[test]
fn a_hook_secret_must_fit_into_a_path() {
    let machine = Machine::new(MINIMAL);
    machine.write("credentials/lever-hook-secret", "hook-s3cr3t/../x", 0o400);
    insta::assert_snapshot!(machine.complaints(), @r#"
    1 problem in the settings
      fulcrum.toml: lever.hook_secret_file: a secret that cannot be part of a path, expected letters, digits, - and _ only
    "#);
}

#[test]
fn api_tokens_are_told_apart_by_name_and_value() {
    let machine = Machine::new(&minimal_and(
        "[[api.tokens]]\nname = 'a'\nrole = 'viewer'\n[[api.tokens]]\nname = 'a'\nrole = 'admin'\n\
         [[api.tokens]]\nname = 'b'\nrole = 'admin'\n[[api.tokens]]\nrole = 'admin'\n\
         [[api.tokens]]\nname = 'Operator'\nrole = 'admin'",
    ));
    machine.write("credentials/api-token-a", "api-token-s3cr3t", 0o400);
    machine.write("credentials/api-token-b", "short", 0o400);
    insta::assert_snapshot!(machine.complaints(), @r#"
    5 problems in the settings
      fulcrum.toml:23: api.tokens[1].name: "a" again, expected each name once
      fulcrum.toml:31: api.tokens[4].name: "Operator", expected a name that the activity does not use for somebody else
      fulcrum.toml: api.tokens[1].token_file: the token of another entry, expected each token once
      fulcrum.toml: api.tokens[2].token_file: a token that can be guessed, expected 16 characters or more
      fulcrum.toml: api.tokens[3].name: not set, expected a name of letters, digits, - and _
    "#);
}

#[test]
fn twilio_may_sign_with_the_former_token_while_it_is_changed() {
    let machine = Machine::new(MINIMAL);
    machine.write("credentials/twilio-auth-token", "twilio-s3cr3t\n former-s3cr3t \n\n", 0o600);
    let CarrierKind::Twilio(twilio) = machine.load().unwrap().carrier.kind else { panic!() };
    assert_eq!(twilio.auth_token.expose(), "twilio-s3cr3t");
    assert_eq!(twilio.other_tokens.iter().map(Secret::expose).collect::<Vec<_>>(), ["former-s3cr3t"]);
}

#[test]
fn tls_needs_both_files() {
    let machine = Machine::new("");
    let cert = machine.write("cert.pem", "x", 0o644);
    let with_cert = MINIMAL.replace("[server]", &format!("[server]\ntls_cert_file = {cert:?}"));
    machine.write("fulcrum.toml", &with_cert, 0o644);
    insta::assert_snapshot!(machine.complaints(), @r#"
    1 problem in the settings
      fulcrum.toml: server.tls_key_file: not set, expected the key of server.tls_cert_file, or neither of both
    "#);
}

#[test]
fn http_is_for_loopback_only() {
    for (url, fine) in [
        ("http://127.0.0.1:9000", true),
        ("http://[::1]:9000", true),
        ("http://localhost:9000", true),
        ("https://text.acme.example", true),
        ("http://localhost.acme.example", false),
        ("ftp://text.acme.example", false),
        ("text.acme.example", false),
    ] {
        let loaded = Machine::new(MINIMAL).with("FULCRUM_SERVER__PUBLIC_URL", url).load();
        assert_eq!(loaded.is_ok(), fine, "{url}");
    }
}

#[test]
fn a_reload_tells_what_can_change_now_from_what_needs_a_restart() {
    let machine = Machine::new(MINIMAL);
    let old = machine.load().unwrap();
    assert_eq!(old.reloadable_diff(&machine.load().unwrap()), fulcrum::config::Changes::default());

    let more = "[lever]\npoll_interval = \"1m\"\nburst = 5\n[transcript]\ndelay = \"2h\"\n\
                [ops]\nlisten = \"127.0.0.1:1\"";
    machine.write("fulcrum.toml", &minimal_and(more), 0o644);
    machine.write("credentials/twilio-auth-token", "twilio-s3cr3t-2", 0o400);
    machine.write("credentials/lever-webhooks.toml", "candidate_hired = 'x'", 0o400);
    let changes = old.reloadable_diff(&machine.load().unwrap());
    assert_eq!(
        changes.reloadable,
        ["lever.poll_interval", "lever.webhook_tokens_file: candidate_hired[0]", "transcript.delay"]
    );
    assert_eq!(changes.needing_restart, ["carrier.twilio.auth_token_file", "lever.burst", "ops.listen"]);
}

#[test]
fn quiet_hours_are_a_window_with_exceptions() {
    let machine = Machine::new(&minimal_and("[quiet_hours]\nsaturday = \"10:00-16:00\"\nsunday = \"off\""));
    let window = |text: &str| Some(text.parse().unwrap());
    let usual = window("08:00-20:00");
    let hours = Hours::new([usual, usual, usual, usual, usual, window("10:00-16:00"), None]);
    assert_eq!(machine.load().unwrap().quiet_hours.hours, hours);
    let machine = Machine::new(&minimal_and(
        "[quiet_hours]\nwindow = \"20:00-08:00\"\nfriday = \"no\"\nsunday = \"8-12\"",
    ));
    insta::assert_snapshot!(machine.complaints(), @r#"
    3 problems in the settings
      fulcrum.toml:20: quiet_hours.window: "20:00-08:00", expected a window, such as "08:00-20:00"
      fulcrum.toml:21: quiet_hours.friday: "no", expected "off", or a window, such as "10:00-18:00"
      fulcrum.toml:22: quiet_hours.sunday: "8-12", expected "off", or a window, such as "10:00-18:00"
    "#);
    let off = |day: &str| format!("{day} = \"off\"\n");
    let week =
        ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"].map(off).concat();
    let machine = Machine::new(&minimal_and(&format!("[quiet_hours]\n{week}")));
    insta::assert_snapshot!(machine.complaints(), @r#"
    1 problem in the settings
      fulcrum.toml:20: quiet_hours.monday: "off", as on all other days, expected one day at least
    "#);
}

#[test]
fn consent_and_the_windows_of_the_states_are_chosen_by_name() {
    let machine = Machine::new(&minimal_and(
        "[consent]\nlevel = \"strict\"\nquestion = \"May we text you?\"\n[quiet_hours]\npreset = \"strict-us\"",
    ));
    let config = machine.load().unwrap();
    assert!(config.consent.question.is_some());
    let rhode_island = fulcrum_domain::Number::from_e164("+14015550142").unwrap();
    assert_ne!(config.quiet_hours.states.of(rhode_island), Hours::always());
    let machine = Machine::new(&minimal_and(
        "[consent]\nlevel = \"some\"\nquestion = \"May we?\"\nyes = []\n[quiet_hours]\npreset = \"strict\"",
    ));
    insta::assert_snapshot!(machine.complaints(), @r#"
    3 problems in the settings
      fulcrum.toml:20: consent.level: "some", expected "none" or "permissive" or "strict"
      fulcrum.toml:22: consent.yes: nothing, expected the answers that mean yes, since there is a question
      fulcrum.toml:24: quiet_hours.preset: "strict", expected empty, or "federal" or "strict-us"
    "#);
}

#[test]
fn templates_are_read_in_their_order() {
    let machine = Machine::new(&minimal_and(
        r#"
[[templates]]
id = "call"
name = "Ask for a call"
text = "Hi {{ profile.first_name }}, free for a call? Or look here: {{ saved_links.jobs }}"

[[templates]]
id = "thanks"
name = "Thanks"
text = """
Hi {{ profile.first_name }},
thanks for your time{% if interview.date is defined %} on {{ interview.date }}{% endif %}.
"""

[[saved_links]]
id = "jobs"
url = "https://acme.example/jobs"
"#,
    ));
    let templates = machine.load().unwrap().templates;
    let list: Vec<_> = templates.iter().map(|template| (template.id(), template.name())).collect();
    assert_eq!(list, [("call", "Ask for a call"), ("thanks", "Thanks")]);
}

#[test]
fn automations_are_paused_unless_the_config_says_otherwise() {
    let machine = Machine::new(&minimal_and(
        r#"
[[templates]]
id = "screen"
name = "Phone screen"
text = "Hi {{ profile.first_name }}, about the phone screen for {{ job.name }}"

[[automations]]
name = "phone-screen"
trigger = "stage-entered"
scope = ["Phone screen"]
filter = ["department = Engineering | Sales", "tag != referral"]
wait = "at 09:00, 1d later"
message = "screen"

[[automations]]
name = "thanks"
paused = false
trigger = "interview"
wait = "1h after interview"
text = "Thank you for your time on {{ interview.date }}"
repeat = "per-visit"
cancel_if = []
"#,
    ));
    let automations = machine.load().unwrap().automations;
    let list: Vec<_> =
        automations.list.iter().map(|row| (row.name.as_str(), row.paused, row.per_visit)).collect();
    assert_eq!(list, [("phone-screen", true, false), ("thanks", false, true)]);
    assert_eq!((automations.list[0].cancel_if.len(), automations.list[1].cancel_if.len()), (3, 0));
    assert_eq!(automations.texts.iter().count(), 2);
}

#[test]
fn every_mistake_of_every_automation_is_reported() {
    let machine = Machine::new(&minimal_and(
        r#"
[[templates]]
id = "screen"
name = "Phone screen"
text = "Hi, this is {{ sender.name }}. See you on {{ interview.date }}"

[[automations]]
name = "one"
trigger = "stage entered"
filter = ["colour = red", "tag"]
wait = "soon"
message = "scren"
max_age = "1s"
repeat = "twice"
cancel_if = ["bored"]

[[automations]]
name = "one"
trigger = "application-created"
scope = ["Offer"]
wait = "24h before interview"
message = "screen"

[[automations]]
name = "no words"
trigger = "no-reply"

[[automations]]
name = "both"
trigger = "interview"
message = "screen"
text = "Hi {{ weather }}"
"#,
    ));
    insta::assert_snapshot!(machine.complaints(), @r#"
    18 problems in the settings
      fulcrum.toml:27: automations[0].trigger: "stage entered", expected "stage-entered" or "archived" or "hired" or "application-created" or "interview-created" or "interview-moved" or "interview-cancelled" or "interview" or "no-reply"
      fulcrum.toml:28: automations[0].filter[0]: the unknown field colour, expected one of posting, department, team, location, tag, owner, stage, archive_reason, confidential
      fulcrum.toml:28: automations[0].filter[1]: "tag", expected a condition, such as "department = Sales | Support" or "tag != referral"
      fulcrum.toml:29: automations[0].wait: "soon", expected "10m", "2h", "3d", "4 business hours", "2 business days", "at 09:00", "at 09:00, 2d later", "24h before interview" or "1h after interview"
      fulcrum.toml:30: automations[0].message: "scren", expected the id of a template: screen
      fulcrum.toml:31: automations[0].max_age: "1s", expected a duration from 1m to 168h, written as "90s", "5m", "1h30m"
      fulcrum.toml:32: automations[0].repeat: "twice", expected "once" or "per-visit"
      fulcrum.toml:33: automations[0].cancel_if[0]: "bored", expected "replied" or "booked" or "person-texted"
      fulcrum.toml:36: automations[1].name: "one" again, expected each name once
      fulcrum.toml:38: automations[1].scope: a scope of application-created, expected none, since only stage-entered and archived have one; use `filter`
      fulcrum.toml:39: automations[1].wait: "24h before interview", expected a wait that is not counted from an interview, or the trigger "interview"
      fulcrum.toml:40: automations[1].message: the field sender.name, which application-created does not tell, expected owner.* or org.name: nobody signs an automatic text
      fulcrum.toml:40: automations[1].message: the field interview.date, which application-created does not tell, expected a trigger that is about an interview, or a text without it
      fulcrum.toml:43: automations[2].name: "no words", expected letters, digits, - and _, beginning with a letter
      fulcrum.toml:49: automations[3].message: set beside `text`, expected only one of the two
      fulcrum.toml: automations[2].wait: "none", expected how long there is no reply, such as "2d"
      fulcrum.toml: automations[2].message: not set, expected the id of a template, or words in `text`
      fulcrum.toml: automations[3].wait: "none", expected "24h before interview" or "1h after interview", since the trigger is an interview
    "#);
}

/// One broken template must not keep what is wrong elsewhere for the next `check`.
#[test]
fn automations_are_checked_beside_a_broken_template() {
    let machine = Machine::new(&minimal_and(
        r#"
[[saved_links]]
id = "apply"
url = "https://acme.example/apply"

[[templates]]
id = "broken"
name = "Broken"
text = "Hi {{ weather }}"

[[templates]]
id = "signed"
name = "Signed"
text = "Hi, this is {{ sender.name }}"

[[automations]]
name = "nobodys"
trigger = "archived"
message = "nope"

[[automations]]
name = "unsigned"
trigger = "archived"
message = "signed"

[[automations]]
name = "of-the-broken-one"
trigger = "archived"
message = "broken"

[[automations]]
name = "right"
trigger = "archived"
text = "Apply again: {{ saved_links.apply }}"
"#,
    ));
    insta::assert_snapshot!(machine.complaints(), @r#"
    3 problems in the settings
      fulcrum.toml:27: templates[0].text: line 1 of the text: the unknown field weather, expected one of profile.first_name, profile.last_name, sender.name, sender.first_name, sender.last_name, owner.name, owner.first_name, owner.last_name, job.name, job.location, stage.name, interview.date, interview.time, interview.location, org.name, links.booking, saved_links.<id>
      fulcrum.toml:37: automations[0].message: "nope", expected the id of a template: broken, signed
      fulcrum.toml:42: automations[1].message: the field sender.name, which archived does not tell, expected owner.* or org.name: nobody signs an automatic text
    "#);
}

#[test]
fn every_flaw_of_every_template_is_reported() {
    let machine = Machine::new(&minimal_and(
        r#"
[[templates]]
id = "call"
name = "Ask for a call"
text = """
Hi {{ profile.fist_name }}, {{ weather }}
Reply CANCEL to move it: https://bit.ly/x"""

[[templates]]
id = "call"
name = ""
text = "Hi {{ profile.first_name }"

[[templates]]
id = "call"
name = "Again"
text = "Hi {{ saved_links.jobs }}"

[[templates]]
id = "call"
name = "And again"
text = "Hi"

[[templates]]
id = "no spaces"
name = "Empty"

[[saved_links]]
id = "jobs"
url = "https://tinyurl.com/x"

[[saved_links]]
id = "my-jobs"
url = "acme"
"#,
    ));
    insta::assert_snapshot!(machine.complaints(), @r#"
    14 problems in the settings
      fulcrum.toml:23: templates[0].text: line 1 of the text: the unknown field profile.fist_name, expected profile.first_name
      fulcrum.toml:23: templates[0].text: line 1 of the text: the unknown field weather, expected one of profile.first_name, profile.last_name, sender.name, sender.first_name, sender.last_name, owner.name, owner.first_name, owner.last_name, job.name, job.location, stage.name, interview.date, interview.time, interview.location, org.name, links.booking, saved_links.<id>
      fulcrum.toml:23: templates[0].text: line 2 of the text: it invites the answer CANCEL, by which people opt out, expected another word, or "to opt out" after it
      fulcrum.toml:23: templates[0].text: line 2 of the text: a link by bit.ly, expected the whole link: carriers take those of public shorteners for spam
      fulcrum.toml:28: templates[1].id: "call" again, expected each id once
      fulcrum.toml:29: templates[1].name: not set, expected a name to choose it by
      fulcrum.toml:30: templates[1].text: line 1 of the text: unexpected `}`, expected end of variable block
      fulcrum.toml:33: templates[2].id: "call" again, expected each id once
      fulcrum.toml:38: templates[3].id: "call" again, expected each id once
      fulcrum.toml:43: templates[4].id: "no spaces", expected letters, digits, - and _, beginning with a letter
      fulcrum.toml:48: saved_links[0].url: a link by tinyurl.com, expected the whole link: carriers take those of public shorteners for spam
      fulcrum.toml:51: saved_links[1].id: "my-jobs", expected letters, digits and _, beginning with a letter
      fulcrum.toml:52: saved_links[1].url: "acme", expected an address, such as "https://text.acme.example"
      fulcrum.toml: templates[4].text: no text, expected the words of the text
    "#);
}

#[test]
fn templates_of_a_folder_follow_those_of_the_config() {
    let machine = Machine::new("");
    fs::create_dir(machine.path("templates")).unwrap();
    let file = |name: &str, text: &str| drop(machine.write(&format!("templates/{name}"), text, 0o644));
    file("b-later.toml", "name = 'Later'\ntext = 'See you later'\n");
    file("a-first.toml", "name = 'First'\nfirst = true\ntext = '''\nHi from {{ org.name }}\n'''\n");
    file("README.md", "not a template");
    let of_config = "[[templates]]\nid = \"call\"\nname = \"Call\"\ntext = \"Hi\"\n";
    let folder = machine.path("templates");
    let dir = format!("[texts]\ntemplates_dir = \"{}\"\n{of_config}", folder.display());
    machine.write("fulcrum.toml", &minimal_and(&dir), 0o644);
    let templates = machine.load().unwrap().templates;
    let ids: Vec<_> = templates.iter().map(Template::id).collect();
    assert_eq!(ids, ["call", "a-first", "b-later"]);

    file("call.toml", "name = 'Call'\ntext = 'Hi'\n");
    file("first.toml", "name = 'First'\nfirst = true\ntext = 'Hi'\n");
    file("flaws.toml", "name = ''\n\ntext = 'Reply STOP to move it: {{ weather }}'\n");
    file("other.toml", "name = 'Other'\nwords = 'Hi'\n");
    insta::assert_snapshot!(machine.complaints(), @r#"
    6 problems in the settings
      templates/call.toml: id: "call" again, expected each id once, here and in [[templates]]
      templates/first.toml:3: text: a first text that does not say who writes, expected {{ org.name }} or Acme Recruiting in it
      templates/flaws.toml:1: name: not set, expected a name to choose it by
      templates/flaws.toml:3: text: line 1 of the text: the unknown field weather, expected one of profile.first_name, profile.last_name, sender.name, sender.first_name, sender.last_name, owner.name, owner.first_name, owner.last_name, job.name, job.location, stage.name, interview.date, interview.time, interview.location, org.name, links.booking, saved_links.<id>
      templates/flaws.toml:3: text: line 1 of the text: it invites the answer STOP, by which people opt out, expected another word, or "to opt out" after it
      templates/other.toml:2: unknown field `words`, expected one of `name`, `text`, `first`
    "#);
}

#[test]
fn a_file_of_windows_stands_in_for_those_that_are_built_in() {
    let machine = Machine::new("");
    let path = machine.path("windows.toml");
    let quiet = format!("[quiet_hours]\npreset = \"ours\"\nwindows_file = \"{}\"\n", path.display());
    machine.write("fulcrum.toml", &minimal_and(&quiet), 0o644);
    let file = |presets: &str| {
        machine.write("windows.toml", &format!("version = \"2027-01-01\"\n{presets}"), 0o644);
    };
    let everywhere = "everywhere = { window = \"08:00-21:00\" }\n";
    let state = "RI = { window = \"10:00-17:00\" }\n";
    file(&format!("[presets.ours]\n{everywhere}[presets.ours.states]\n{state}"));
    let states = machine.load().unwrap().quiet_hours.states;
    let of = |number: &str| states.of(fulcrum_domain::Number::from_e164(number).unwrap());
    let all = |window: &str| Hours::new([Some(window.parse().unwrap()); 7]);
    assert_eq!((of("+14015550142"), of("+12025550142")), (all("10:00-17:00"), all("08:00-21:00")));

    let everywhere_wrong = "everywhere = { window = \"8-21\", sunday = \"noon\" }\n";
    let no_state = "Rhode = { window = \"10:00-17:00\" }\n";
    file(&format!("[presets.other]\n{everywhere_wrong}[presets.other.states]\n{no_state}"));
    insta::assert_snapshot!(machine.complaints(), @r#"
    3 problems in the settings
      windows.toml:3: presets.other.everywhere.window: "8-21", expected a window, such as "08:00-20:00"
      windows.toml:3: presets.other.everywhere.sunday: "noon", expected a window, such as "08:00-20:00"
      windows.toml:5: presets.other.states.Rhode: no state, expected the two letters of a state, such as "TX"
    "#);
    file(&format!("[presets.other]\n{everywhere}"));
    insta::assert_snapshot!(machine.complaints(), @r#"
    1 problem in the settings
      fulcrum.toml:20: quiet_hours.preset: "ours", expected empty, or "other"
    "#);
    file("[presets.ours]\neverywhere = { windows = \"08:00-21:00\" }\n");
    insta::assert_snapshot!(machine.complaints(), @"
    1 problem in the settings
      windows.toml:3: unknown field `windows`, expected one of `window`, `saturday`, `sunday`
    ");
}

#[test]
fn the_extension_works_on_all_of_levers_sites_unless_told_otherwise() {
    let hosts = Machine::new(&minimal_and("")).load().unwrap().extension.lever_hosts;
    let hosts: Vec<_> = hosts.iter().map(ToString::to_string).collect();
    assert_eq!(hosts, ["https://hire.lever.co", "https://hire.eu.lever.co", "https://hire.sandbox.lever.co"]);
}

#[test]
fn the_extension_works_on_bare_hosts_and_over_plain_http_only_in_a_sandbox() {
    let hosts = |hosts: &str| minimal_and(&format!("[extension]\nlever_hosts = [{hosts}]"));
    let machine = Machine::new(&hosts(r#""https://hire.lever.co/candidates", "http://hire.lever.co""#));
    let complaints = machine.complaints();
    assert!(complaints.contains("lever_hosts[0]: \"https://hire.lever.co/candidates\", expected the name"));
    assert!(complaints.contains("lever_hosts[1]: \"http://hire.lever.co\", expected https"), "{complaints}");
    assert!(Machine::new(&hosts("")).complaints().contains("no host, expected at least one"));

    let machine = Machine::new(&hosts(r#""http://hire.lever.co""#))
        .with("FULCRUM_LEVER__BASE_URL", "http://127.0.0.1:4010/v1");
    let config = machine.load().unwrap();
    assert_eq!(config.extension.lever_hosts[0].to_string(), "http://hire.lever.co");
}

#[test]
fn an_audit_log_goes_to_a_whole_path_and_to_a_host_with_a_port() {
    let outputs = "[audit]\nfile = \"audit.jsonl\"\n[audit.syslog]\naddress = \"siem.acme.example\"";
    insta::assert_snapshot!(Machine::new(&minimal_and(outputs)).complaints(), @r#"
    2 problems in the settings
      fulcrum.toml:20: audit.file: "audit.jsonl", expected a path that begins with /
      fulcrum.toml:22: audit.syslog.address: "siem.acme.example", expected a host and a port, such as "siem.acme.example:6514"
    "#);
    let outputs = "[audit]\nfile = \"/var/log/audit.jsonl\"\n[audit.syslog]\naddress = \"[::1]:6514\"";
    let audit = Machine::new(&minimal_and(outputs)).load().unwrap().audit;
    assert_eq!(audit.file.unwrap().to_str(), Some("/var/log/audit.jsonl"));
    assert_eq!(audit.syslog.unwrap(), (url::Host::parse("[::1]").unwrap(), 6514));
}

fn outline(config: &str) -> Result<Outline, Problems> {
    let machine = Machine::new(config);
    // Nobody in the daemon's group can read these.
    fs::remove_dir_all(machine.path("credentials")).unwrap();
    Outline::load(&Sources { file: Some(machine.path("fulcrum.toml")), ..Sources::default() })
}

/// A mistake on disk kept everybody from pausing an automation of the daemon that runs.
#[test]
fn the_running_daemon_is_found_by_a_config_with_mistakes_and_without_its_secrets() {
    let socket = "control_socket = '/run/acme.sock'\n";
    let good = MINIMAL.replace("[server]\n", &format!("[server]\n{socket}"));
    let found = outline(&good).unwrap();
    assert_eq!(found.control_socket, Path::new("/run/acme.sock"));
    assert_eq!(found.region, "US".parse().ok());
    assert!(found.problems.is_none(), "no secret is missed: {:?}", found.problems);

    let wrong = format!("{good}\n[lever]\npoll_intervall = '5m'\n[log]\nformat = 'papyrus'\n");
    let found = outline(&wrong).unwrap();
    assert_eq!(found.control_socket, Path::new("/run/acme.sock"));
    let told = found.problems.unwrap().to_string();
    assert!(
        told.contains("poll_intervall") && told.contains("papyrus") && told.starts_with("2 problems"),
        "{told}"
    );

    let torn = outline(&format!("{good}\n[log\n")).unwrap();
    assert_eq!(torn.control_socket, Path::new("/run/acme.sock"));
    assert!(torn.problems.is_some());
}

#[test]
fn another_daemon_than_the_one_that_is_meant_is_not_asked() {
    for socket in ["control_sockt = '/run/acme.sock'", "control_socket = 3"] {
        let told = outline(&MINIMAL.replace("[server]\n", &format!("[server]\n{socket}\n")));
        assert!(told.is_err(), "{socket}: {told:?}");
    }
}

#[test]
fn a_mistake_is_told_with_what_to_write() {
    let machine = Machine::new(&minimal_and("[network]\nproxy = 'proxy:3128'\n"));
    assert!(machine.complaints().contains("http://proxy.acme.example:3128"), "{}", machine.complaints());
    let machine = Machine::new(&minimal_and("[log]\nfilter = 'verbose'\n"));
    assert!(machine.complaints().contains("expected a level (error,"), "{}", machine.complaints());
    let machine = Machine::new(&minimal_and("[lever]\nburst = 5\nburst = 6\n"));
    assert!(machine.complaints().contains("duplicate key burst"), "{}", machine.complaints());
}
