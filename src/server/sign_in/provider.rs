//! The identity provider: what it says of itself, and what it says of who comes from it.
//!
//! OpenID Connect Core 1.0, the authorization code flow with PKCE (RFC 7636). What the provider says
//! of itself is kept for an hour, and asked for anew when a token is signed with a key that is not
//! among those known: providers change their keys as they like.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fulcrum_domain::{Account, Role, Sight};
use jiff::{SignedDuration, Timestamp};
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreClientAuthMethod, CoreErrorResponseType, CoreGenderClaim,
    CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreProviderMetadata,
    CoreResponseType, CoreRevocableToken, CoreRevocationErrorResponse, CoreTokenIntrospectionResponse,
    CoreTokenType,
};
use openidconnect::{
    AccessToken, AdditionalClaims, AuthType, AuthenticationFlow, AuthorizationCode, ClaimsVerificationError,
    ClientId, ClientSecret, CsrfToken, DiscoveryError, EmptyExtraTokenFields, EndpointMaybeSet,
    EndpointNotSet, EndpointSet, HttpRequest, HttpResponse, IdTokenClaims, IdTokenFields, IssuerUrl, Nonce,
    OAuth2TokenResponse, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope,
    SignatureVerificationError, StandardErrorResponse, StandardTokenResponse, SubjectIdentifier,
    TokenResponse, UserInfoClaims, UserInfoError,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::door::Attempt;
use crate::config::Oidc;

/// What a provider says of itself holds for so long.
const KEPT: Duration = Duration::from_hours(1);
/// One that does not answer is left alone for so long.
const LEFT_ALONE: Duration = Duration::from_secs(5);
/// For one request to it.
const TIMEOUT: Duration = Duration::from_secs(10);
/// More than keys, tokens and claims take.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// So much may the provider's clock and ours differ.
const SKEW: SignedDuration = SignedDuration::from_secs(60);

/// A claim, by its name.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
struct Claims(BTreeMap<String, Value>);

impl AdditionalClaims for Claims {}

type Fields = IdTokenFields<
    Claims,
    EmptyExtraTokenFields,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;
type Tokens = StandardTokenResponse<Fields, CoreTokenType>;
type Client = openidconnect::Client<
    Claims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    Tokens,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// Asymmetric alone: with the others whoever can check a signature can make one.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// The provider as it is reached from here. Which one is said anew at each use, since that can change
/// while the daemon runs.
pub(in crate::server) struct Provider {
    http: reqwest::Client,
    known: Mutex<Option<Known>>,
}

/// What was last heard of a provider.
struct Known {
    issuer: String,
    at: Instant,
    /// None: it did not answer.
    metadata: Option<Arc<CoreProviderMetadata>>,
}

/// Somebody whom the provider vouches for.
#[derive(Debug)]
pub(super) struct Vouched {
    pub(super) account: Account,
    pub(super) name: String,
    /// What the claim comes to; none when it gives no role.
    pub(super) rights: Option<(Role, Sight)>,
}

/// Why the provider's word is not taken. No text holds anything of a token.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProviderError {
    /// It cannot be reached, or answers as no provider does.
    #[error("the identity provider cannot be used at the moment: {0}")]
    Down(String),
    /// It does not take the code, or what it signed does not hold.
    #[error("the identity provider's answer does not hold: {0}")]
    Refused(String),
    /// It does not say whose e-mail it is.
    #[error("the identity provider names no e-mail address")]
    NoEmail,
    /// It says that the e-mail may be anybody's.
    #[error("the identity provider says that the e-mail address is not verified")]
    Unverified,
}

impl Provider {
    pub(in crate::server) fn new(http: reqwest::Client) -> Self {
        Self { http, known: Mutex::new(None) }
    }

