//! Secrets that are known by their own form: vendors' tokens, JWTs, private keys.

use super::Detector;
use flb_audit_core::policy::Boundary;
use flb_audit_core::policy::Validator;

/// The common parts of the detectors of tokens: between bytes that no token contains,
/// random, and masked.
pub(super) const TOKEN: Detector = Detector {
    name: "",
    pack: "secrets",
    what: "",
    trigger: "",
    lead: "",
    pattern: "",
    shapes: "",
    before: Boundary::Token,
    after: Boundary::Token,
    validator: Validator::RandomToken,
    class: "token",
    action: "mask",
    source: "",
};

pub(super) const TOKENS: &[Detector] = &[
    Detector {
        name: "aws-secret-access-key",
        what: "AWS secret access keys behind the id that they belong to, which stays",
        trigger: "A[KS]IA",
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
        trigger: "FwoGZX|IQoJb3|[AF]QoDYXd",
        lead: "FwoGZX|IQoJb3|[AF]QoDYXd",
        pattern: r"(FwoGZXIvYXdz|IQoJb3JpZ2luX2Vj|[AF]QoDYXdz)([A-Za-z0-9+/=_-]|%2[BbFf]|%3[Dd])*",
        before: Boundary::Word,
        after: Boundary::None,
        validator: Validator::SessionToken,
        source: "AWS STS API Reference, Credentials; the prefixes are the base64 of what such tokens start with, `aws`, `er/aws` and `origin_ec`",
        ..TOKEN
    },
    Detector {
        name: "github-token",
        what: "GitHub tokens, by their checksum, and refresh tokens",
        trigger: "gh[pousr]_",
        lead: "gh[pousr]_",
        pattern: "gh[pousr]_[A-Za-z0-9]+",
        validator: Validator::Checksum,
        source: "GitHub blog 2021-04-05, Behind GitHub's new authentication token formats; GitHub Docs, Refreshing user access tokens",
        ..TOKEN
    },
    Detector {
        name: "github-app-token",
        what: "GitHub App installation tokens that hold a JWT",
        trigger: "ghs_",
        lead: "ghs_",
        pattern: r"ghs_[0-9]+_eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+",
        after: Boundary::None,
        validator: Validator::Any,
        source: "GitHub changelog 2026-04-24 and 2026-05-15, new format for GitHub App installation tokens",
        ..TOKEN
    },
    Detector {
        name: "github-fine-grained-token",
        what: "GitHub fine-grained personal access tokens",
        trigger: "github_pat_",
        lead: "github_pat_",
        pattern: "github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}",
        source: "GitHub Docs, About authentication to GitHub, GitHub's token formats; github/redacting-logger",
        ..TOKEN
    },
    Detector {
        name: "gitlab-token",
        what: "GitLab tokens of users, projects, runners, jobs, agents and applications, with an instance's own prefix too",
        trigger: "gl(pat|oas|dt|rt|rtr|cbt|ptt|ft|imt|agent|wt|soat|ffct)-",
        lead: "([A-Za-z0-9_]{1,20}-)?gl(pat|oas|dt|rt|rtr|cbt|ptt|ft|imt|agent|wt|soat|ffct)-",
        pattern: concat!(
            "([A-Za-z0-9_]{1,20}-)?gl(pat|oas|dt|rt|rtr|cbt|ptt|ft|imt|agent|wt|soat|ffct)-",
            // Routable tokens have a checksum behind a point; job tokens are JWTs.
            r"[A-Za-z0-9_-]+((\.[a-z0-9]{2})?\.[a-z0-9]{9}|\.eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+)?"
        ),
        source: "GitLab Docs, Token overview, Token prefixes; GitLab merge requests 169322, routable tokens, and 207268, job tokens",
        ..TOKEN
    },
    Detector {
        name: "slack-token",
        what: "Slack tokens of bots, users, apps, workflows and configurations, and percent-encoded cookies",
        trigger: "xox[a-eoprs]-|xapp-|xwfp-",
        lead: "(xoxe[.])?xox[a-eoprs]-|xapp-|xwfp-",
        pattern: "((xoxe[.])?xox[abceoprs]-|xapp-|xwfp-)[A-Za-z0-9-]+|xoxd-([A-Za-z0-9-]|%[0-9A-Fa-f]{2})+",
        after: Boundary::Word,
        source: "Slack Docs, Tokens; of those that are no longer given out or not documented, gitleaks; of cookies, mautrix/slack",
        ..TOKEN
    },
    Detector {
        name: "stripe-key",
        what: "Stripe's secret, restricted and organization keys and webhook secrets",
        trigger: "[sr]k_(live|test)_|sk_org_|whsec_",
        lead: "[sr]k_(live|test)_|sk_org_|whsec_",
        pattern: "([sr]k_(live|test)_|sk_org_((live|test)_)?|whsec_)[A-Za-z0-9+/=]+",
        source: "Stripe Docs, API keys; Organization API keys; Webhook signatures",
        ..TOKEN
    },
    Detector {
        name: "google-key",
        what: "Google API keys, OAuth client secrets and access tokens",
        trigger: r"AIza|AQ\.Ab|GOCSPX-|ya29\.",
        lead: r"AIza|AQ\.Ab|GOCSPX-|ya29\.",
        pattern: r"AIza[A-Za-z0-9_-]{35}|GOCSPX-[A-Za-z0-9_-]{28}|(AQ\.Ab|ya29\.)[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)?",
        source: "Google Cloud Docs, API keys; Google AI for Developers, Using Gemini API keys; the forms, which these do not give, trufflehog, noseyparker and, of `AQ.Ab`, reports of Gemini's users",
        ..TOKEN
    },
    Detector {
        name: "openai-key",
        what: "OpenAI's keys: of projects, service accounts, administrators and users",
        trigger: "T3BlbkFJ",
        lead: "sk-[A-Za-z0-9_-]+T3BlbkFJ",
        pattern: "sk-[A-Za-z0-9_-]{20,200}",
        source: "OpenAI, API reference, Authentication; the forms, which this does not give, gitleaks",
        ..TOKEN
    },
    Detector {
        name: "npm-token",
        what: "npm access tokens, by their checksum",
        trigger: "npm_",
        lead: "npm_",
        pattern: "npm_[A-Za-z0-9]+",
        validator: Validator::Checksum,
        source: "GitHub blog 2021-09-23, Announcing npm's new access token format",
        ..TOKEN
    },
    Detector {
        name: "pypi-token",
        what: "PyPI and TestPyPI API tokens",
        trigger: "pypi-Ag",
        lead: "pypi-Ag",
        pattern: "pypi-Ag(EIcHlwaS5vcmc|ENdGVzdC5weXBpLm9yZw)[A-Za-z0-9_-]+",
        source: "pypitoken: behind `pypi-`, a macaroon in base64url whose location is pypi.org",
        ..TOKEN
    },
    Detector {
        name: "jwt",
        what: "JWTs, signed or encrypted",
        trigger: "eyJ",
        lead: "eyJ",
        pattern: r"eyJ[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]*){2,4}",
        validator: Validator::Jwt,
        source: "RFC 7519 section 3, RFC 7515 sections 4.1.1 and 7.1, RFC 7516 section 7.1",
        ..TOKEN
    },
    Detector {
        name: "private-key",
        what: "Private keys in PEM, to their end or that of the text, and in the lines of an array",
        trigger: "PRIVATE KEY",
        lead: "-----BEGIN ([A-Z0-9]+ ){0,2}PRIVATE KEY",
        pattern: "-----BEGIN ([A-Z0-9]+ ){0,2}PRIVATE KEY( BLOCK)?-----([^-]|-{1,4}[^-])*(-----END [A-Z0-9 ]{1,40}-----)?",
        before: Boundary::None,
        after: Boundary::None,
        validator: Validator::Any,
        class: "secret",
        source: "RFC 7468 sections 10 and 11, RFC 4880 section 6.2",
        ..TOKEN
    },
];
