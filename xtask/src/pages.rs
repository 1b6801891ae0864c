//! Pages in Markdown: their links, and the ids of their headings.

use pulldown_cmark::{Event, Parser, Tag, TagEnd};
use std::collections::HashSet;
use std::ops::Range;

/// A link or an image of a page.
#[derive(Debug, PartialEq, Eq)]
pub struct Link {
    /// The address as written.
    pub to: String,
    /// The text between the brackets, without its markup.
    pub text: String,
    /// The bytes of the page that the whole link takes.
    pub range: Range<usize>,
}

/// Returns the links of a page, in order.
pub fn links(page: &str) -> Vec<Link> {
    let mut links = Vec::new();
    let mut open: Vec<Link> = Vec::new();
    for (event, range) in Parser::new(page).into_offset_iter() {
        match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                open.push(Link { to: dest_url.into_string(), text: String::new(), range });
            }
            Event::End(TagEnd::Link | TagEnd::Image) => links.extend(open.pop()),
            Event::Text(text) | Event::Code(text) => {
                if let Some(link) = open.last_mut() {
                    link.text.push_str(&text);
                }
            }
            _ => {}
        }
    }
    links
}

/// Returns the ids of a page's headings, as GitHub and mdBook make them: the second
/// heading with the same name gets `-1`, the third `-2`.
pub fn heading_ids(page: &str) -> HashSet<String> {
    let mut ids = HashSet::new();
    let mut heading: Option<String> = None;
    for event in Parser::new(page) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => {
                let id = heading_id(&heading.take().unwrap_or_default());
                let numbered = (1..).map(|number| format!("{id}-{number}"));
                let mut names = std::iter::once(id.clone()).chain(numbered);
                ids.extend(names.find(|name| !ids.contains(name)));
            }
            Event::Text(text) | Event::Code(text) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&text);
                }
            }
            _ => {}
        }
    }
    ids
}

fn heading_id(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}