    /// Where to send somebody who wants to sign in.
    pub(super) async fn way(
        &self,
        oidc: &Oidc,
        callback: &str,
        attempt: &Attempt,
    ) -> Result<String, ProviderError> {
        let client = client(&*self.metadata(oidc, false).await?, oidc, callback)?;
        let (state, nonce) = (attempt.state.clone(), attempt.nonce.clone());
        let verifier = PkceCodeVerifier::new(attempt.verifier.clone());
        let (url, ..) = client
            .authorize_url(
                AuthenticationFlow::<CoreResponseType>::AuthorizationCode,
                || CsrfToken::new(state),
                || Nonce::new(nonce),
            )
            .add_scopes(["email", "profile"].map(|scope| Scope::new(scope.to_owned())))
            .add_scopes(oidc.scopes.iter().cloned().map(Scope::new))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
            .url();
        Ok(url.into())
    }

    /// Whom a code stands for.
    pub(super) async fn whom(
        &self,
        oidc: &Oidc,
        callback: &str,
        attempt: &Attempt,
        code: String,
        now: Timestamp,
    ) -> Result<Vouched, ProviderError> {
        let client = client(&*self.metadata(oidc, false).await?, oidc, callback)?;
        let call = |request| call(self.http.clone(), request);
        let tokens = client
            .exchange_code(AuthorizationCode::new(code))
            .map_err(|error| ProviderError::Down(error.to_string()))?
            .set_pkce_verifier(PkceCodeVerifier::new(attempt.verifier.clone()))
            .request_async(&call)
            .await
            .map_err(of_exchange)?;
        let claims = match verified(&client, &tokens, attempt, now) {
            Err(Unproved::Key) => {
                let client = self::client(&*self.metadata(oidc, true).await?, oidc, callback)?;
                verified(&client, &tokens, attempt, now)?
            }
            other => other?,
        };
        let mut found = Found::of_token(claims, &oidc.roles_claim);
        if found.wants_more() && client.user_info_url().is_some() {
            found.add(self.more(&client, tokens.access_token(), claims.subject(), &oidc.roles_claim).await?);
        }
        found.vouched(oidc)
    }

    /// What the provider says of somebody beside the token.
    async fn more(
        &self,
        client: &Client,
        token: &AccessToken,
        subject: &SubjectIdentifier,
        claim: &str,
    ) -> Result<Found, ProviderError> {
        let call = |request| call(self.http.clone(), request);
        let claims: UserInfoClaims<Claims, CoreGenderClaim> = client
            .user_info(token.clone(), Some(subject.clone()))
            .map_err(|error| ProviderError::Down(error.to_string()))?
            .request_async(&call)
            .await
            .map_err(|error| match error {
                UserInfoError::Request(error) => ProviderError::Down(error.to_string()),
                UserInfoError::ClaimsVerification(error) => ProviderError::Refused(error.to_string()),
                _ => ProviderError::Refused("its userinfo cannot be read".to_owned()),
            })?;
        Ok(Found {
            email: claims.email().map(|email| email.to_string()),
            verified: claims.email_verified(),
            name: claims.name().and_then(|name| name.get(None)).map(|name| name.to_string()),
            values: values(&claims.additional_claims().0, claim),
        })
    }

    /// What the provider says of itself; `anew` when what is known does not do.
    async fn metadata(&self, oidc: &Oidc, anew: bool) -> Result<Arc<CoreProviderMetadata>, ProviderError> {
        let mut known = self.known.lock().await;
        if let Some(known) = known.as_ref().filter(|known| known.issuer == oidc.issuer && !anew) {
            match &known.metadata {
                Some(metadata) if known.at.elapsed() < KEPT => return Ok(metadata.clone()),
                None if known.at.elapsed() < LEFT_ALONE => {
                    return Err(ProviderError::Down("it did not answer a moment ago".to_owned()));
                }
                _ => {}
            }
        }
        let found = self.discover(oidc).await;
        let metadata = found.as_ref().ok().cloned();
        *known = Some(Known { issuer: oidc.issuer.clone(), at: Instant::now(), metadata });
        found
    }

    async fn discover(&self, oidc: &Oidc) -> Result<Arc<CoreProviderMetadata>, ProviderError> {
        let down = |error: String| ProviderError::Down(error);
        let issuer = IssuerUrl::new(oidc.issuer.clone()).map_err(|error| down(error.to_string()))?;
        let call = |request| call(self.http.clone(), request);
        let found = CoreProviderMetadata::discover_async(issuer, &call).await;
        found.map(Arc::new).map_err(|error| {
            down(match error {
                DiscoveryError::Request(error) => error.to_string(),
                DiscoveryError::Response(status, ..) => format!("it answers {status} to discovery"),
                DiscoveryError::Validation(error) => error,
                _ => "its discovery document cannot be read".to_owned(),
            })
        })
    }
}

