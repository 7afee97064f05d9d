//! Signs what the simulated Twilio sends, by carriers.md 1.6.
//!
//! The signed string is the URL as configured, without its fragment, followed by each distinct
//! field in code-point order: its name and value, decoded, blank ones too. Twilio's back end is
//! not consistent about the port, so [`Port`] lets a test ask for either form.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

/// How the URL is written in the string that Twilio signs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Port {
    /// As configured.
    #[default]
    AsWritten,
    /// With the port, also where the scheme implies it.
    Always,
    /// Without any port.
    Never,
}

/// The `X-Twilio-Signature` of `fields` posted to `url`.
pub(super) fn sign(token: &str, url: &str, port: Port, fields: &[(String, String)]) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(token.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(signed_url(url, port).as_bytes());
    for (name, value) in fields.iter().collect::<BTreeSet<_>>() {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    STANDARD.encode(mac.finalize().into_bytes())
}

/// Works on the text and never on a parsed URL: what is signed is what was configured, byte for
/// byte, and a parser would normalise it.
fn signed_url(url: &str, port: Port) -> String {
    let url = url.split_once('#').map_or(url, |(before, _)| before);
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (host, written) = match authority.rsplit_once(':') {
        Some((host, digits)) if digits.bytes().all(|byte| byte.is_ascii_digit()) => (host, Some(digits)),
        _ => (authority, None),
    };
    let implied = if scheme == "http" { "80" } else { "443" };
    match port {
        Port::AsWritten => url.to_owned(),
        Port::Always => format!("{scheme}://{host}:{}{path}", written.unwrap_or(implied)),
        Port::Never => format!("{scheme}://{host}{path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T1: &str = "12345";
    const T2: &str = "0123456789abcdef0123456789abcdef";

    fn check(token: &str, url: &str, port: Port, body: &str, expected: &str) {
        let fields: Vec<_> = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        assert_eq!(sign(token, url, port, &fields), expected, "{url} {body}");
    }

    #[test]
    fn signs_the_value_of_the_official_package() {
        let url = "https://mycompany.com/myapp.php?foo=1&bar=2";
        let rest = "&Digits=1234&CallSid=CA1234567890ABCDE&To=%2B18005551212";
        check(
            T1,
            url,
            Port::AsWritten,
            &format!("Caller=%2B14158675309&From=%2B14158675309{rest}"),
            "RSOYDt4T1cUTdK1PDd93/VVr8B8=",
        );
        check(
            T1,
            url,
            Port::AsWritten,
            &format!("Caller=%2B12349013030&From=%2B12349013030{rest}"),
            "0/KCTR6DLpKmkAf8muzZqo1nDgQ=",
        );
    }

    #[test]
    fn blank_fields_and_the_port_change_the_signature() {
        let url = "https://sms.example.com/twilio/inbound";
        let body = "ToCountry=US&ToState=CA&SmsMessageSid=SM11111111111111111111111111111111&NumMedia=0&ToCity=&FromZip=94105&SmsSid=SM11111111111111111111111111111111&FromState=CA&SmsStatus=received&FromCity=SAN+FRANCISCO&Body=Yes%2C+9am+works+%F0%9F%91%8D&FromCountry=US&To=%2B14155550100&ToZip=&NumSegments=1&MessageSid=SM11111111111111111111111111111111&AccountSid=AC00000000000000000000000000000000&From=%2B14155550123&ApiVersion=2010-04-01";
        check(T2, url, Port::AsWritten, body, "UU77jl2fkWO2ig1pHHjbxgMSf8U=");
        check(T2, url, Port::Always, body, "nOZxHfRsy5I7erlREq5Z8IWftj4=");
        let with_port = "https://sms.example.com:443/twilio/inbound";
        check(T2, with_port, Port::AsWritten, body, "nOZxHfRsy5I7erlREq5Z8IWftj4=");
        check(T2, with_port, Port::Never, body, "UU77jl2fkWO2ig1pHHjbxgMSf8U=");
        let dropped = body.replace("&ToCity=", "").replace("&ToZip=", "");
        check(T2, url, Port::AsWritten, &dropped, "DpZxfDKBkR812tKqfzpi5nV/0g0=");
    }

    #[test]
    fn the_fragment_is_not_signed() {
        check(
            T2,
            "https://sms.example.com/twilio/status?mid=0190f3c2#rc=5&rp=all",
            Port::AsWritten,
            "SmsSid=SM22222222222222222222222222222222&SmsStatus=delivered&MessageStatus=delivered&To=%2B14155550123&MessageSid=SM22222222222222222222222222222222&AccountSid=AC00000000000000000000000000000000&From=%2B14155550100&ApiVersion=2010-04-01&RawDlrDoneDate=2611240530",
            "5T3oYPbBaUgTk3EIrDp0CzL1t4w=",
        );
    }

    #[test]
    fn repeated_fields_are_sorted_and_counted_once() {
        check(
            T2,
            "https://sms.example.com/x",
            Port::AsWritten,
            "b=2&b=1&b=2&B=z&a=%C3%A9",
            "ywkMkjTniLgJuuMO8MRJ6MPrqXY=",
        );
    }

    #[test]
    fn pictures_and_an_empty_body_are_signed() {
        let media = "https%3A%2F%2Fapi.twilio.com%2F2010-04-01%2FAccounts%2FAC00000000000000000000000000000000%2FMessages%2FMM33333333333333333333333333333333%2FMedia%2FME";
        let sid = "MM33333333333333333333333333333333";
        let body = format!(
            "MessageSid={sid}&SmsSid={sid}&SmsMessageSid={sid}&AccountSid=AC00000000000000000000000000000000&From=%2B14155550123&To=%2B14155550100&Body=&NumMedia=2&NumSegments=1&SmsStatus=received&ApiVersion=2010-04-01&MediaUrl0={media}44444444444444444444444444444444&MediaContentType0=image%2Fjpeg&MediaUrl1={media}55555555555555555555555555555555&MediaContentType1=text%2Fvcard"
        );
        check(
            T2,
            "https://sms.example.com/twilio/inbound",
            Port::AsWritten,
            &body,
            "Mc+bkPnEeoJju37ZJVE0MYyEo8Y=",
        );
    }

    #[test]
    fn the_query_is_signed_as_it_is_encoded() {
        let url = "https://sms.example.com/s?mid=a";
        check(T1, &format!("{url}%2Bb"), Port::AsWritten, "", "Uvs50cZpmIwsjietto7iTqee/vA=");
        check(T1, &format!("{url}+b"), Port::AsWritten, "", "TovqbFDLdb2hLA32QGw4w81l/jw=");
        check(
            T2,
            "https://sms.example.com/twilio/inbound?Body=Hi+there&From=%2B14155550123&To=%2B14155550100",
            Port::AsWritten,
            "",
            "+rs3WS0hXKOOpkIWoNVA7ROGyO4=",
        );
    }
}
