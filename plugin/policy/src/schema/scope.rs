//! The schemas of a document, and the meaning of references to them.

use super::SchemaError;
use super::document::{Json, Value, join};
use super::keyword::{Keyword, Subschemas, applicator, keyword};
use super::uri;
use std::collections::HashMap;

/// A schema in a document.
#[derive(Clone, Debug)]
pub(super) struct Place<'d> {
    pub(super) schema: &'d Value,
    /// The place in the document, as a JSON Pointer.
    pub(super) pointer: String,
    /// The URI that it belongs to.
    pub(super) base: String,
    /// The keyword that applies it. If only references lead to it, there is none, and
    /// this is `false`.
    pub(super) applied_by: &'static str,
}

/// All schemas of a document.
pub(super) struct Scope<'d> {
    text: &'d str,
    /// The schemas, by their start in the text.
    places: HashMap<usize, Place<'d>>,
    /// Whole resources, by URI.
    resources: HashMap<String, Place<'d>>,
    /// The starts of schemas with an anchor, by URI and name.
    anchors: HashMap<(String, String), usize>,
}

const NO_KEYWORD: &str = "false";

impl<'d> Scope<'d> {
    pub(super) fn of(text: &'d str, document: &'d Value) -> Result<Self, SchemaError> {
        let mut scope =
            Scope { text, places: HashMap::new(), resources: HashMap::new(), anchors: HashMap::new() };
        let root = Place {
            schema: document,
            pointer: String::new(),
            base: uri::DEFAULT_BASE.into(),
            applied_by: NO_KEYWORD,
        };
        scope.resources.insert(root.base.clone(), root.clone());
        scope.enter(root)?;
        Ok(scope)
    }

    pub(super) fn place(&self, schema: &Value) -> Option<&Place<'d>> {
        self.places.get(&schema.at)
    }

    /// Adds the schema at `place` and those within it.
    fn enter(&mut self, mut place: Place<'d>) -> Result<(), SchemaError> {
        if self.places.contains_key(&place.schema.at) {
            return Ok(());
        }
        let error = |pointer: &str, value: &Value, message: String| {
            SchemaError::new(self.text, value.at, &join(&place.pointer, pointer), message)
        };
        if let Some(id) = place.schema.member("$id") {
            let text = id.as_str().ok_or_else(|| error("$id", id, "`$id` has to be a string".into()))?;
            let (reference, fragment) = uri::split(text);
            if !fragment.is_empty() {
                return Err(error("$id", id, "`$id` must not have a fragment; see `$anchor`".into()));
            }
            let base = uri::resolve(&place.base, reference);
            place.base = base.map_err(|what| error("$id", id, format!("`$id` is `{text}`: {what}")))?;
            if let Some(other) = self.resources.insert(place.base.clone(), place.clone())
                && other.schema.at != place.schema.at
            {
                return Err(error("$id", id, format!("`{}` has this `$id` too", other.pointer)));
            }
        }
        if let Some(anchor) = place.schema.member("$anchor") {
            let name = anchor.as_str().filter(|name| is_anchor(name));
            let message = "`$anchor` has to be a name of letters, digits, `-`, `_` and `.`";
            let name = name.ok_or_else(|| error("$anchor", anchor, message.into()))?;
            let key = (place.base.clone(), name.to_owned());
            if self.anchors.insert(key, place.schema.at).is_some() {
                return Err(error("$anchor", anchor, format!("there are two of `{name}`")));
            }
        }
        for member in place.schema.members() {
            let Keyword::Compiled(subschemas) = keyword(&member.name) else {
                continue;
            };
            let pointer = join(&place.pointer, &member.name);
            let applied_by = applicator(&member.name).unwrap_or(NO_KEYWORD);
            let mut inner = |schema: &'d Value, pointer: String| {
                let is_schema = matches!(schema.json, Json::Object(_) | Json::Boolean(_));
                if is_schema {
                    self.enter(Place { schema, pointer, base: place.base.clone(), applied_by })
                } else {
                    let message = "a schema has to be an object or a boolean".into();
                    Err(SchemaError::new(self.text, schema.at, &pointer, message))
                }
            };
            match (subschemas, &member.value.json) {
                (Subschemas::None, _) => {}
                (Subschemas::One, _) => inner(&member.value, pointer)?,
                (Subschemas::Items, Json::Array(items)) => {
                    for (index, item) in items.iter().enumerate() {
                        inner(item, join(&pointer, &index.to_string()))?;
                    }
                }
                (Subschemas::Members | Subschemas::Definitions, Json::Object(members)) => {
                    for member in members {
                        inner(&member.value, join(&pointer, &member.name))?;
                    }
                }
                (wanted, _) => {
                    let wanted = if wanted == Subschemas::Items { "an array" } else { "an object" };
                    let message = format!("`{}` has to be {wanted} of schemas", member.name);
                    return Err(SchemaError::new(self.text, member.value.at, &pointer, message));
                }
            }
        }
        self.places.insert(place.schema.at, place);
        Ok(())
    }

    /// Returns the schema that a `$ref` in `place` refers to.
    pub(super) fn resolve(&mut self, place: &Place<'d>, reference: &str) -> Result<&'d Value, String> {
        let (uri, fragment) = uri::split(reference);
        let uri =
            uri::resolve(&place.base, uri).map_err(|what| format!("`$ref` to `{reference}`: {what}"))?;
        let Some(resource) = self.resources.get(&uri) else {
            return Err(format!(
                "`$ref` to `{reference}`: that is in another document, and references stay within the document"
            ));
        };
        let fragment = uri::decode(fragment).ok_or("`$ref` has a broken percent-encoding")?;
        if !fragment.is_empty() && !fragment.starts_with('/') {
            let at = self.anchors.get(&(uri, fragment));
            let found = at.and_then(|at| self.places.get(at)).map(|place| place.schema);
            return found.ok_or_else(|| format!("`$ref` to `{reference}`: there is no such anchor"));
        }
        let (mut schema, mut pointer) = (resource.schema, resource.pointer.clone());
        let mut base = resource.base.clone();
        for token in fragment.split('/').skip(1) {
            let token = token.replace("~1", "/").replace("~0", "~");
            let child = schema.child(&token);
            schema = child.ok_or_else(|| format!("`$ref` to `{reference}`: there is nothing there"))?;
            pointer = join(&pointer, &token);
            if let Some(place) = self.places.get(&schema.at) {
                base = place.base.clone();
            }
        }
        if !matches!(schema.json, Json::Object(_) | Json::Boolean(_)) {
            return Err(format!("`$ref` to `{reference}`: that is no schema"));
        }
        // The schema may be under a keyword without subschemas, such as `definitions`.
        self.enter(Place { schema, pointer, base, applied_by: NO_KEYWORD })
            .map_err(|error| format!("`$ref` to `{reference}`, which is no schema: {error}"))?;
        Ok(schema)
    }
}

/// Checks the name of an anchor (Core, section 8.2.2).
fn is_anchor(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|character| character.is_ascii_alphanumeric() || "-_.".contains(character))
}
