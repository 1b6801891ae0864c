//! The findings of each detector, the texts that it leaves, and the cost.

use crate::cases::{bare, cases, is_met};
use crate::matcher::Matcher;
use flb_audit_core::automaton::Automaton;
use flb_audit_core::redact::{ESCAPES, Name};
use flb_audit_policy::automaton::{compile_scout, folded};
use flb_audit_policy::detectors::{detectors, shape};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Texts that detectors find or leave; those of vendors' tokens are separate.
const CASES: &str = include_str!("cases.txt");
const VENDORS: &str = include_str!("vendors.txt");

#[test]
fn each_finds_what_it_is_for() {
    let is_tested = |name| cases(CASES).any(|(other, _)| other == name);
    for detector in detectors().filter(|detector| detector.shapes.is_empty()) {
        assert!(is_tested(detector.name), "no case for {}", detector.name);
    }
    let mut matchers: BTreeMap<&str, Matcher> = BTreeMap::new();
    let mut failed = 0;
    for (name, expected) in cases(CASES) {
        let matcher = matchers.entry(name).or_insert_with(|| Matcher::of(|detector| detector.name == name));
        failed += u32::from(!is_met(name, &expected, |text| matcher.find(text)));
    }
    assert_eq!(failed, 0);
}

#[test]
fn tokens_of_vendors_are_told_by_their_shapes() {
    let is_tested = |name| cases(VENDORS).any(|(other, _)| other == name);
    for detector in detectors().filter(|detector| !detector.shapes.is_empty()) {
        assert!(is_tested(detector.name), "no case for {}", detector.name);
    }
    let matcher = Matcher::of(|detector| !detector.shapes.is_empty());
    let mut failed = 0;
    for (name, expected) in cases(VENDORS) {
        let find = |text: &[u8]| matcher.find(text).into_iter().filter(|hit| hit.name == name).collect();
        failed += u32::from(!is_met(name, &expected, find));
    }
    assert_eq!(failed, 0);
}

/// The lengths of texts that are made to cost much, in bytes. The steps of the longest record
/// are enough for them.
const SHORT_BYTES: usize = 2_000;
const LONG_BYTES: usize = 8_000;

#[test]
fn no_text_costs_more_than_its_length() {
    let matcher = Matcher::of(|_| true);
    let mut pieces: Vec<String> = cases(CASES).map(|(_, text)| bare(&text)).collect();
    let repeated = [
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
        "passwd ",
        "echo a | passwd ",
        "a | chpasswd <<< ",
        "htpasswd -b a ",
        "net user a ",
        "net use ",
        "--user a:",
        "-u a -p ",
        "-p ",
        "sqlplus ",
        "vault login ",
        " /p:",
        "password 'a',",
        "password:\n ",
        "password: |\n ",
        "password =\n\n",
        "password = <<E\n",
        "password: !a ",
        "set token ",
        "ConvertTo-SecureString ",
        "name: token\nvalue: ",
        "cookie: \"",
        "cookie: {",
        "password = 'a' + ",
        "password = a('a','",
        "password for a to ",
        "password for ",
        "password /* ",
        "identified with 'a' ",
        "identified -- ",
        "a://b@c:",
        "['password',",
        "key=",
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
    pieces.extend(repeated.map(str::to_owned));
    let per_byte = |part: &str, len: usize| {
        let text = part.repeat(len / part.len());
        let before = matcher.steps.get();
        matcher.find(text.as_bytes());
        (matcher.steps.get() - before) / text.len().max(1)
    };
    for piece in pieces {
        for glue in ["", "a", " ", ".", "="] {
            let part = format!("{piece}{glue}");
            let (short, long) = (per_byte(&part, SHORT_BYTES), per_byte(&part, LONG_BYTES));
            assert!(long <= short * 3 / 2 + 8, "{part:?}: {short} steps a byte, and {long} of a longer text");
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

/// The limits of the scout, in states and in bytes.
const SCOUT_STATES_MAX: u16 = 1080;
const SCOUT_BYTES_MAX: usize = 112 << 10;

#[test]
fn the_scout_is_small() {
    let folded = |trigger: &str| folded(trigger).expect("a trigger");
    let triggers = detectors().map(|detector| match detector.validator.reads_text() {
        true => detector.trigger.to_owned(),
        false if detector.shapes.is_empty() => folded(detector.trigger),
        false => folded(&shape::triggers(detector.shapes).expect("shapes")),
    });
    let triggers: Vec<String> = triggers.chain([folded(ESCAPES)]).collect();
    let table = compile_scout(&triggers).expect("triggers");
    let states = u16::from_le_bytes([table[0], table[1]]);
    println!("the scout: {states} states, {} bytes", table.len());
    assert!(states <= SCOUT_STATES_MAX && table.len() <= SCOUT_BYTES_MAX);
    let (scout, rest) = Automaton::read(&table).expect("a table");
    assert!(scout.is_sound() && rest.is_empty());
}

/// The classes of keys, and a few keys of each.
const NAMES: &[(Name, &str)] = &[
    (
        Name::Password,
        "password masterUserPassword db_password DB-PASSWD userPwd passphrase password1 user[password] \
         password_confirmation passwordConfirm newPassword2 PASSWORD_HASH root.passwd dbpassword",
    ),
    (
        Name::Credential,
        "secretAccessKey aws_secret_access_key sessionToken client_secret clientSecret client_secret_1 api_key \
         apikey X-Api-Key private_key privateKey access_token refreshToken id_token x-amz-security-token \
         github_token webIdentityToken SecretString otp cvv client-key-data .dockerconfigjson accountKey \
         SAMLAssertion secret_key_base session_secret encryption_key encryptionKey2 cvv2 accesstoken",
    ),
    (Name::Token, "token secret Token1 SECRET"),
    (Name::Random, "accessKey my_secret hsm_token master_key credentials"),
    (Name::Short, "pwd pass DB_PASS dbPass pass2 userpass pw"),
    (Name::Cookie, "cookie Set-Cookie cookies"),
    (Name::Authorization, "Authorization proxy-authorization HTTP_AUTHORIZATION"),
    (
        Name::Plain,
        "accessKeyId tokenId nextToken NextToken pageToken continuationToken clientToken ClientToken \
         clientRequestToken secretName secretId secrets SecretARN SecretVersionId passwordResetRequired \
         passwordLastUsed token_type httpTokens max_tokens keyId s3Key Key publicKey kmsKeyId attributeKey cwd \
         authorization.k8s.io/decision signatureVersion sshPublicKeyId author monkey sessionContext session_id \
         tokenCount passport_no passed bypass compass passenger keyword",
    ),
];

#[test]
fn names_tell_secrets() {
    for (expected, names) in NAMES {
        for name in names.split_whitespace() {
            assert_eq!(Name::of(name.as_bytes()), *expected, "{name}");
        }
    }
}