fn client(metadata: &CoreProviderMetadata, oidc: &Oidc, callback: &str) -> Result<Client, ProviderError> {
    let redirect =
        RedirectUrl::new(callback.to_owned()).map_err(|error| ProviderError::Down(error.to_string()))?;
    let secret = oidc.client_secret.as_ref().map(|secret| ClientSecret::new(secret.expose().to_owned()));
    let client =
        Client::from_provider_metadata(metadata.clone(), ClientId::new(oidc.client_id.clone()), secret)
            .set_redirect_uri(redirect);
    // Unless it says otherwise, a provider takes the secret in the header.
    let methods = metadata.token_endpoint_auth_methods_supported();
    let in_header = methods.is_none_or(|methods| methods.contains(&CoreClientAuthMethod::ClientSecretBasic));
    Ok(client.set_auth_type(if in_header { AuthType::BasicAuth } else { AuthType::RequestBody }))
}

/// Why a token proves nothing.
enum Unproved {
    /// It is signed with a key that is not known.
    Key,
    Refused(String),
}

impl From<Unproved> for ProviderError {
    fn from(unproved: Unproved) -> Self {
        Self::Refused(match unproved {
            Unproved::Key => "no key of the provider's fits its signature".to_owned(),
            Unproved::Refused(why) => why,
        })
    }
}

/// The claims of the id token, once everything about it is found to be right.
fn verified<'a>(
    client: &Client,
    tokens: &'a Tokens,
    attempt: &Attempt,
    now: Timestamp,
) -> Result<&'a IdTokenClaims<Claims, CoreGenderClaim>, Unproved> {
    let token = tokens.id_token().ok_or_else(|| Unproved::Refused("there is no id token".to_owned()))?;
    let (earliest, latest) = (system(now - SKEW), system(now + SKEW));
    let issued = move |at: SystemTime| {
        if at <= latest { Ok(()) } else { Err("issued in the future".to_owned()) }
    };
    let verifier = client
        .id_token_verifier()
        .set_allowed_algs(ALGORITHMS)
        .set_time_fn(move || earliest.into())
        .set_issue_time_verifier_fn(move |at| issued(at.into()));
    token.claims(&verifier, &Nonce::new(attempt.nonce.clone())).map_err(|error| match error {
        // A token may name no key: after a rotation the one that is known does not fit, or two may be meant.
        ClaimsVerificationError::SignatureVerification(
            SignatureVerificationError::NoMatchingKey
            | SignatureVerificationError::CryptoError(_)
            | SignatureVerificationError::AmbiguousKeyId(_),
        ) => Unproved::Key,
        ClaimsVerificationError::InvalidNonce(_) => Unproved::Refused("the nonce is another's".to_owned()),
        error => Unproved::Refused(error.to_string()),
    })
}

/// The type that both sides' times can be made from.
fn system(at: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::try_from(at.as_duration()).unwrap_or_default()
}

/// What is said of somebody, in the token or beside it.
struct Found {
    email: Option<String>,
    verified: Option<bool>,
    name: Option<String>,
    values: Option<Vec<String>>,
}

impl Found {
    fn of_token(claims: &IdTokenClaims<Claims, CoreGenderClaim>, claim: &str) -> Self {
        Self {
            email: claims.email().map(|email| email.to_string()),
            verified: claims.email_verified(),
            name: claims.name().and_then(|name| name.get(None)).map(|name| name.to_string()),
            values: values(&claims.additional_claims().0, claim),
        }
    }

    fn wants_more(&self) -> bool {
        self.email.is_none() || self.values.is_none() || self.name.is_none()
    }

