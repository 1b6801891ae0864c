//! Keys that denote who did it, in records of any format.
//!
//! What such a key holds says who acted: e-mail addresses in it stay, or the policy's
//! rule for identities is for it. An object under such a key is walked, so that
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

use super::name::Words;

/// What a key says of who did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Actor {
    /// Nothing: its value is of whom the object is that has it.
    Unsaid,
    /// As [`Actor::Unsaid`]. In an object that is an actor, its value identifies the actor.
    Identifies,
    /// Its value is an actor, unless it is in what is somebody else.
    Is,
    /// Its value is an actor, wherever it is.
    IsAnywhere,
    /// Its value is somebody else, or a text that may name anybody.
    Other,
}

/// Of whom a value is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Whose {
    #[default]
    Unknown,
    Actor,
    Other,
}

impl Whose {
    /// Of whom a member's value is, by its key.
    pub(super) fn of(key: Actor, object: Whose) -> Whose {
        match (key, object) {
            (Actor::IsAnywhere, _) | (Actor::Is, Whose::Unknown | Whose::Actor) => Whose::Actor,
            (Actor::Other, _) => Whose::Other,
            _ => object,
        }
    }
}

/// Who acts.
const ACTORS: &[&[u8]] = &[
    b"actor",
    b"actors",
    b"principal",
    b"initiator",
    b"operator",
    b"caller",
    b"requester",
    b"requestor",
    b"invoker",
    b"author",
    b"committer",
    b"pusher",
    b"owner",
    b"creator",
    b"submitter",
    b"approver",
    b"reviewer",
    b"editor",
    b"modifier",
    b"updater",
    b"deleter",
    b"uploader",
    b"performer",
    b"executor",
    b"originator",
    b"impersonator",
    b"delegator",
    b"admin",
    b"administrator",
    b"subject",
    b"sub",
    b"identity",
    b"claims",
    b"login",
    b"logon",
    b"acct",
    b"auth",
    b"authentication",
    b"employee",
    b"who",
    b"whodunnit",
    b"by",
];

/// Keys that mean an actor wherever they are.
const ANYWHERE: &[&[u8]] = &[
    b"alternateid",
    b"upn",
    b"userprincipalname",
    b"principalemail",
    b"principalid",
    b"principalsubject",
    b"sourceidentity",
    b"rolesessionname",
    b"subjectfromwebidentitytoken",
    b"onbehalfof",
    b"runas",
    b"nameid",
    b"samaccountname",
];

/// What is done by somebody, where it is none of this: `sorted_by`.
const NOT_BY: &[&[u8]] = &[
    b"sort",
    b"sorted",
    b"order",
    b"ordered",
    b"group",
    b"grouped",
    b"filter",
    b"filtered",
    b"partition",
    b"partitioned",
    b"indexed",
    b"followed",
    b"required",
    b"replaced",
    b"superseded",
    b"powered",
    b"cluster",
    b"clustered",
    b"separated",
    b"divided",
    b"limited",
    b"stand",
    b"near",
    b"seconded",
];

/// What of an actor a key has.
const PARTS: &[&[u8]] = &[
    b"name",
    b"names",
    b"email",
    b"mail",
    b"address",
    b"addr",
    b"id",
    b"ids",
    b"uid",
    b"uuid",
    b"guid",
    b"sid",
    b"upn",
    b"dn",
    b"arn",
    b"login",
    b"handle",
    b"nick",
    b"username",
    b"user",
    b"display",
    b"full",
    b"first",
    b"last",
    b"given",
    b"family",
    b"sur",
    b"middle",
    b"identifier",
    b"external",
    b"alternate",
    b"alternative",
    b"preferred",
    b"primary",
    b"profile",
];

/// What the word for an actor may have behind it that says no more.
const INFO: &[&[u8]] = &[b"info", b"details", b"detail", b"context", b"data", b"object", b"ref", b"record"];

