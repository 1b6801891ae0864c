//! The keywords of JSON Schema, and their support here.

/// The meaning of a keyword to the compiler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keyword {
    /// The keyword is compiled, and has subschemas at these places.
    Compiled(Subschemas),
    /// The keyword does not affect the validity of a value.
    Annotation,
    /// The keyword affects the validity, but is not supported. The text says why, or what
    /// to use instead.
    Refused(&'static str),
    /// The name is no keyword. It counts as an annotation, and is reported.
    Unknown,
}

/// The places of a keyword's subschemas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subschemas {
    None,
    /// The value is a subschema.
    One,
    /// The subschemas are in an array.
    Items,
    /// The subschemas are in an object.
    Members,
    /// The subschemas are in an object, and only references apply them.
    Definitions,
}

/// The keywords of drafts 3 to 2020-12.
const KEYWORDS: [(&str, Keyword); 65] = {
    use Keyword::{Annotation, Refused};
    const NONE: Keyword = Keyword::Compiled(Subschemas::None);
    const ONE: Keyword = Keyword::Compiled(Subschemas::One);
    const ITEMS: Keyword = Keyword::Compiled(Subschemas::Items);
    const MEMBERS: Keyword = Keyword::Compiled(Subschemas::Members);
    const CONTENTS: Keyword = Refused("contents of strings are not checked");
    const REFERENCES: Keyword = Refused("use `$ref` and `$anchor`");
    [
        ("additionalProperties", ONE),
        ("propertyNames", ONE),
        ("items", ONE),
        ("contains", ONE),
        ("not", ONE),
        ("if", ONE),
        ("then", ONE),
        ("else", ONE),
        ("allOf", ITEMS),
        ("anyOf", ITEMS),
        ("oneOf", ITEMS),
        ("prefixItems", ITEMS),
        ("properties", MEMBERS),
        ("patternProperties", MEMBERS),
        ("dependentSchemas", MEMBERS),
        ("$defs", Keyword::Compiled(Subschemas::Definitions)),
        ("type", NONE),
        ("enum", NONE),
        ("const", NONE),
        ("multipleOf", NONE),
        ("maximum", NONE),
        ("exclusiveMaximum", NONE),
        ("minimum", NONE),
        ("exclusiveMinimum", NONE),
        ("maxLength", NONE),
        ("minLength", NONE),
        ("pattern", NONE),
        ("maxItems", NONE),
        ("minItems", NONE),
        ("uniqueItems", NONE),
        ("maxContains", NONE),
        ("minContains", NONE),
        ("maxProperties", NONE),
        ("minProperties", NONE),
        ("required", NONE),
        ("dependentRequired", NONE),
        ("format", NONE),
        ("$ref", NONE),
        ("$id", NONE),
        ("$anchor", NONE),
        ("$schema", NONE),
        ("$comment", Annotation),
        ("title", Annotation),
        ("description", Annotation),
        ("default", Annotation),
        ("examples", Annotation),
        ("deprecated", Annotation),
        ("readOnly", Annotation),
        ("writeOnly", Annotation),
        ("definitions", Annotation),
        (
            "unevaluatedProperties",
            Refused("name the members under `properties` and use `additionalProperties`"),
        ),
        ("unevaluatedItems", Refused("use `prefixItems` and `items`")),
        ("$dynamicRef", REFERENCES),
        ("$dynamicAnchor", REFERENCES),
        ("$recursiveRef", REFERENCES),
        ("$recursiveAnchor", REFERENCES),
        ("$vocabulary", Refused("the vocabularies are those of draft 2020-12")),
        ("contentEncoding", CONTENTS),
        ("contentMediaType", CONTENTS),
        ("contentSchema", CONTENTS),
        ("dependencies", Refused("use `dependentRequired` and `dependentSchemas`")),
        ("additionalItems", Refused("use `prefixItems` and `items`")),
        ("divisibleBy", Refused("use `multipleOf`")),
        ("disallow", Refused("use `not`")),
        ("extends", Refused("use `allOf`")),
    ]
};

/// Returns the name of a keyword that applies its subschemas, with the lifetime of the
/// program.
pub(super) fn applicator(name: &str) -> Option<&'static str> {
    let (known, keyword) = KEYWORDS.iter().find(|(known, _)| *known == name)?;
    match keyword {
        Keyword::Compiled(Subschemas::One | Subschemas::Items | Subschemas::Members) => Some(known),
        _ => None,
    }
}

/// The maximum number of edits at which a name counts as a misspelt keyword.
const EDITS_MAX: usize = 2;

/// Returns the meaning of a name. A name in no draft is an annotation (Core, section
/// 4.3.1), except names with a `$`, which are reserved by Core.
pub(super) fn keyword(name: &str) -> Keyword {
    match KEYWORDS.iter().find(|(known, _)| *known == name) {
        Some((_, keyword)) => *keyword,
        None if name.starts_with('$') => Keyword::Refused("names with a `$` are those of JSON Schema itself"),
        None if name.starts_with("x-") => Keyword::Annotation,
        None => Keyword::Unknown,
    }
}

/// Returns the keyword that was probably meant by a name that is none. Only keywords that
/// affect the validity count: when misspelt, they would have no effect.
pub(super) fn meant(name: &str) -> Option<&'static str> {
    let distance = |known: &str| match known.eq_ignore_ascii_case(name) {
        true => 0,
        false => strsim::damerau_levenshtein(name, known),
    };
    let asserting = KEYWORDS.iter().filter(|(_, keyword)| *keyword != Keyword::Annotation);
    let (distance, known) = asserting.map(|(known, _)| (distance(known), *known)).min()?;
    // In a short name, two edits could change everything.
    (distance <= EDITS_MAX.min(1 + known.len() / 4)).then_some(known)
}
