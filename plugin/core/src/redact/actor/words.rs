//! The words of keys that say who the value belongs to, in a table.

/// The classes of a word, a bit each.
pub(super) type Classes = u8;

/// The word means somebody who acts.
pub(super) const ACTOR: Classes = 1 << 0;
/// As the last word or the whole key, the word means an actor wherever it stands.
pub(super) const ANYWHERE: Classes = 1 << 1;
/// Before `by`, the word is no act of a person: `sorted_by`.
pub(super) const NO_DEED: Classes = 1 << 2;
/// It only says which property of an actor a key holds, or adds nothing to the word before
/// it.
pub(super) const PART: Classes = 1 << 3;
/// The word means somebody other than the actor.
pub(super) const OTHER: Classes = 1 << 4;
/// As the last word, the word says that the value is a text, which may name anybody.
pub(super) const PROSE: Classes = 1 << 5;

const WORDS: [(Classes, &[&[u8]]); 6] = [
    (
        ACTOR,
        &[
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
        ],
    ),
    (
        ANYWHERE,
        &[
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
        ],
    ),
    (
        NO_DEED,
        &[
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
        ],
    ),
    (
        PART,
        &[
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
            b"info",
            b"details",
            b"detail",
            b"context",
            b"data",
            b"object",
            b"ref",
            b"record",
        ],
    ),
    (
        OTHER,
        &[
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
        ],
    ),
    (
        PROSE,
        &[
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
        ],
    ),
];

/// Each word with its classes. The slots say where the search for a word begins: it goes on
/// from slot to slot until an empty one.
struct Table {
    entries: [(&'static [u8], Classes); ENTRIES],
    /// The number of an entry plus 1; 0 is an empty slot.
    slots: [u8; SLOTS],
}

const ENTRIES: usize = 169;
const SLOTS: usize = 512;
static TABLE: Table = table();

/// Returns the classes of a word: none if it is not in the table.
pub(super) fn classes(word: &[u8]) -> Classes {
    let mut slot = slot(word);
    while let Some((known, classes)) =
        TABLE.slots.get(slot).and_then(|entry| TABLE.entries.get(usize::from(*entry).wrapping_sub(1)))
    {
        if *known == word {
            return *classes;
        }
        slot = (slot + 1) % SLOTS;
    }
    0
}

/// Returns the slot at which the search for a word begins.
const fn slot(word: &[u8]) -> usize {
    let len = word.len();
    if len == 0 {
        return 0;
    }
    let (first, middle, last) = (word[0] as usize, word[len / 2] as usize, word[len - 1] as usize);
    (first + 7 * middle + 31 * last + 101 * len) % SLOTS
}

const fn table() -> Table {
    let mut table = Table { entries: [(b"", 0); ENTRIES], slots: [0; SLOTS] };
    let (mut count, mut list) = (0, 0);
    while list < WORDS.len() {
        let (class, words) = WORDS[list];
        let mut at = 0;
        while at < words.len() {
            let word = words[at];
            let mut slot = slot(word);
            while table.slots[slot] != 0 && !is_same(table.entries[table.slots[slot] as usize - 1].0, word) {
                slot = (slot + 1) % SLOTS;
            }
            if table.slots[slot] == 0 {
                table.entries[count] = (word, 0);
                count += 1;
                table.slots[slot] = count as u8;
            }
            table.entries[table.slots[slot] as usize - 1].1 |= class;
            at += 1;
        }
        list += 1;
    }
    assert!(count == ENTRIES, "each entry is a word");
    table
}

const fn is_same(one: &[u8], other: &[u8]) -> bool {
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_has_its_classes_and_others_have_none() {
        for (class, words) in WORDS {
            for word in words {
                assert!(classes(word) & class != 0, "{word:?}");
            }
        }
        assert_eq!((classes(b"login"), classes(b"upn")), (ACTOR | PART, ANYWHERE | PART));
        for other in ["", "a", "actorx", "acto", "users", "requestuid"] {
            assert_eq!(classes(other.as_bytes()), 0, "{other}");
        }
    }
}
