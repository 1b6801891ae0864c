//! The table of verdicts in `docs/operating.md` is generated from the program. With
//! `BLESS=1` in the environment, the test writes it.

use flb_audit::verdict::Verdict;
use std::path::Path;
use std::{env, fs};

#[test]
fn the_table_of_verdicts_is_the_programs() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operating.md");
    let text = fs::read_to_string(&page).expect("the page");
    let table = Verdict::markdown();
    let (title, _) = table.split_once('\n').expect("a title");
    let start = text.find(title).expect("a table with that title");
    let end = text[start..].find("\n\n").map_or(text.len(), |len| start + len + 1);
    if env::var_os("BLESS").is_some() {
        fs::write(&page, [&text[..start], &table, &text[end..]].concat()).expect("the page");
    } else {
        assert_eq!(text[start..end], table, "BLESS=1 writes the page");
    }
}