    /// What is said of an e-mail comes from where that e-mail does.
    fn add(&mut self, other: Self) {
        let is_same = match (&self.email, &other.email) {
            (Some(email), Some(other)) => email.eq_ignore_ascii_case(other),
            _ => false,
        };
        if self.email.is_none() {
            (self.email, self.verified) = (other.email, other.verified);
        } else if is_same {
            self.verified = self.verified.or(other.verified);
        }
        self.name = self.name.take().or(other.name);
        self.values = self.values.take().or(other.values);
    }

    fn vouched(self, oidc: &Oidc) -> Result<Vouched, ProviderError> {
        if self.verified == Some(false) {
            return Err(ProviderError::Unverified);
        }
        let account: Account =
            self.email.and_then(|email| email.parse().ok()).ok_or(ProviderError::NoEmail)?;
        let name = self.name.filter(|name| !name.trim().is_empty()).unwrap_or_else(|| account.to_string());
        Ok(Vouched { name, rights: oidc.rights(&self.values.unwrap_or_default()), account })
    }
}

/// A claim that is a text or a list of texts.
fn values(claims: &BTreeMap<String, Value>, claim: &str) -> Option<Vec<String>> {
    match claims.get(claim)? {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Array(list) => Some(list.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
        _ => None,
    }
}

fn of_exchange<E: std::error::Error>(
    error: RequestTokenError<E, StandardErrorResponse<CoreErrorResponseType>>,
) -> ProviderError {
    match error {
        RequestTokenError::ServerResponse(answer) => {
            ProviderError::Refused(format!("it does not take the code: {}", answer.error()))
        }
        RequestTokenError::Request(error) => ProviderError::Down(error.to_string()),
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
            ProviderError::Down("its token cannot be read".to_owned())
        }
    }
}

