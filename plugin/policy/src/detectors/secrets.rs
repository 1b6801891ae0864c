//! What lets in whoever holds it.

use super::{Detector, triggers};
use flb_audit_core::redact::boundary::Boundary;
use flb_audit_core::redact::validate::Validator;

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
            "(?i)[A-Za-z0-9_.-]*(secret|token",
            "|(api|access|private|account|signing|encryption|master|auth|shared)[_-]?key|x-amz-signature|sig)"
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

/// A token: between bytes that none has, random, and masked.
const TOKEN: Detector = Detector {
    name: "",
    pack: "secrets",
    what: "",
    trigger: "",
    lead: "",
    pattern: "",
    before: Boundary::Token,
    after: Boundary::Token,
    validator: Validator::RandomToken,
    class: "token",
    action: "mask",
    source: "",
};

/// A value that what is ahead of it tells.
const VALUE: Detector = Detector {
    before: Boundary::None,
    after: Boundary::Value,
    validator: Validator::RandomValue,
    class: "secret",
    ..TOKEN
};

pub(super) const SECRETS: &[Detector] = &[
    Detector {
        name: "aws-secret-access-key",
        what: "AWS secret access keys behind the id that they belong to, which stays",
        trigger: triggers::TOKEN,
        lead: "A[KS]IA",
        pattern: r"A[KS]IA[A-Z0-9]{16}[,:;|\t ]{1,3}[A-Za-z0-9/+]{40}",
        after: Boundary::Word,
        validator: Validator::SecretAccessKey,
        class: "secret",
        source: "AWS IAM User Guide, Manage access keys for IAM users",
        ..TOKEN
    },
    Detector {
        name: "aws-session-token",
        what: "AWS session tokens, percent-encoded ones too",
        trigger: triggers::TOKEN,
        lead: "FwoGZX|IQoJb3|[AF]QoDYXd",
        pattern: r"(FwoGZXIvYXdz|IQoJb3JpZ2luX2Vj|[AF]QoDYXdz)([A-Za-z0-9+/=_-]|%2[BbFf]|%3[Dd])*",
        before: Boundary::Word,
        after: Boundary::None,
        validator: Validator::SessionToken,
        source: "AWS STS API Reference, Credentials; the prefixes are the base64 of what such tokens start with, `aws` and `origin_ec`",
        ..TOKEN
    },
    Detector {
        name: "github-token",
        what: "GitHub tokens, by their checksum",
        trigger: triggers::TOKEN,
        lead: "gh[pousr]_",
        pattern: "gh[pousr]_[A-Za-z0-9]{36}",
        validator: Validator::Checksum,
        source: "GitHub blog 2021-04-05, Behind GitHub's new authentication token formats",
        ..TOKEN
    },
    Detector {
        name: "github-app-token",
        what: "GitHub App installation tokens that hold a JWT",
        trigger: triggers::TOKEN,
        lead: "ghs_",
        pattern: r"ghs_[0-9]+_eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+",
        after: Boundary::None,
        validator: Validator::Any,
        source: "GitHub changelog 2026-04-24, new format for GitHub App installation tokens",
        ..TOKEN
    },
    Detector {
        name: "github-fine-grained-token",
        what: "GitHub fine-grained personal access tokens",
        trigger: triggers::TOKEN,
        lead: "github_pat_",
        pattern: "github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}",
        source: "GitHub Docs, About authentication to GitHub, GitHub's token formats",
        ..TOKEN
    },
    Detector {
        name: "gitlab-token",
        what: "GitLab tokens of users, projects, runners, jobs, agents and applications",
        trigger: triggers::TOKEN,
        lead: "gl(pat|oas|dt|rt|rtr|cbt|ptt|ft|imt|agent|wt|soat|ffct)-",
        pattern: concat!(
            "gl(pat|oas|dt|rt|rtr|cbt|ptt|ft|imt|agent|wt|soat|ffct)-",
            r"[A-Za-z0-9_=-]+(\.[a-z0-9]{2,3}\.[a-z0-9]{7,12})?"
        ),
        source: "GitLab Docs, Token overview, Token prefixes",
        ..TOKEN
    },
    Detector {
        name: "slack-token",
        what: "Slack tokens of bots, users, apps, workflows and configurations",
        trigger: triggers::TOKEN,
        lead: "(xoxe[.])?xox[abceoprs]-|xapp-|xwfp-",
        pattern: "((xoxe[.])?xox[abceoprs]-|xapp-|xwfp-)[A-Za-z0-9-]+",
        after: Boundary::Word,
        source: "Slack API, Token types",
        ..TOKEN
    },
    Detector {
        name: "stripe-key",
        what: "Stripe's secret and restricted keys and webhook secrets",
        trigger: triggers::TOKEN,
        lead: "[sr]k_(live|test)_|whsec_",
        pattern: "([sr]k_(live|test)_|whsec_)[A-Za-z0-9+/=]+",
        source: "Stripe Docs, API keys; Webhook signatures",
        ..TOKEN
    },
    Detector {
        name: "google-key",
        what: "Google API keys, OAuth client secrets and access tokens",
        trigger: triggers::TOKEN,
        lead: r"AIza|GOCSPX-|ya29\.",
        pattern: r"AIza[A-Za-z0-9_-]{35}|GOCSPX-[A-Za-z0-9_-]{28}|ya29\.[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)?",
        source: "Google Cloud Docs, API keys; Google Identity, OAuth 2.0",
        ..TOKEN
    },
    Detector {
        name: "npm-token",
        what: "npm access tokens, by their checksum",
        trigger: triggers::TOKEN,
        lead: "npm_",
        pattern: "npm_[A-Za-z0-9]{36}",
        validator: Validator::Checksum,
        source: "GitHub changelog 2021-09-23, npm has a new access token format",
        ..TOKEN
    },
    Detector {
        name: "pypi-token",
        what: "PyPI and TestPyPI API tokens",
        trigger: triggers::TOKEN,
        lead: "pypi-Ag",
        pattern: "pypi-Ag(EIcHlwaS5vcmc|ENdGVzdC5weXBpLm9yZw)[A-Za-z0-9_-]+",
        source: "PyPI, API tokens; pypitoken: a macaroon in base64url whose location is pypi.org",
        ..TOKEN
    },
    Detector {
        name: "jwt",
        what: "JWTs, signed or encrypted",
        trigger: triggers::TOKEN,
        lead: "eyJ",
        pattern: r"eyJ[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]*){2,4}",
        validator: Validator::Jwt,
        source: "RFC 7519 section 3, RFC 7515 sections 4.1.1 and 7.1, RFC 7516 section 7.1",
        ..TOKEN
    },
    Detector {
        name: "private-key",
        what: "Private keys in PEM, to their end or that of the text",
        trigger: triggers::PEM,
        lead: "-----BEGIN ([A-Z0-9]+ ){0,2}PRIVATE KEY",
        pattern: "-----BEGIN ([A-Z0-9]+ ){0,2}PRIVATE KEY( BLOCK)?-----([^-]|-{1,4}[^-])*(-----END [A-Z0-9 ]{1,40}-----)?",
        before: Boundary::None,
        after: Boundary::None,
        validator: Validator::Any,
        class: "secret",
        source: "RFC 7468 sections 10 and 11, RFC 4880 section 6.2",
        ..TOKEN
    },
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
        lead: r"(?i)(password|identified by|identified with [a-z0-9_]{1,40} (by|as)|by password) [(]?'",
        pattern: r"(?i)(password|identified by|identified with [a-z0-9_]{1,40} (by|as)|by password) [(]?'([^'\\]|\\[^']|\\'|'')*",
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
