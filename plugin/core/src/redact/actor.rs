//! Keys that denote the actor, the one who did it, in records of any format.
//!
//! The value of such a key says who acted. E-mail addresses in it stay, or are subject to
//! the policy's rule for identities. An object under such a key is walked, so that
//! everything else in it is looked at as anywhere.
//!
//! The words are those of the vendors: `userIdentity`, `sourceIdentity` and
//! `invokedBy` (AWS CloudTrail User Guide, userIdentity element), `principalEmail`,
//! `principalSubject` and `authenticationInfo` (Google Cloud, AuditLog), `caller` and
//! `claims` (Azure, activity log event schema), `initiatedBy` and `userPrincipalName`
//! (Microsoft Graph, directoryAudit and signIn), `UserId` (Office 365 Management
//! Activity API schema), `actor` and `alternateId` (Okta, System Log API; Google
//! Workspace, Admin SDK Reports API; GitHub, Slack, Atlassian and Cloudflare, audit
//! log APIs; OCSF 1.x, Actor), `author_name` and `author_email` (GitLab, audit
//! events), `actor_details` (1Password, Events API), `operator` (Zoom, operation logs),
//! `user` and `user_name` (Auth0, Teleport, Snowflake, Kubernetes, PostgreSQL, MySQL),
//! `display_name` in `auth` (HashiCorp Vault, audit devices), `submituser` and
//! `runuser` (sudoers(5)), `acct` (Linux audit), `SubjectUserName` (Windows, event
//! 4624), `sub` and `preferred_username` (OpenID Connect Core, section 5.1).

mod words;

use super::name::Words;
use core::ops::Range;
use words::{ACTOR, ANYWHERE, NO_DEED, OTHER, PART, PROSE, classes};

/// The statement of a key about the actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Actor {
    /// None: the value belongs to whom the object around it belongs.
    Unsaid,
    /// Same as [`Actor::Unsaid`], and in an object that is an actor, the value identifies
    /// the actor.
    Identifies,
    /// The value is an actor, unless an object around it is somebody else.
    Is,
    /// The value is an actor, wherever it is.
    IsAnywhere,
    /// The value is somebody else.
    Other,
    /// The value is a text that may name anybody.
    Prose,
}

/// The person to whom a value belongs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Whose {
    #[default]
    Unknown,
    Actor,
    Other,
    Anybody,
}

impl Whose {
    /// Returns the person to whom a member's value belongs, by its key and by the object
    /// around it.
    pub(super) fn of(key: Actor, object: Whose) -> Whose {
        match (key, object) {
            (Actor::IsAnywhere, _) => Whose::Actor,
            (Actor::Other, _) | (_, Whose::Other) => Whose::Other,
            (Actor::Is, _) => Whose::Actor,
            (Actor::Prose, _) => Whose::Anybody,
            _ => object,
        }
    }
}

/// Words that may be written together with `user` and the like, behind it: `userid`.
const TAILS: [&[u8]; 6] = [b"name", b"id", b"email", b"mail", b"login", b"address"];

/// The maximum number of such words behind the word for an actor.
const PARTS_MAX: usize = 4;

impl Actor {
    /// Classifies a key.
    pub(super) fn of(key: &[u8]) -> Actor {
        let words = Words::of(key);
        let text = words.text();
        let mut end = text.len();
        while end > 0 {
            let start = words.start_of_word(end);
            if text.get(start..end).is_some_and(|word| classes(word) & OTHER != 0) {
                return Actor::Other;
            }
            end = start;
        }
        let last = text.get(words.start_of_word(text.len())..).unwrap_or_default();
        let of_last = classes(last);
        if of_last & PROSE != 0 {
            return Actor::Prose;
        }
        if (classes(text) | of_last) & ANYWHERE != 0 {
            return Actor::IsAnywhere;
        }
        words.actor()
    }
}

impl Words {
    /// Returns the start of the word that ends at `end`.
    fn start_of_word(&self, end: usize) -> usize {
        self.last_start(end)
    }

    /// Classifies by the last words, skipping those that only name a property of an
    /// actor.
    fn actor(&self) -> Actor {
        let mut end = self.text().len();
        for _ in 0..=PARTS_MAX {
            let head = self.text().get(..end).unwrap_or_default();
            let word = head.get(self.start_of_word(end)..).unwrap_or_default();
            let classes = classes(word);
            // A word may be written together with another: `submituser`, `userprincipal`.
            if word.ends_with(b"user") || word.ends_with(b"principal") || classes & ACTOR != 0 {
                return Actor::Is;
            }
            if let Some(done) = word.strip_suffix(b"by") {
                let done = if done.is_empty() { self.word_before(end - 2) } else { done };
                let is_deed = done.len() > 2
                    && self::classes(done) & NO_DEED == 0
                    && (word == b"by" || done.ends_with(b"ed"));
                return if is_deed { Actor::IsAnywhere } else { Actor::Unsaid };
            }
            let tail = TAILS.iter().find(|tail| word.ends_with(tail)).map_or(0, |tail| tail.len());
            end -= if classes & PART != 0 { word.len() } else { tail };
            if end == 0 {
                return Actor::Identifies;
            }
            if end == head.len() {
                break;
            }
        }
        Actor::Unsaid
    }

    /// Returns the word that ends at `end`.
    fn word_before(&self, end: usize) -> &[u8] {
        self.text().get(self.start_of_word(end)..end).unwrap_or_default()
    }
}

/// The maximum length of a text that identifies somebody, in bytes: an address has up to
/// 254 (RFC 5321), and the name of its holder may stand before it.
const IDENTITY_BYTES_MAX: usize = 512;

/// Checks whether a text is one word, or a name and one word in brackets: `Ann Lee
/// <ann@example.com>`. A longer text may name anybody.
pub(super) fn is_identity(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    if text.len() > IDENTITY_BYTES_MAX {
        return false;
    }
    match text.iter().rposition(u8::is_ascii_whitespace) {
        None => true,
        Some(space) => {
            let name = text.get(..space).unwrap_or_default();
            matches!(text.get(space + 1), Some(b'<' | b'(')) && !name.contains(&b'@')
        }
    }
}

/// Words that stand directly before the actor in messages of sshd, sudo, PAM, PostgreSQL and
/// Windows, in small letters. PostgreSQL writes the user in quotes.
const BEFORE_ACTOR: [&[u8]; 5] = [b"user ", b"user=", b"user \"", b"user '", b"logname="];

/// Checks whether a part of a message is at a place for the actor: it is all of the text, or it is
/// behind a word for a user, between `for` and `from`, behind `by` and before `(`, or at the start
/// and before ` : `.
pub(super) fn is_mentioned(text: &[u8], part: &Range<usize>) -> bool {
    let head = text.get(..part.start).unwrap_or_default();
    let behind = text.get(part.end..).unwrap_or_default();
    let ends_with = |word: &[u8]| {
        let end = head.get(head.len().saturating_sub(word.len())..).unwrap_or_default();
        end.eq_ignore_ascii_case(word)
    };
    let tabs = head.len() - head.iter().rev().take_while(|byte| **byte == b'\t').count();
    let is_account = head.get(..tabs).is_some_and(|head| head.ends_with(b"Account Name:"));
    let is_first = head.is_empty() || ends_with(b"sudo: ") || head.ends_with(b"]: ");
    is_identity(text)
        || is_account
        || BEFORE_ACTOR.iter().any(|word| ends_with(word))
        || ends_with(b"for ") && behind.starts_with(b" from ")
        || ends_with(b"by ") && behind.starts_with(b"(")
        || is_first && behind.starts_with(b" : ")
}