/// A request to the provider that came to nothing.
#[derive(Debug, thiserror::Error)]
enum CallError {
    #[error("no answer")]
    Http(#[from] reqwest::Error),
    #[error("the answer is too large")]
    TooLarge,
    #[error("no answer that can be read")]
    Unreadable(#[from] http::Error),
}

/// openidconnect's requests, made by our client.
async fn call(http: reqwest::Client, request: HttpRequest) -> Result<HttpResponse, CallError> {
    let mut request = reqwest::Request::try_from(request)?;
    *request.timeout_mut() = Some(TIMEOUT);
    let mut answer = http.execute(request).await?;
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(CallError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    let mut response = http::Response::builder().status(answer.status()).body(body)?;
    *response.headers_mut() = std::mem::take(answer.headers_mut());
    Ok(response)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use ed25519_dalek::{Signer as _, SigningKey};
    use serde_json::json;

    use super::*;

    /// A provider's client and a token of its own: made `made` seconds from `now`, good for so long after `now`.
    fn told(now: Timestamp, nonce: &str, made: i64, good: i64) -> Result<(), String> {
        let key = SigningKey::from_bytes(&[7; 32]);
        let public = URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes());
        let metadata = json!({
            "issuer": "https://id.acme.example", "authorization_endpoint": "https://id.acme.example/authorize",
            "token_endpoint": "https://id.acme.example/token", "jwks_uri": "https://id.acme.example/keys",
            "response_types_supported": ["code"], "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["EdDSA"],
        });
        let keys = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": "k", "x": public}]});
        let metadata: CoreProviderMetadata = serde_json::from_value(metadata).unwrap();
        let metadata = metadata.set_jwks(serde_json::from_value(keys).unwrap());
        let client = client(&metadata, &oidc(), "https://text.acme.example/sign-in/oidc/callback").unwrap();

        let claims = json!({
            "iss": "https://id.acme.example", "aud": "fulcrum", "sub": "ana", "nonce": nonce,
            "iat": now.as_second() + made, "exp": now.as_second() + good,
        });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&json!({"alg": "EdDSA", "kid": "k"})), part(&claims));
        let signature = URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()).to_bytes());
        let tokens = json!({
            "access_token": "a", "token_type": "bearer", "id_token": format!("{signed}.{signature}"),
        });
        let tokens: Tokens = serde_json::from_value(tokens).unwrap();
        let attempt = Attempt {
            state: String::new(),
            nonce: "of-this-attempt".into(),
            verifier: String::new(),
            next: String::new(),
        };
        match verified(&client, &tokens, &attempt, now) {
            Ok(_) => Ok(()),
            Err(Unproved::Key) => Err("key".to_owned()),
            Err(Unproved::Refused(why)) => Err(why),
        }
    }

    #[test]
    fn a_token_is_made_for_one_attempt_and_for_now_give_or_take_a_minute() {
        let now = "2025-03-05T12:00:00Z".parse().unwrap();
        let ours = "of-this-attempt";
        assert_eq!(told(now, ours, -5, 300), Ok(()));
        let others = told(now, "of-another", -5, 300).unwrap_err();
        assert!(others.contains("nonce"), "{others}");
        // Its clock is ahead of ours, or behind.
        assert_eq!(told(now, ours, 59, 300), Ok(()));
        let ahead = told(now, ours, 61, 300).unwrap_err();
        assert!(ahead.contains("future"), "{ahead}");
        assert_eq!(told(now, ours, -300, -59), Ok(()));
        let over = told(now, ours, -300, -61).unwrap_err();
        assert!(over.to_lowercase().contains("expired"), "{over}");
    }

    fn oidc() -> Oidc {
        Oidc {
            issuer: "https://id.acme.example".into(),
            client_id: "fulcrum".into(),
            client_secret: None,
            scopes: Vec::new(),
            roles_claim: "groups".into(),
            roles: Role::ALL.map(|role| (role, vec![role.word().to_owned()])),
            confidential: Vec::new(),
        }
    }

    fn found(email: Option<&str>, verified: Option<bool>) -> Found {
        Found { email: email.map(str::to_owned), verified, name: None, values: Some(vec!["viewer".into()]) }
    }

    #[test]
    fn what_is_said_of_the_same_address_beside_the_token_counts() {
        let email = Some("ana@acme.example");
        let mut token = found(email, None);
        token.add(found(Some("Ana@acme.example"), Some(false)));
        assert!(matches!(token.vouched(&oidc()), Err(ProviderError::Unverified)));
        let mut token = found(email, Some(true));
        token.add(found(email, Some(false)));
        assert!(token.vouched(&oidc()).is_ok(), "the token is signed");
    }

    #[test]
    fn a_claim_is_a_text_or_a_list_of_texts() {
        let claims = |value: Value| values(&BTreeMap::from([("groups".to_owned(), value)]), "groups");
        assert_eq!(claims(json!("a b")), Some(vec!["a b".to_owned()]));
        assert_eq!(claims(json!(["a", 1, "b"])), Some(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(claims(json!({ "a": true })), None);
        assert_eq!(values(&BTreeMap::new(), "groups"), None);
    }

    #[test]
    fn an_e_mail_that_may_be_anybodys_is_not_taken() {
        let vouched = |email, verified| found(email, verified).vouched(&oidc());
        for verified in [None, Some(true)] {
            let vouched = vouched(Some("Ana@Acme.example"), verified).unwrap();
            assert_eq!(vouched.account.as_str(), "ana@acme.example");
            assert_eq!(
                (vouched.name.as_str(), vouched.rights),
                ("ana@acme.example", Some((Role::Viewer, Sight::Open)))
            );
        }
        assert!(matches!(vouched(Some("ana@acme.example"), Some(false)), Err(ProviderError::Unverified)));
        assert!(matches!(vouched(None, None), Err(ProviderError::NoEmail)));
        assert!(matches!(vouched(Some("ana"), None), Err(ProviderError::NoEmail)));
    }

    #[test]
    fn what_userinfo_says_of_its_own_e_mail_counts() {
        let mut token = found(None, Some(true));
        token.add(found(Some("ana@acme.example"), Some(false)));
        assert!(matches!(token.vouched(&oidc()), Err(ProviderError::Unverified)));
        let mut token = found(Some("ana@acme.example"), None);
        token.add(Found { values: Some(vec!["admin".into()]), ..found(Some("eve@acme.example"), None) });
        let vouched = token.vouched(&oidc()).unwrap();
        assert_eq!((vouched.account.as_str(), vouched.rights.unwrap().0), ("ana@acme.example", Role::Viewer));
    }
}
