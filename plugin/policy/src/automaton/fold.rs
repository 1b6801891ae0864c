//! Widened triggers: letters in either case, and any digit for a digit.
//!
//! A trigger only starts a closer look, and the automaton of all widened triggers has
//! fewer states and half as many classes of bytes.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Capture, Class, ClassBytes, ClassBytesRange, Hir, HirKind, Repetition};

/// Returns a pattern that matches everything that `pattern` matches, and more.
pub fn folded(pattern: &str) -> Result<String, Box<regex_syntax::Error>> {
    let hir = ParserBuilder::new().unicode(false).utf8(false).build().parse(pattern);
    hir.map(|hir| fold(&hir).to_string()).map_err(Box::new)
}

fn fold(hir: &Hir) -> Hir {
    let inner = |hir: &Hir| Box::new(fold(hir));
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => hir.clone(),
        HirKind::Literal(literal) => {
            let bytes = literal.0.iter().map(|byte| folded_class([ClassBytesRange::new(*byte, *byte)]));
            Hir::concat(bytes.collect())
        }
        HirKind::Class(Class::Bytes(class)) => folded_class(class.ranges().iter().copied()),
        HirKind::Class(_) => hir.clone(),
        HirKind::Repetition(repetition) => {
            Hir::repetition(Repetition { sub: inner(&repetition.sub), ..repetition.clone() })
        }
        HirKind::Capture(capture) => Hir::capture(Capture { sub: inner(&capture.sub), ..capture.clone() }),
        HirKind::Concat(parts) => Hir::concat(parts.iter().map(fold).collect()),
        HirKind::Alternation(parts) => Hir::alternation(parts.iter().map(fold).collect()),
    }
}

fn folded_class(ranges: impl IntoIterator<Item = ClassBytesRange>) -> Hir {
    let mut class = ClassBytes::new(ranges);
    class.case_fold_simple();
    let is_digit = |range: &ClassBytesRange| range.start() <= b'9' && range.end() >= b'0';
    if class.ranges().iter().any(is_digit) {
        class.push(ClassBytesRange::new(b'0', b'9'));
    }
    Hir::class(Class::Bytes(class))
}
