//! A cache of answers that games need again and again.

use std::collections::HashMap;

/// The most answers that are kept.
const ANSWERS_MAX: usize = 4096;

/// Answers by question.
#[derive(Debug)]
pub(crate) struct Memo<A>(HashMap<String, A>);

impl<A> Default for Memo<A> {
    fn default() -> Self {
        Memo(HashMap::new())
    }
}

impl<A: Clone> Memo<A> {
    /// Returns the answer to a question, and computes it if it is not known yet.
    pub(crate) fn get(&mut self, question: &str, answer: impl FnOnce() -> A) -> A {
        if let Some(answer) = self.0.get(question) {
            return answer.clone();
        }
        if self.0.len() >= ANSWERS_MAX {
            self.0.clear();
        }
        let answer = answer();
        self.0.insert(question.to_owned(), answer.clone());
        answer
    }
}
