//! Secrets that what is ahead of them tells: passwords, credentials, keyed
//! values.

use super::tokens::TOKEN;
use super::{Detector, triggers};
use flb_audit_core::policy::Boundary;
use flb_audit_core::policy::Validator;

/// Keys in text, of which any value is a secret.
macro_rules! password_key {
    () => {
        concat!(
            "(?i)[A-Za-z0-9_.-]*(passw(or)?d|passphrase|(client|app|consumer|shared)[_-]?secret",
            "|secret[_-]?(access[_-]?)?key)"
        )
    };
}

/// Keys in text, of which a value is a secret if it looks random.
macro_rules! secret_key {
    () => {
        concat!(
            "(?i)([A-Za-z0-9_.-]*(secret|token",
            "|(api|access|private|account|signing|encryption|master|auth|shared)[_-]?key|x-amz-signature)|[?&]sig)"
        )
    };
}

/// What stands between a key and its value, to the end of the trigger.
macro_rules! assigns {
    () => {
        r#"["'\\\]]{0,3} ?[:=]"#
    };
}

/// A value in quotes, or in quotes that are escaped themselves.
macro_rules! quoted {
    () => {
        r#""([^"\\]|\\[\x00-\xff])*|'([^'\\]|\\[\x00-\xff])*|\\{1,3}["'][^"'\\]*"#
    };
}

/// The rest of a bare value; what ends one, [`Boundary::Value`] says.
macro_rules! rest {
    () => {
        r#"[^\x00-\x20"'`\\&;,]*"#
    };
}

/// A value that what is ahead of it tells.
const VALUE: Detector = Detector {
    before: Boundary::None,
    after: Boundary::Value,
    validator: Validator::RandomValue,
    class: "secret",
    ..TOKEN
};

pub(super) const VALUES: &[Detector] = &[
    Detector {
        name: "authorization",
        what: "Credentials in Authorization fields; the scheme stays, and with AWS's all but the signature",
        trigger: triggers::ASSIGNMENT,
        lead: concat!("(?i)authorization", assigns!()),
        pattern: concat!(
            "(?i)authorization",
            assigns!(),
            r#"[ "'\\]{0,4}((basic|bearer|negotiate|ntlm|token|apikey|dpop|privatetoken|concealed|gnap) +"#,
            r#"[^\x00-\x20"'\\,;]+|(digest|hoba|mutual|oauth|scram-sha-(1|256)|vapid|aws4-hmac-sha256) +[^\r\n]+)"#
        ),
        validator: Validator::Authorization,
        source: "RFC 9110 section 11.6.2, IANA HTTP Authentication Scheme Registry, AWS Signature Version 4",
        ..VALUE
    },
    Detector {
        name: "credentials",
        what: "What follows Bearer or Basic anywhere: a random token, a user and a password in base64",
        trigger: triggers::SCHEME,
        lead: "(?i)(bearer|basic) ",
        pattern: r"(?i)(bearer [A-Za-z0-9._~+/-]+|basic [A-Za-z0-9+/]+)={0,2}",
        before: Boundary::Word,
        validator: Validator::Credentials,
        source: "RFC 6750 section 2.1, RFC 7617 section 2",
        ..VALUE
    },
    Detector {
        name: "url-password",
        what: "Passwords of users in URLs and connection strings; the user stays",
        trigger: triggers::AT,
        lead: r#"[A-Za-z][A-Za-z0-9+.-]*://[^\x00-\x20/?\#@:"'<>\\]*:[^\x00-\x20/?\#@"'<>\\]+@"#,
        pattern: r#"[A-Za-z][A-Za-z0-9+.-]*://[^\x00-\x20/?\#@:"'<>\\]*:[^\x00-\x20/?\#"'<>\\]+@"#,
        after: Boundary::None,
        validator: Validator::UrlPassword,
        source: "RFC 3986 section 3.2.1",
        ..VALUE
    },
    Detector {
        name: "password",
        what: "Values given to a password: password=, \"passwd\": , PWD=",
        trigger: triggers::ASSIGNMENT,
        lead: concat!("(?i)[A-Za-z0-9_.-]*pwd", assigns!(), "|", password_key!(), assigns!()),
        pattern: concat!(
            // The working directory has the name of a password.
            "(?i)[A-Za-z0-9_.-]*pwd",
            assigns!(),
            r"[=>]?[ \t]*(",
            quoted!(),
            r#"|[^\x00-\x20"'`\\&;,{\[/~]"#,
            rest!(),
            ")|",
            password_key!(),
            assigns!(),
            r"[=>]?[ \t]*(",
            quoted!(),
            r#"|([^\x00-\x20"'`\\&;,{\[]|\{[A-Za-z0-9])"#,
            rest!(),
            ")"
        ),
        validator: Validator::Password,
        source: "libpq, connection strings; MySQL Connector/NET, connection options; RFC 6749 section 4.3.2",
        ..VALUE
    },
    Detector {
        name: "password-option",
        what: "Passwords and tokens that a command is given with an option",
        trigger: triggers::OPTION,
        lead: "--(pass|token|secret|api-key)",
        pattern: concat!(
            "--(pass(word|wd|phrase)?|token|secret|api-key) +(",
            quoted!(),
            r#"|[^\x00-\x20"'`\\&;,-]"#,
            rest!(),
            ")"
        ),
        before: Boundary::Token,
        validator: Validator::Password,
        source: "GNU Coding Standards section 4.8, Command-Line Interfaces",
        ..VALUE
    },
    Detector {
        name: "sql-password",
        what: "Passwords in SQL: IDENTIFIED BY '…', PASSWORD '…', PASSWORD('…')",
        trigger: triggers::LITERAL,
        lead: r"(?i)(password|identified by|identified with [a-z0-9_]{1,40} (by|as)|by password)[ (]{1,2}'",
        pattern: r"(?i)(password|identified by|identified with [a-z0-9_]{1,40} (by|as)|by password)[ (]{1,2}'([^'\\]|\\[^']|\\'|'')*",
        before: Boundary::Word,
        validator: Validator::Quoted,
        source: "PostgreSQL, CREATE ROLE; MariaDB, CREATE USER and SET PASSWORD",
        ..VALUE
    },
    Detector {
        name: "keyed-secret",
        what: "Random values given to a secret, a token, a key or a signature",
        trigger: triggers::ASSIGNMENT,
        lead: concat!(secret_key!(), assigns!()),
        pattern: concat!(secret_key!(), assigns!(), r#"[=>]?[ \t]*\\{0,3}["']?[A-Za-z0-9._~+/%-]+={0,2}"#),
        source: "RFC 6749 sections 2.3.1 and 5.1, AWS Signature Version 4, Azure Storage, Create a service SAS",
        ..VALUE
    },
];
