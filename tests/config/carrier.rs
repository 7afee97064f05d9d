//! `[carrier]`: which one, and only its own section.

use std::time::Duration;

use fulcrum::config::CarrierKind;

use super::{MINIMAL, Machine};

const TELNYX: &str = r#"
[organisation]
name = "Acme Recruiting"
timezone = "America/New_York"

[server]
public_url = "https://text.acme.example"

[carrier]
kind = "telnyx"
numbers = ["+12025550100"]

[carrier.telnyx]
public_key = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="
"#;

#[test]
fn telnyx_needs_its_two_keys_and_nothing_of_twilios() {
    let machine = Machine::new(TELNYX);
    machine.write("credentials/telnyx-api-key", "KEY-s3cr3t\n", 0o400);
    let config = machine.load().unwrap();
    let CarrierKind::Telnyx(telnyx) = &config.carrier.kind else { panic!() };
    assert_eq!(
        (telnyx.base_url.as_str(), telnyx.api_key.expose()),
        ("https://api.telnyx.com/", "KEY-s3cr3t")
    );
    assert_eq!(telnyx.messaging_profile_id, None);
    assert_eq!(config.carrier.kind.poll(), Duration::from_mins(5));
    assert!((config.carrier.kind.segments_per_second() - 1.0).abs() < f64::EPSILON);
}

