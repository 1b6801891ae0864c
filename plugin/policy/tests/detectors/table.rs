//! What each detector finds and what it leaves, and what that costs.

use crate::cases::cases;
use crate::matcher::{Matcher, automaton};
use flb_audit_core::automaton::Automaton;
use flb_audit_policy::automaton::{Alphabet, Direction, compile};
use flb_audit_policy::detectors::{SECRET_KEYS, detectors};
use proptest::prelude::*;

#[test]
fn each_finds_what_it_is_for() {
    let cases = cases();
    for detector in detectors() {
        assert!(cases.iter().any(|(name, _)| *name == detector.name), "no case for {}", detector.name);
    }
    let mut failed = 0;
    for (name, texts) in cases {
        let matcher = Matcher::of(|detector| detector.name == name);
        for expected in texts {
            let text = expected.replace(['⟦', '⟧'], "");
            let mut found = String::new();
            let mut from = 0;
            for hit in matcher.find(text.as_bytes()) {
                found += &format!("{}⟦{}⟧", &text[from..hit.part.start], &text[hit.part.clone()]);
                from = hit.part.end;
            }
            found += &text[from..];
            if found != expected {
                println!("{name}: {found}\n  and not {expected}");
                failed += 1;
            }
        }
    }
    assert_eq!(failed, 0);
}

/// How much more than once the bytes of a long text may be looked at.
const STEPS_PER_BYTE_MAX: usize = 64;
/// How long a text that is made to cost much is, in bytes.
const HOSTILE_BYTES: usize = 50_000;

#[test]
fn no_text_costs_more_than_its_length() {
    let matcher = Matcher::of(|_| true);
    let cases = cases().into_iter().flat_map(|(_, texts)| texts);
    let mut pieces: Vec<String> = cases.map(|text| text.replace(['⟦', '⟧'], "")).collect();
    let bare = [
        "a",
        "1",
        "1 ",
        "11-11-",
        "1.",
        "a:",
        "::",
        "@",
        "a@",
        "a.",
        "a@a.",
        "://",
        "a://b:c@",
        "token=",
        "token='",
        "password=x",
        "password=null ",
        "password='",
        "password=$A",
        "PWD=/",
        "xoxe.xoxb-",
        "glpat-",
        "sk_live_",
        "eyJ.",
        "eyJhbGciOiJub25lIn0.",
        "+1",
        "+49 ",
        "GB82 ",
        "GB82",
        "Bearer ",
        "basic a",
        "phone ",
        "--token ",
        "authorization: digest ",
        "authorization=aws4-hmac-sha256 a ",
        "identified by '",
        "identified by 'x'",
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY",
        "FwoGZXIvYXdz",
        "IQoJb3JpZ2luX2Vj%2F.",
        "npm_",
        "ghp_a",
        "xoxd-%",
        "xoxd-%2F",
        "glcbt-a.eyJ",
        "AQ.Ab.",
        "ya29.",
        "AKIA",
        "\\\"",
        "\"",
        "'",
        "\u{e9}@",
        "ghs_1_eyJ",
        "a/1.1.1.1",
        "1.1.1.1/",
    ];
    pieces.extend(bare.map(str::to_owned));
    for piece in pieces {
        for glue in ["", "a", " ", ".", "="] {
            let text = format!("{piece}{glue}").repeat(HOSTILE_BYTES / (piece.len() + glue.len()));
            let before = matcher.steps.get();
            matcher.find(text.as_bytes());
            let steps = (matcher.steps.get() - before) / text.len().max(1);
            assert!(steps <= STEPS_PER_BYTE_MAX, "{piece:?} and {glue:?}: {steps} steps a byte");
        }
    }
}

#[test]
fn parts_are_whole_characters() {
    let matcher = Matcher::of(|_| true);
    let texts = "([A-Za-z0-9é山 .:@/=+_-]|password|://|%40|token=|IDENTIFIED BY '|GB82|\\+49){0,60}";
    proptest!(ProptestConfig::with_cases(2000), |(text in texts)| {
        let mut from = 0;
        for hit in matcher.find(text.as_bytes()) {
            prop_assert!(hit.part.start >= from);
            prop_assert!(text.get(hit.part.clone()).is_some_and(|part| !part.is_empty()));
            from = hit.part.end;
        }
    });
}

/// What the scout may have, in states and in bytes.
const SCOUT_STATES_MAX: u16 = 600;
const SCOUT_BYTES_MAX: usize = 80 << 10;

#[test]
fn the_scout_is_small() {
    let triggers: Vec<&str> = detectors().map(|detector| detector.trigger).collect();
    let table = compile(&triggers, Direction::Anywhere, Alphabet::Bytes).expect("triggers");
    let states = u16::from_le_bytes([table[0], table[1]]);
    println!("the scout: {states} states, {} bytes", table.len());
    assert!(states <= SCOUT_STATES_MAX && table.len() <= SCOUT_BYTES_MAX);
    let (scout, rest) = Automaton::read(&table).expect("a table");
    assert!(scout.is_sound() && rest.is_empty());
}

#[test]
fn keys_tell_secrets() {
    let table = automaton(SECRET_KEYS, Direction::Anywhere);
    let (keys, _) = Automaton::read(&table).expect("a table");
    let secret = [
        "password",
        "masterUserPassword",
        "db_password",
        "DB-PASSWD",
        "userPwd",
        "secretAccessKey",
        "aws_secret_access_key",
        "sessionToken",
        "client_secret",
        "clientSecret",
        "api_key",
        "apikey",
        "X-Api-Key",
        "private_key",
        "privateKey",
        "Authorization",
        "proxy-authorization",
        "Set-Cookie",
        "cookie",
        "token",
        "access_token",
        "refreshToken",
        "id_token",
        "x-amz-security-token",
        "github_token",
        "webIdentityToken",
        "SecretString",
        "secret",
        "passphrase",
        "otp",
        "cvv",
        "client-key-data",
        ".dockerconfigjson",
        "accountKey",
        "SAMLAssertion",
    ];
    let harmless = [
        "accessKeyId",
        "tokenId",
        "nextToken",
        "NextToken",
        "pageToken",
        "continuationToken",
        "clientToken",
        "ClientToken",
        "clientRequestToken",
        "secretName",
        "secretId",
        "secrets",
        "SecretARN",
        "SecretVersionId",
        "passwordResetRequired",
        "passwordLastUsed",
        "token_type",
        "httpTokens",
        "max_tokens",
        "keyId",
        "s3Key",
        "Key",
        "publicKey",
        "kmsKeyId",
        "attributeKey",
        "accessKey",
        "pwd",
        "cwd",
        "authorization.k8s.io/decision",
        "credentials",
        "signatureVersion",
        "sshPublicKeyId",
        "author",
        "monkey",
        "sessionContext",
        "session_id",
    ];
    for (names, is_secret) in [(&secret[..], true), (&harmless[..], false)] {
        for name in names {
            assert_eq!(keys.is_match(name.bytes()), is_secret, "{name}");
        }
    }
}