/// Somebody else, as a word anywhere in a key.
const OTHERS: &[&[u8]] = &[
    b"target",
    b"targets",
    b"recipient",
    b"recipients",
    b"receiver",
    b"customer",
    b"customers",
    b"invitee",
    b"invitees",
    b"invited",
    b"affected",
    b"victim",
    b"contact",
    b"contacts",
    b"patient",
    b"member",
    b"members",
    b"assignee",
    b"assignees",
    b"beneficiary",
    b"payee",
    b"payer",
    b"subscriber",
    b"buyer",
    b"shopper",
    b"manager",
    b"supervisor",
    b"to",
    b"cc",
    b"bcc",
    b"dest",
    b"destination",
    b"reported",
];

/// A text that may name anybody, as the last word of a key.
const PROSE: &[&[u8]] = &[
    b"message",
    b"msg",
    b"comment",
    b"comments",
    b"note",
    b"notes",
    b"description",
    b"desc",
    b"reason",
    b"text",
    b"body",
    b"query",
    b"statement",
    b"sql",
    b"command",
    b"cmd",
    b"url",
    b"uri",
];

/// How many words may stand behind that for an actor.
const PARTS_MAX: usize = 4;

impl Actor {
    /// What a key says.
    pub(super) fn of(key: &[u8]) -> Actor {
        let words = Words::of(key);
        let text = words.text();
        if words.has_any(OTHERS) || PROSE.iter().any(|word| words.ends_with_word(text.len(), word)) {
            return Actor::Other;
        }
        if ANYWHERE.iter().any(|word| words.ends_with_word(text.len(), word)) {
            return Actor::IsAnywhere;
        }
        let mut end = text.len();
        for _ in 0..=PARTS_MAX {
            if let Some(actor) = words.actor_at(end) {
                return actor;
            }
            let head = text.get(..end).unwrap_or_default();
            let part = PARTS.iter().chain(INFO).find(|part| head.ends_with(part));
            match part {
                Some(part) => end -= part.len(),
                None => return Actor::Unsaid,
            }
            if end == 0 {
                return Actor::Identifies;
            }
        }
        Actor::Unsaid
    }
}

impl Words {
    /// Whether one of these words ends at `end`, whole.
    fn ends_with_word(&self, end: usize, word: &[u8]) -> bool {
        let head = self.text().get(..end).unwrap_or_default();
        head.strip_suffix(word).is_some_and(|rest| rest.is_empty() || self.starts_at(rest.len()))
    }

    fn has_any(&self, others: &[&[u8]]) -> bool {
        let len = self.text().len();
        let is_end = |at: usize| at == len || self.starts_at(at);
        (1..=len).filter(|at| is_end(*at)).any(|at| others.iter().any(|word| self.ends_with_word(at, word)))
    }

    /// What the words up to `end` say, if the last of them is one for an actor.
    fn actor_at(&self, end: usize) -> Option<Actor> {
        let head = self.text().get(..end)?;
        // `submituser`, `userprincipal`: in one word, too.
        if head.ends_with(b"user") || head.ends_with(b"principal") {
            return Some(Actor::Is);
        }
        let done = head.strip_suffix(b"by").filter(|done| !done.is_empty());
        if let Some(done) = done
            && (self.starts_at(done.len()) || done.ends_with(b"ed"))
        {
            let is_none = NOT_BY.iter().any(|word| done.ends_with(word));
            return (!is_none).then_some(Actor::IsAnywhere);
        }
        ACTORS.iter().any(|word| self.ends_with_word(end, word)).then_some(Actor::Is)
    }
}

/// The longest text that identifies somebody, in bytes: an address has 254 (RFC 5321),
/// and what names its holder stands before it.
const IDENTITY_BYTES_MAX: usize = 512;

/// Whether a text is of one word, or of a name and one word in brackets, `Ann Lee
/// <ann@example.com>`. What is longer may name anybody.
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
