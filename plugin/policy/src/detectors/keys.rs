//! Keys of records that tell that their value is a secret.

/// The keys whose strings and numbers are secrets as a whole, in any style of
/// writing: passwords, tokens, keys, credentials.
///
/// Not those that name a secret, count it or say of what kind it is, such as
/// `accessKeyId`, `secretName`, `token_type` and `passwordResetRequired`; nor
/// tokens that are positions in a listing or make a request idempotent, such
/// as `nextToken`, `clientToken` and `clientRequestToken`; nor keys of objects
/// and of maps, such as `s3Key` and `attributeKey`.
pub const SECRET_KEYS: &str = concat!(
    "^(?i:",
    // A password, whoever's.
    ".*(password|passwd|passphrase|passcode)|.+pwd",
    // Secrets of applications, and the values that AWS Secrets Manager has.
    "|secret|.*(client|app|application|consumer|shared|webhook|jwt|oauth2?|api|totp)[_-]?secret",
    "|secret[_-]?(string|binary)",
    // Tokens that let in (RFC 6749 section 1.4, RFC 8693 section 2.1).
    "|token|id[_-]?token|.*(access|auth|authentication|refresh|session|security|bearer|api|oauth2?|jwt|csrf|xsrf",
    "|vault|deploy|registration|bootstrap|service|account|private|personal|identity|device|subject|actor|user|bot",
    "|github|gitlab|slack|npm|reset|invite)[_-]?token",
    "|.*saml[_-]?(assertion|response)",
    // Keys.
    "|.*(api|private|signing|account|shared[_-]?access|secret)[_-]?key|.*secret[_-]?access[_-]?key",
    "|client[_-]key[_-]data|tls\\.key|\\.dockercfg|\\.dockerconfigjson",
    // Fields of HTTP (RFC 9110 section 11.6.2, RFC 6265) and of AWS.
    "|(http[_-])?(proxy[_-]?)?authorization|(set-)?cookies?2?|x-amz-signature",
    // What is typed once.
    "|.*(otp|mfa[_-]?code|token[_-]?code)|cvv2?|cvc2?|card[_-]?security[_-]?code",
    ")$"
);
