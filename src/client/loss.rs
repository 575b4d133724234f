//! What becomes of a unit whose connection ended after at least one byte of it was sent. Pure.
//!
//! Invariant: again goes only what certainly did not run, or what may run twice.

/// How far MULTI .. EXEC had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// MULTI was not answered: whether the server queues the commands is not known.
    Unanswered,
    /// MULTI was accepted: nothing runs before EXEC.
    Queued,
    /// MULTI was accepted and a command refused: EXEC, if it was read at all, ran nothing.
    Refused,
    /// MULTI was refused: the commands may have run one by one.
    NotBegun,
}

/// What is known of a unit that was lost.
#[derive(Clone, Copy, Debug)]
pub struct LostUnit {
    /// All of it was sent.
    pub is_whole: bool,
    /// It is MULTI .. EXEC.
    pub block: Option<Block>,
    /// It must not be sent on a second connection.
    pub is_tied: bool,
    /// Its own reply broke the rules (or a limit), and would do so again.
    pub is_culprit: bool,
    /// It may run twice.
    pub may_run_twice: bool,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The refusal that came is its answer.
    Answered,
    /// It is sent again, if it has an attempt left.
    Again,
    /// It ends.
    Ended,
}

impl LostUnit {
    /// Whether the server may have run it in this attempt.
    pub fn may_have_run(&self) -> bool {
        match self.block {
            None | Some(Block::Queued) => self.is_whole,
            Some(Block::Refused) => false,
            Some(Block::Unanswered | Block::NotBegun) => true,
        }
    }

    /// What becomes of it.
    pub fn fate(&self) -> Fate {
        if self.block == Some(Block::Refused) {
            return Fate::Answered;
        }
        let may_go_again = match self.may_have_run() {
            false => true,
            true => self.block.is_none() && self.may_run_twice,
        };
        if may_go_again && !self.is_tied && !self.is_culprit { Fate::Again } else { Fate::Ended }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case() {
        use Block::{NotBegun, Queued, Refused, Unanswered};
        use Fate::{Again, Answered, Ended};
        // Wholly sent or not, block, may run twice: the fate if it is neither tied nor a culprit, whether it may have
        // run.
        for (is_whole, block, may_run_twice, fate, may_have_run) in [
            (false, None, false, Again, false),
            (false, None, true, Again, false),
            (true, None, false, Ended, true),
            (true, None, true, Again, true),
            (false, Some(Unanswered), true, Ended, true),
            (true, Some(Unanswered), true, Ended, true),
            (false, Some(Queued), false, Again, false),
            (true, Some(Queued), true, Ended, true),
            (false, Some(Refused), false, Answered, false),
            (true, Some(Refused), false, Answered, false),
            (false, Some(NotBegun), true, Ended, true),
            (true, Some(NotBegun), true, Ended, true),
        ] {
            for (is_tied, is_culprit) in [(false, false), (true, false), (false, true), (true, true)] {
                let unit = LostUnit { is_whole, block, is_tied, is_culprit, may_run_twice };
                let is_held = (is_tied || is_culprit) && fate == Again;
                let fate = if is_held { Ended } else { fate };
                assert_eq!((unit.fate(), unit.may_have_run()), (fate, may_have_run), "{unit:?}");
            }
        }
    }
}
