//! `X-Twilio-Signature`: whether a request comes from Twilio (carriers.md 1.6).
//!
//! Signed is the URL that is configured at Twilio, then every distinct field in order. The URL is
//! put together from our own public address and the raw request target, never from the `Host`
//! header, and tried with and without its port, since Twilio does both. There is no time in it:
//! replays are caught where a message is taken in once by its sid.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use url::Url;

use super::form::Form;

/// The keys by which Twilio may sign.
#[derive(Clone, Debug, Default)]
pub struct SigningKeys {
    /// The account's auth tokens: two while one is being changed. HMAC-SHA1.
    pub auth_tokens: Vec<SecretString>,
    /// Keys made for webhooks alone. HMAC-SHA256.
    pub shared_keys: Vec<SharedKey>,
}

/// A key made for webhooks alone, so that the auth token need not lie here.
#[derive(Clone, Debug)]
pub struct SharedKey {
    /// `webhooks_sharedkey_…`
    pub id: String,
    /// Its secret.
    pub secret: SecretString,
}

/// What is signed besides the URL.
#[derive(Clone, Copy)]
pub enum Payload<'a> {
    /// The fields of a form; an empty one for GET and for no body.
    Form(&'a Form),
    /// A JSON body, by its hash in the URL.
    Json(&'a [u8]),
}

/// A request, as far as it is signed.
#[derive(Clone, Copy)]
pub struct Signed<'a> {
    /// Our own address as it stands in the URLs at Twilio.
    pub public_url: &'a Url,
    /// Path and query, raw, as they came.
    pub target: &'a str,
    /// The body.
    pub payload: Payload<'a>,
    /// The header `X-Twilio-Signature`.
    pub signature: Option<&'a str>,
    /// The header `X-Twilio-Webhooks-Signature-Settings`.
    pub key_settings: Option<&'a str>,
}

/// The request is not from Twilio, or not for us. It does not say why: the sender need not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no valid signature of Twilio's")]
pub struct BadSignature;

impl SigningKeys {
    /// Checks the signature, in constant time.
    ///
    /// # Errors
    /// [`BadSignature`] if none of the keys made it.
    pub fn verify(&self, request: &Signed<'_>) -> Result<(), BadSignature> {
        let given = request.signature.and_then(|text| BASE64.decode(text).ok()).ok_or(BadSignature)?;
        let fields = match request.payload {
            Payload::Form(form) => sorted(form),
            Payload::Json(body) => {
                check_body_hash(request.target, body)?;
                String::new()
            }
        };
        let made_by = |mac: &dyn Fn(&[u8]) -> bool| {
            origins(request.public_url)
                .iter()
                .any(|origin| mac([origin, request.target, &fields].concat().as_bytes()))
        };
        let genuine = match request.key_settings {
            None => self.auth_tokens.iter().any(|token| made_by(&|text| sha1_fits(token, text, &given))),
            Some(settings) => {
                let id = shared_key_id(settings)?;
                let mut named = self.shared_keys.iter().filter(|key| key.id == id);
                named.any(|key| made_by(&|text| sha256_fits(&key.secret, text, &given)))
            }
        };
        if genuine { Ok(()) } else { Err(BadSignature) }
    }
}

/// Scheme, host and the path before our own, without and with the port.
fn origins(public_url: &Url) -> [String; 2] {
    let (scheme, host) = (public_url.scheme(), public_url.host_str().unwrap_or_default());
    let path = public_url.path().trim_end_matches('/');
    let port = public_url.port_or_known_default().unwrap_or_default();
    [format!("{scheme}://{host}{path}"), format!("{scheme}://{host}:{port}{path}")]
}

/// Every distinct field once, by key and value in the order of code points.
fn sorted(form: &Form) -> String {
    let distinct: BTreeSet<_> = form.fields().collect();
    distinct.into_iter().flat_map(|(key, value)| [key, value]).collect()
}

/// The id in `key=…,algorithm=HMAC_SHA256`.
fn shared_key_id(settings: &str) -> Result<&str, BadSignature> {
    let get = |name| {
        let mut pairs = settings.split(',').filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    };
    if get("algorithm") != Some("HMAC_SHA256") {
        return Err(BadSignature);
    }
    get("key").ok_or(BadSignature)
}

