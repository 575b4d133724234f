//! What a read has brought, in order: requests that are complete, and answers that are still to be judged.

use std::collections::VecDeque;
use std::collections::vec_deque::Drain;
use std::iter;
use std::sync::Arc;

use super::sink::{Completion, Sink};
use super::unit::Answer;
use crate::shrink;

/// Neighbours of one kind.
#[derive(Debug)]
pub enum Run {
    /// So many completions, for this sink.
    Completed(Arc<dyn Sink>, usize),
    /// An answer to be judged.
    Answer(Answer),
}

/// What a read has brought.
#[derive(Debug, Default)]
pub struct Answers {
    completions: VecDeque<Completion>,
    runs: Vec<Run>,
    /// The sink of the last run, by the number that its link gave it.
    last: Option<u32>,
}

impl From<Answer> for Answers {
    fn from(answer: Answer) -> Answers {
        Answers { runs: vec![Run::Answer(answer)], ..Answers::default() }
    }
}

impl Answers {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Adds an answer to be judged.
    pub fn push(&mut self, answer: Answer) {
        self.last = None;
        self.runs.push(Run::Answer(answer));
    }

    /// Whether the last run is for the sink of this number, so that one more needs no reference to it.
    #[inline]
    pub(super) fn ends_with(&self, sink: u32) -> bool {
        self.last == Some(sink)
    }

    /// Adds a completion: to the last run, or with the sink of this number and reference to a new one.
    #[inline]
    pub(super) fn push_completion(&mut self, completion: Completion, number: u32, sink: Option<Arc<dyn Sink>>) {
        if self.ends_with(number) {
            if let Some(Run::Completed(_, count)) = self.runs.last_mut() {
                *count += 1;
            }
        } else if let Some(sink) = sink {
            self.runs.push(Run::Completed(sink, 1));
            self.last = Some(number);
        } else {
            return;
        }
        self.completions.push_back(completion);
    }

    /// Gives memory back, if it is much; all was taken out.
    pub(super) fn release_excess(&mut self) {
        shrink::release_excess(&mut self.completions);
        shrink::release_excess(&mut self.runs);
    }

    /// Takes everything out: `complete` delivers completions of one sink, `judge` gets the answers between them.
    pub fn drain(
        &mut self,
        mut complete: impl FnMut(Arc<dyn Sink>, Drain<'_, Completion>),
        mut judge: impl FnMut(&mut dyn Iterator<Item = Answer>),
    ) {
        self.last = None;
        let mut runs = self.runs.drain(..).peekable();
        while let Some(run) = runs.next() {
            match run {
                Run::Completed(sink, count) => {
                    let count = count.min(self.completions.len());
                    complete(sink, self.completions.drain(..count));
                }
                Run::Answer(first) => {
                    let mut next = Some(first);
                    judge(&mut iter::from_fn(|| {
                        next.take().or_else(|| match runs.next_if(|run| matches!(run, Run::Answer(_))) {
                            Some(Run::Answer(answer)) => Some(answer),
                            _ => None,
                        })
                    }));
                }
            }
        }
    }
}