#[test]
fn everything_wrong_with_telnyx_is_said_at_once() {
    let wrong = TELNYX.replace("A6EH", "KEY-s3cr3t")
        + "base_url = \"http://telnyx.example\"\nmessaging_profile_id = \"KEY-s3cr3t\"\nsegments_per_second = 0\nstatus_poll = \"0s\"\n";
    insta::assert_snapshot!(Machine::new(&wrong).complaints(), @r#"
    6 problems in the settings
      fulcrum.toml:14: carrier.telnyx.public_key: something else, expected the account's public key, base64 of 32 bytes
      fulcrum.toml:15: carrier.telnyx.base_url: "http://telnyx.example", expected https, since it is not on this machine
      fulcrum.toml:16: carrier.telnyx.messaging_profile_id: something else, expected an id such as "16fd2706-8baf-433b-82eb-8c7fada847da"
      fulcrum.toml:17: carrier.telnyx.segments_per_second: 0, expected a number from 0.01 to 1000
      fulcrum.toml:18: carrier.telnyx.status_poll: "0s", expected a duration from 1s to 1h, written as "90s", "5m", "1h30m"
      fulcrum.toml: carrier.telnyx.api_key_file: not set, expected a file with the secret, or telnyx-api-key as a credential or beside the config
    "#);
    // The point of order two and other weak keys let anybody sign.
    let weak = TELNYX.replace(
        "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=",
        "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    );
    let machine = Machine::new(&weak);
    machine.write("credentials/telnyx-api-key", "KEY-s3cr3t\n", 0o400);
    insta::assert_snapshot!(machine.complaints(), @r#"
    1 problem in the settings
      fulcrum.toml:14: carrier.telnyx.public_key: something else, expected the account's public key, base64 of 32 bytes
    "#);
}

#[test]
fn an_unknown_carrier_is_named_and_no_section_is_looked_at() {
    let machine = Machine::new(&TELNYX.replace("telnyx\"", "telnix\""));
    insta::assert_snapshot!(machine.complaints(), @r#"
    1 problem in the settings
      fulcrum.toml:10: carrier.kind: "telnix", expected "twilio" or "telnyx" or "webhook"
    "#);
}

#[test]
fn a_gateway_needs_its_address_and_two_keys_with_their_mark() {
    let config = TELNYX.replace("kind = \"telnyx\"", "kind = \"webhook\"");
    let machine = Machine::new(&config);
    machine.write("credentials/webhook-secret", "webhook-s3cr3t\n", 0o400);
    insta::assert_snapshot!(machine.complaints(), @r#"
    3 problems in the settings
      fulcrum.toml: carrier.webhook.url: not set, expected an address, such as "https://text.acme.example"
      fulcrum.toml: carrier.webhook.secret_file: a file with something else, expected whsec_ and base64 of 24 to 64 random bytes
      fulcrum.toml: carrier.webhook.inbound_secret_file: not set, expected a file with the secret, or webhook-inbound-secret as a credential or beside the config
    "#);
    let machine =
        Machine::new(&(config + "\n[carrier.webhook]\nurl = \"https://gateway.acme.example/texts\"\n"));
    let key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n";
    machine.write("credentials/webhook-secret", key, 0o400);
    machine.write("credentials/webhook-inbound-secret", key, 0o400);
    let CarrierKind::Webhook(webhook) = machine.load().unwrap().carrier.kind else { panic!() };
    assert_eq!(webhook.url.as_str(), "https://gateway.acme.example/texts");
    assert_eq!(webhook.inbound_secret.expose(), key.trim());
}

const TWILIO: &str = r#"
[organisation]
name = "Acme Recruiting"
timezone = "America/New_York"

[server]
public_url = "https://text.acme.example"

[carrier]
numbers = ["+12025550100"]
mode = "poll"

[carrier.twilio]
account_sid = "AC00000000000000000000000000000000"
"#;

#[test]
fn twilio_may_be_polled_alone() {
    let machine = Machine::new(TWILIO);
    machine.write("credentials/twilio-auth-token", "s3cr3t\n", 0o400);
    assert_eq!(machine.load().unwrap().carrier.poll_alone, Some(Duration::from_secs(15)));
    let machine = Machine::new(&TWILIO.replace("\"poll\"", "\"webhooks\""));
    machine.write("credentials/twilio-auth-token", "s3cr3t\n", 0o400);
    assert_eq!(machine.load().unwrap().carrier.poll_alone, None);
}

#[test]
fn who_lists_no_texts_cannot_be_polled_alone() {
    let polled = TELNYX.replace("kind", "mode = \"poll\"\npoll_interval = \"0s\"\nkind");
    let machine = Machine::new(&polled);
    machine.write("credentials/telnyx-api-key", "KEY-s3cr3t\n", 0o400);
    insta::assert_snapshot!(machine.complaints(), @r#"
    2 problems in the settings
      fulcrum.toml:10: carrier.mode: "poll" with carrier.kind = "telnyx", expected "webhooks": Telnyx lists no texts that came in, so neither an answer nor a STOP would ever be heard of
      fulcrum.toml:11: carrier.poll_interval: "0s", expected a duration from 1s to 1h, written as "90s", "5m", "1h30m"
    "#);
    let wrong = Machine::new(&TWILIO.replace("\"poll\"", "\"push\""));
    wrong.write("credentials/twilio-auth-token", "s3cr3t\n", 0o400);
    insta::assert_snapshot!(wrong.complaints(), @r#"
    1 problem in the settings
      fulcrum.toml:11: carrier.mode: "push", expected "webhooks" or "poll"
    "#);
    let gateway = Machine::new(&TWILIO.replace("mode", "kind = \"webhook\"\nmode"));
    for name in ["webhook-secret", "webhook-inbound-secret"] {
        gateway.write(&format!("credentials/{name}"), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n", 0o400);
    }
    assert!(gateway.complaints().contains("a gateway is asked for nothing, it tells by webhooks alone"));
}

/// Twilio answers each text with 21609 whose callback is there, and all of them would wait for ever.
#[test]
fn a_host_that_twilio_calls_back_has_no_underscore_in_its_name() {
    let written = MINIMAL.replace("https://text.acme.example", "https://text_app.acme.example");
    insta::assert_snapshot!(Machine::new(&written).complaints(), @r#"
    1 problem in the settings
      fulcrum.toml:11: server.public_url: "https://text_app.acme.example/", expected a host name without an underscore: Twilio takes no text that names such a one
    "#);
    assert!(Machine::new(&written).with("FULCRUM_CARRIER__MODE", "poll").load().is_ok());
    let telnyx = Machine::new(&TELNYX.replace("text.acme", "text_app.acme"));
    telnyx.write("credentials/telnyx-api-key", "KEY-s3cr3t\n", 0o400);
    assert!(telnyx.load().is_ok());
}