fn check_body_hash(target: &str, body: &[u8]) -> Result<(), BadSignature> {
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let given = query.split('&').find_map(|pair| pair.strip_prefix("bodySHA256=")).ok_or(BadSignature)?;
    let actual = hex::encode(Sha256::digest(body));
    if bool::from(given.as_bytes().ct_eq(actual.as_bytes())) { Ok(()) } else { Err(BadSignature) }
}

fn sha1_fits(token: &SecretString, text: &[u8], given: &[u8]) -> bool {
    let mac = Hmac::<Sha1>::new_from_slice(token.expose_secret().as_bytes());
    mac.expect("HMAC takes a key of any length").chain_update(text).verify_slice(given).is_ok()
}

fn sha256_fits(secret: &SecretString, text: &[u8], given: &[u8]) -> bool {
    let mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes());
    mac.expect("HMAC takes a key of any length").chain_update(text).verify_slice(given).is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const T1: &str = "12345";
    const T2: &str = "0123456789abcdef0123456789abcdef";
    const SHARED: &str = "key=webhooks_sharedkey_1,algorithm=HMAC_SHA256";

    fn keys(token: &str) -> SigningKeys {
        SigningKeys {
            auth_tokens: vec!["of the year before".into(), token.into()],
            shared_keys: vec![SharedKey { id: "webhooks_sharedkey_1".into(), secret: token.into() }],
        }
    }

    /// Whether `signature` is taken for a form that was posted to `url`.
    fn check(token: &str, url: &str, body: &str, signature: &str) -> Result<(), BadSignature> {
        check_with(token, url, body, signature, None)
    }

    fn check_with(
        token: &str,
        url: &str,
        body: &str,
        signature: &str,
        key_settings: Option<&str>,
    ) -> Result<(), BadSignature> {
        let form = Form::parse(body.as_bytes()).unwrap();
        verify(&keys(token), url, Payload::Form(&form), signature, key_settings)
    }

    fn verify(
        keys: &SigningKeys,
        url: &str,
        payload: Payload<'_>,
        signature: &str,
        key_settings: Option<&str>,
    ) -> Result<(), BadSignature> {
        let slash = url.match_indices('/').nth(2).map_or(url.len(), |(at, _)| at);
        let (public_url, target) = url.split_at(slash);
        let public_url = &public_url.parse().unwrap();
        keys.verify(&Signed { public_url, target, payload, signature: Some(signature), key_settings })
    }

    fn form(fields: &[(&str, &str)]) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
    }

    fn v1(number: &str) -> String {
        form(&[
            ("CallSid", "CA1234567890ABCDE"),
            ("Caller", number),
            ("Digits", "1234"),
            ("From", number),
            ("To", "+18005551212"),
        ])
    }

    const INBOUND: &str = "https://sms.example.com/twilio/inbound";
    const V2: &str = "ToCountry=US&ToState=CA&SmsMessageSid=SM11111111111111111111111111111111&NumMedia=0&ToCity=&FromZip=94105&SmsSid=SM11111111111111111111111111111111&FromState=CA&SmsStatus=received&FromCity=SAN+FRANCISCO&Body=Yes%2C+9am+works+%F0%9F%91%8D&FromCountry=US&To=%2B14155550100&ToZip=&NumSegments=1&MessageSid=SM11111111111111111111111111111111&AccountSid=AC00000000000000000000000000000000&From=%2B14155550123&ApiVersion=2010-04-01";
    const V2_SIGNATURE: &str = "UU77jl2fkWO2ig1pHHjbxgMSf8U=";

    #[test]
    fn v1_and_v1b_the_sdks_own() {
        let url = "https://mycompany.com/myapp.php?foo=1&bar=2";
        assert_eq!(check(T1, url, &v1("+14158675309"), "RSOYDt4T1cUTdK1PDd93/VVr8B8="), Ok(()));
        assert_eq!(check(T1, url, &v1("+12349013030"), "0/KCTR6DLpKmkAf8muzZqo1nDgQ="), Ok(()));
        assert_eq!(check(T1, url, &v1("+12349013031"), "0/KCTR6DLpKmkAf8muzZqo1nDgQ="), Err(BadSignature));
    }

    #[test]
    fn v2_a_text_as_it_comes() {
        assert_eq!(check(T2, INBOUND, V2, V2_SIGNATURE), Ok(()));
        assert_eq!(check(T1, INBOUND, V2, V2_SIGNATURE), Err(BadSignature));
    }

    #[test]
    fn v2p_signed_with_the_port() {
        let with_port = "https://sms.example.com:443/twilio/inbound";
        for url in [INBOUND, with_port] {
            assert_eq!(check(T2, url, V2, "nOZxHfRsy5I7erlREq5Z8IWftj4="), Ok(()));
            assert_eq!(check(T2, url, V2, V2_SIGNATURE), Ok(()));
        }
    }

    #[test]
    fn v2x_without_the_blank_fields_is_refused() {
        assert_eq!(check(T2, INBOUND, V2, "DpZxfDKBkR812tKqfzpi5nV/0g0="), Err(BadSignature));
        let without_blanks = V2.replace("ToCity=&", "").replace("ToZip=&", "");
        assert_eq!(check(T2, INBOUND, &without_blanks, "DpZxfDKBkR812tKqfzpi5nV/0g0="), Ok(()));
    }

    #[test]
    fn v2s_by_a_shared_key() {
        let signature = "V0CahryQSEZYuUYM3MordcQ3wwG545dhJ/qGHMTJj7o=";
        let with = |settings| check_with(T2, INBOUND, V2, signature, settings);
        assert_eq!(with(Some(SHARED)), Ok(()));
        assert_eq!(with(Some("algorithm=HMAC_SHA256, key=webhooks_sharedkey_1")), Ok(()));
        for wrong in ["", "key=webhooks_sharedkey_1", "key=webhooks_sharedkey_2,algorithm=HMAC_SHA256"] {
            assert_eq!(with(Some(wrong)), Err(BadSignature), "{wrong}");
        }
        assert_eq!(with(Some("key=webhooks_sharedkey_1,algorithm=HMAC_SHA512")), Err(BadSignature));
        assert_eq!(with(None), Err(BadSignature));
        assert_eq!(check_with(T2, INBOUND, V2, V2_SIGNATURE, Some(SHARED)), Err(BadSignature));
    }

    #[test]
    fn v3_a_status_with_our_id() {
        let body = "SmsSid=SM22222222222222222222222222222222&SmsStatus=delivered&MessageStatus=delivered&To=%2B14155550123&MessageSid=SM22222222222222222222222222222222&AccountSid=AC00000000000000000000000000000000&From=%2B14155550100&ApiVersion=2010-04-01&RawDlrDoneDate=2611240530";
        let url = "https://sms.example.com/twilio/status?mid=0190f3c2";
        assert_eq!(check(T2, url, body, "5T3oYPbBaUgTk3EIrDp0CzL1t4w="), Ok(()));
        let other = "https://sms.example.com/twilio/status?mid=0190f3c3";
        assert_eq!(check(T2, other, body, "5T3oYPbBaUgTk3EIrDp0CzL1t4w="), Err(BadSignature));
    }

    #[test]
    fn v4_json_by_its_hash() {
        let url = "https://mycompany.com/myapp.php?bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620";
        let with = |body: &str, url| {
            verify(&keys(T1), url, Payload::Json(body.as_bytes()), "y77kIzt2vzLz71DgmJGsen2scGs=", None)
        };
        assert_eq!(with(r#"{"property": "value", "boolean": true}"#, url), Ok(()));
        assert_eq!(with(r#"{"property": "value", "boolean": false}"#, url), Err(BadSignature));
        assert_eq!(with("{}", "https://mycompany.com/myapp.php"), Err(BadSignature));
    }

    #[test]
    fn v5_repeats_case_and_other_alphabets() {
        let body = form(&[("b", "2"), ("b", "1"), ("b", "2"), ("B", "z"), ("a", "é")]);
        assert_eq!(check(T2, "https://sms.example.com/x", &body, "ywkMkjTniLgJuuMO8MRJ6MPrqXY="), Ok(()));
    }

    #[test]
    fn v6_a_text_with_media() {
        let sid = "MM33333333333333333333333333333333";
        let media = |id| {
            format!(
                "https://api.twilio.com/2010-04-01/Accounts/AC00000000000000000000000000000000/Messages/{sid}/Media/{id}"
            )
        };
        let body = form(&[
            ("MessageSid", sid),
            ("SmsSid", sid),
            ("SmsMessageSid", sid),
            ("AccountSid", "AC00000000000000000000000000000000"),
            ("From", "+14155550123"),
            ("To", "+14155550100"),
            ("Body", ""),
            ("NumMedia", "2"),
            ("NumSegments", "1"),
            ("SmsStatus", "received"),
            ("ApiVersion", "2010-04-01"),
            ("MediaUrl0", &media("ME44444444444444444444444444444444")),
            ("MediaContentType0", "image/jpeg"),
            ("MediaUrl1", &media("ME55555555555555555555555555555555")),
            ("MediaContentType1", "text/vcard"),
        ]);
        assert_eq!(check(T2, INBOUND, &body, "Mc+bkPnEeoJju37ZJVE0MYyEo8Y="), Ok(()));
    }

    #[test]
    fn v7_and_v8_without_a_body_the_query_is_signed_as_it_is_written() {
        let get = format!("{INBOUND}?Body=Hi+there&From=%2B14155550123&To=%2B14155550100");
        assert_eq!(check(T2, &get, "", "+rs3WS0hXKOOpkIWoNVA7ROGyO4="), Ok(()));
        let (encoded, plain) = ("https://sms.example.com/s?mid=a%2Bb", "https://sms.example.com/s?mid=a+b");
        assert_eq!(check(T1, encoded, "", "Uvs50cZpmIwsjietto7iTqee/vA="), Ok(()));
        assert_eq!(check(T1, plain, "", "TovqbFDLdb2hLA32QGw4w81l/jw="), Ok(()));
        assert_eq!(check(T1, plain, "", "Uvs50cZpmIwsjietto7iTqee/vA="), Err(BadSignature));
    }

    #[test]
    fn a_missing_signature_is_refused() {
        let form = Form::parse(V2.as_bytes()).unwrap();
        let public_url = &"https://sms.example.com/".parse().unwrap();
        let payload = Payload::Form(&form);
        let request =
            Signed { public_url, target: "/twilio/inbound", payload, signature: None, key_settings: None };
        assert_eq!(keys(T2).verify(&request), Err(BadSignature));
    }

    #[test]
    fn a_folder_before_our_paths_is_part_of_the_url() {
        let form = Form::parse(V2.as_bytes()).unwrap();
        let request = Signed {
            public_url: &"https://sms.example.com/twilio/".parse().unwrap(),
            target: "/inbound",
            payload: Payload::Form(&form),
            signature: Some(V2_SIGNATURE),
            key_settings: None,
        };
        assert_eq!(keys(T2).verify(&request), Ok(()));
    }

    proptest! {
        #[test]
        fn nothing_of_a_strangers_is_taken_and_nothing_panics(
            target in "\\PC{0,60}",
            body in prop::collection::vec(any::<u8>(), 0..80),
            signature in prop_oneof!["\\PC{0,40}", "[A-Za-z0-9+/]{27}="],
            settings in prop::option::of(prop_oneof!["\\PC{0,40}", Just(SHARED.to_owned())]),
        ) {
            let form = Form::parse(&body).unwrap_or_default();
            for payload in [Payload::Form(&form), Payload::Json(&body)] {
                let request = Signed {
                    public_url: &"https://sms.example.com".parse().unwrap(),
                    target: &target,
                    payload,
                    signature: Some(&signature),
                    key_settings: settings.as_deref(),
                };
                prop_assert_eq!(keys(T2).verify(&request), Err(BadSignature));
            }
        }
    }
}
