//! Secrets that are known by the text before them: passwords, credentials, values of
//! keys.

use super::tokens::TOKEN;
use super::{Detector, triggers};
use flb_audit_core::policy::Boundary;
use flb_audit_core::policy::Validator;

/// The common parts of the detectors of values that a name announces: the text is read
/// from the name on.
const VALUE: Detector = Detector {
    trigger: triggers::TOLD,
    before: Boundary::None,
    after: Boundary::None,
    validator: Validator::RandomValue,
    class: "secret",
    ..TOKEN
};

pub(super) const VALUES: &[Detector] = &[
    Detector {
        name: "authorization",
        what: "Credentials in Authorization fields; the scheme stays, and with AWS's all but the signature",
        validator: Validator::Authorization,
        source: "RFC 9110 section 11.6.2, IANA HTTP Authentication Scheme Registry, AWS Signature Version 4",
        ..VALUE
    },
    Detector {
        name: "cookie",
        what: "Cookies in the fields Cookie and Set-Cookie",
        validator: Validator::Cookie,
        source: "RFC 6265 sections 4.1 and 4.2",
        ..VALUE
    },
    Detector {
        name: "credentials",
        what: "What follows Bearer or Basic anywhere: a random token, a user and a password in base64",
        trigger: triggers::SCHEME,
        lead: "(?i)(bearer|basic) ",
        pattern: r"(?i)(bearer [A-Za-z0-9._~+/-]+|basic [A-Za-z0-9+/]+)={0,2}",
        before: Boundary::Word,
        after: Boundary::Word,
        validator: Validator::Credentials,
        source: "RFC 6750 section 2.1, RFC 7617 section 2",
        ..VALUE
    },
    Detector {
        name: "url-password",
        what: "Passwords of users in URLs and connection strings; the user stays",
        trigger: triggers::AT,
        lead: r#"[A-Za-z][A-Za-z0-9+.-]*://[^\x00-\x20/?\#:"'<>\\]*:[^\x00-\x20@"'<>\\]+@"#,
        pattern: r#"[A-Za-z][A-Za-z0-9+.-]*://[^\x00-\x20/?\#:"'<>\\]*:[^\x00-\x20@"'<>\\]+@([^\x00-\x20/?\#"'<>\\]*@)?"#,
        validator: Validator::UrlPassword,
        source: "RFC 3986 section 3.2.1",
        ..VALUE
    },
    Detector {
        name: "user-password",
        what: "Passwords of users ahead of an address without a scheme: user:password@tcp(…), user/password@//…",
        trigger: r"@(tcp|unix|udp)[46]?\(|@//|@\(DESC",
        lead: r#"[A-Za-z0-9_.$#-]+[:/][^\x00-\x20"']+@((tcp|unix|udp)[46]?\(|//|\(DESC)"#,
        pattern: r#"[A-Za-z0-9_.$#-]+[:/][^\x00-\x20"']+@"#,
        validator: Validator::UserPassword,
        source: "go-sql-driver/mysql, DSN; Oracle, Easy Connect naming",
        ..VALUE
    },
    Detector {
        name: "password",
        what: "Values given to a password: password=, \"passwd\": , PWD=, <password>",
        validator: Validator::Password,
        source: "libpq, connection strings; MySQL Connector/NET, connection options; RFC 6749 section 4.3.2",
        ..VALUE
    },
    Detector {
        name: "password-option",
        what: "Passwords and tokens that a command is given with an option, -p and -u of some commands among them",
        validator: Validator::Option,
        source: "GNU Coding Standards section 4.8, Command-Line Interfaces; the manuals of the commands",
        ..VALUE
    },
    Detector {
        name: "sql-password",
        what: "Passwords in SQL: IDENTIFIED BY '…', PASSWORD '…', PASSWORD('…')",
        validator: Validator::Quoted,
        source: "PostgreSQL, CREATE ROLE; MariaDB, CREATE USER and SET PASSWORD",
        ..VALUE
    },
    Detector {
        name: "keyed-secret",
        what: "Values given to a client secret, an access token, a private key; random ones given to any secret, token or signature",
        source: "RFC 6749 sections 2.3.1 and 5.1, AWS Signature Version 4, Azure Storage, Create a service SAS",
        ..VALUE
    },
];
