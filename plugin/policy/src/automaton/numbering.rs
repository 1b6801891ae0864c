//! Numbers an automaton's states in the order that its tables require.

use super::{Reached, number_all};
use flb_audit_core::automaton::States;

/// Puts states into the order of a table, and merges bytes that no state tells apart into
/// one class.
pub(super) fn numbered(reached: &Reached, is_late: bool) -> States {
    let mut order: Vec<usize> = (1..reached.next.len()).collect();
    order.sort_by_key(|state| reached.accepts[*state].is_empty());
    order.insert(0, 0);
    let mut numbers = vec![0; order.len()];
    order.iter().enumerate().for_each(|(number, state)| numbers[*state] = number);

    let columns: Vec<Vec<usize>> = (0..=reached.end())
        .map(|symbol| order.iter().map(|state| numbers[reached.next[*state][symbol]]).collect())
        .collect();
    let classes = number_all(reached.symbols.iter().map(|symbol| &columns[*symbol]));
    let class_count = classes.iter().max().map_or(0, |last| last + 1);
    let first = |class: usize| {
        classes.iter().position(|other| *other == class).map_or(0, |byte| reached.symbols[byte])
    };
    let symbols: Vec<usize> = (0..class_count).map(first).chain(is_late.then_some(reached.end())).collect();
    let row = |number: usize| symbols.iter().map(|symbol| columns[*symbol][number]).collect();
    let accepts = order.iter().map(|state| &reached.accepts[*state]);
    States {
        starts: reached.starts.map(|start| numbers[start]),
        next: (0..order.len()).map(row).collect(),
        accepts: accepts.filter(|accepts| !accepts.is_empty()).cloned().collect(),
        classes,
        is_late,
    }
}
