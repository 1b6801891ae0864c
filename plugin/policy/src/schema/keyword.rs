//! The keywords of JSON Schema, and which of them are spoken here.

/// What a keyword is to the compiler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keyword {
    /// It is compiled, and has these subschemas.
    Compiled(Subschemas),
    /// It says nothing of a value's validity.
    Annotation,
    /// It does, and is not supported; this is why or what to use instead.
    Refused(&'static str),
}

/// Where the subschemas of a keyword are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subschemas {
    None,
    /// Its value is one.
    One,
    /// In an array.
    Items,
    /// In an object.
    Members,
}

/// Of drafts 4 to 2020-12. What is in none of them is an annotation (Core,
/// section 4.3.1), but for names with a `$`, which are Core's own.
pub(super) fn keyword(name: &str) -> Keyword {
    use Keyword::{Annotation, Compiled, Refused};
    match name {
        "additionalProperties" | "propertyNames" | "items" | "contains" | "not" | "if" | "then" | "else" => {
            Compiled(Subschemas::One)
        }
        "allOf" | "anyOf" | "oneOf" | "prefixItems" => Compiled(Subschemas::Items),
        "properties" | "patternProperties" | "dependentSchemas" | "$defs" => Compiled(Subschemas::Members),
        "type" | "enum" | "const" | "multipleOf" | "maximum" | "exclusiveMaximum" | "minimum"
        | "exclusiveMinimum" | "maxLength" | "minLength" | "pattern" | "maxItems" | "minItems"
        | "uniqueItems" | "maxContains" | "minContains" | "maxProperties" | "minProperties" | "required"
        | "dependentRequired" | "format" | "$ref" | "$id" | "$anchor" | "$schema" => {
            Compiled(Subschemas::None)
        }
        "$comment" => Annotation,
        "unevaluatedProperties" => {
            Refused("name the members under `properties` and use `additionalProperties`")
        }
        "unevaluatedItems" => Refused("use `prefixItems` and `items`"),
        "$dynamicRef" | "$dynamicAnchor" | "$recursiveRef" | "$recursiveAnchor" => {
            Refused("use `$ref` and `$anchor`")
        }
        "$vocabulary" => Refused("the vocabularies are those of draft 2020-12"),
        "contentEncoding" | "contentMediaType" | "contentSchema" => {
            Refused("contents of strings are not checked")
        }
        "dependencies" => Refused("use `dependentRequired` and `dependentSchemas`"),
        "additionalItems" => Refused("use `prefixItems` and `items`"),
        name if name.starts_with('$') => Refused("names with a `$` are those of JSON Schema itself"),
        _ => Annotation,
    }
}
