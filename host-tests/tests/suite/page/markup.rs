//! A strict parser for the pages' HTML: it fails at everything that our pages do not use.

use std::collections::{BTreeMap, BTreeSet};

/// The elements that pages use.
const ELEMENTS: [&str; 44] = [
    "html", "head", "meta", "title", "style", "body", "svg", "defs", "pattern", "rect", "path", "use",
    "header", "p", "h1", "h2", "h3", "span", "strong", "nav", "ul", "li", "a", "main", "section", "dl",
    "div", "dt", "dd", "code", "bdi", "details", "summary", "table", "caption", "thead", "tbody", "tr", "th",
    "td", "br", "footer", "script", "circle",
];
const ATTRIBUTES: [&str; 28] = [
    "lang",
    "charset",
    "http-equiv",
    "content",
    "name",
    "class",
    "id",
    "href",
    "aria-hidden",
    "aria-label",
    "role",
    "tabindex",
    "scope",
    "open",
    "data-by",
    "data-searched",
    "data-filtered",
    "width",
    "height",
    "x",
    "y",
    "d",
    "patternUnits",
    "patternTransform",
    "r",
    "cx",
    "cy",
    "transform",
];
/// The elements without an end tag.
const VOID: [&str; 2] = ["meta", "br"];

/// A parsed page.
pub(super) struct Page {
    /// The elements with their attributes.
    pub(super) elements: Vec<(String, BTreeMap<String, String>)>,
    /// The text of each element that has any, in order.
    pub(super) texts: Vec<String>,
}

impl Page {
    pub(super) fn read(page: &str) -> Page {
        let mut rest = page.strip_prefix("<!DOCTYPE html>").expect("a document type");
        let (mut elements, mut texts, mut open) = (Vec::new(), Vec::new(), Vec::<String>::new());
        while let Some(start) = rest.find('<') {
            let text = &rest[..start];
            assert!(!text.contains('>') || text.trim().is_empty(), "a stray >: {text:?}");
            if !text.trim().is_empty() {
                texts.push(unescaped(text));
            }
            rest = &rest[start + 1..];
            if let Some(end) = rest.strip_prefix('/') {
                let (name, after) = end.split_once('>').expect("an end");
                assert_eq!(open.pop().as_deref(), Some(name), "the end of an element that is open");
                rest = after;
                continue;
            }
            let (name, attributes, after) = tag(rest);
            assert!(ELEMENTS.contains(&&*name), "an element that pages do not have: {name:?}");
            rest = after;
            if ["style", "script"].contains(&&*name) {
                rest = &rest[rest.find(&format!("</{name}>")).expect("an end")..];
            }
            if !VOID.contains(&&*name) {
                open.push(name.clone());
            }
            elements.push((name, attributes));
        }
        assert!(open.is_empty() && rest.trim().is_empty(), "{open:?} are open; {rest:?} is left");
        Page { elements, texts }
    }

    pub(super) fn count(&self, name: &str) -> usize {
        self.elements.iter().filter(|(element, _)| element == name).count()
    }

    /// Returns all text, with a space between elements.
    pub(super) fn text(&self) -> String {
        self.texts.join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Checks that every reference stays in the page and has a target.
    pub(super) fn check_references(&self) {
        let ids: Vec<&String> =
            self.elements.iter().filter_map(|(_, attributes)| attributes.get("id")).collect();
        let unique: BTreeSet<&String> = ids.iter().copied().collect();
        assert_eq!(ids.len(), unique.len(), "ids are unique");
        for href in self.elements.iter().filter_map(|(_, attributes)| attributes.get("href")) {
            let id = href.strip_prefix('#').unwrap_or_else(|| panic!("leads out of the page: {href:?}"));
            assert!(unique.contains(&id.to_owned()), "leads nowhere: {href:?}");
        }
    }
}

/// Parses a tag after its `<`. Returns name, attributes, and the rest of the text.
fn tag(text: &str) -> (String, BTreeMap<String, String>, &str) {
    let name_end = text.find([' ', '>']).expect("a tag's end");
    let (name, mut rest) = text.split_at(name_end);
    let mut attributes = BTreeMap::new();
    while let Some(more) = rest.strip_prefix(' ') {
        let end = more.find([' ', '=', '>']).expect("an attribute's end");
        let attribute = &more[..end];
        assert!(
            ATTRIBUTES.contains(&attribute),
            "an attribute that pages do not have: {attribute:?} of {name}"
        );
        rest = &more[end..];
        let mut value = String::new();
        if let Some(quoted) = rest.strip_prefix("=\"") {
            let (inner, after) = quoted.split_once('"').expect("a value's end");
            assert!(!inner.contains(['<', '>']), "a value: {inner:?}");
            (value, rest) = (unescaped(inner), after);
        }
        attributes.insert(attribute.to_owned(), value);
    }
    (name.to_owned(), attributes, rest.strip_prefix('>').expect("a tag's end"))
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}
