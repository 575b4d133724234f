//! Where the keys stand among the arguments, by the key specifications of the servers (redis.io: "Command key
//! specifications"). A rule that does not fit the arguments finds nothing: the server will refuse them.

use std::slice;

/// One rule that finds keys: where to begin, and how far it goes from there.
#[derive(Clone, Copy)]
pub(super) struct KeySpec {
    begin: Begin,
    span: Span,
    are_keys: bool,
}

#[derive(Clone, Copy)]
pub(super) enum Begin {
    /// At this argument.
    Index(usize),
    /// After this word, looked for from this argument on.
    Keyword(&'static str, usize),
    /// After the last STORE of SORT that is not itself an argument of another option.
    SortStore,
    /// After the last STORE or STOREDIST of GEORADIUS, looked for from this argument on: it stores its result once.
    GeoStore(usize),
    /// The key of MIGRATE, or what follows KEYS.
    Migrate,
}

#[derive(Clone, Copy)]
enum Span {
    /// To `last` behind the first key or, negative, from the end; `limit` 2 takes only the first half of the rest.
    Range { last: isize, step: usize, limit: usize },
    /// The first argument is the number of keys; they follow it.
    Counted { step: usize },
    /// All the rest if it begins at KEYS, else one.
    Migrate,
}

impl KeySpec {
    pub(super) const MIGRATE: KeySpec = KeySpec { begin: Begin::Migrate, span: Span::Migrate, are_keys: true };

    pub(super) const fn range(begin: Begin, last: isize, step: usize, limit: usize) -> KeySpec {
        KeySpec { begin, span: Span::Range { last, step, limit }, are_keys: true }
    }

    pub(super) const fn counted(begin: Begin, step: usize) -> KeySpec {
        KeySpec { begin, span: Span::Counted { step }, are_keys: true }
    }

    /// What it finds has a slot as a key has, but is none.
    pub(super) const fn not_keys(self) -> KeySpec {
        KeySpec { are_keys: false, ..self }
    }

    /// Where the one key stands, if it finds one in the same place always.
    #[inline]
    pub(super) const fn only_place(&self) -> Option<usize> {
        match (self.begin, self.span) {
            (Begin::Index(at), Span::Range { last: 0, .. }) if self.are_keys => Some(at),
            _ => None,
        }
    }

    /// The first position, the first beyond the last, and the step.
    fn find<A: AsRef<[u8]>>(&self, args: &[A]) -> Option<(usize, usize, usize)> {
        let first = match self.begin {
            Begin::Index(at) => at,
            Begin::Keyword(word, from) => position(args, word, from)? + 1,
            Begin::SortStore => sort_store(args)?,
            Begin::GeoStore(from) => geo_store(args, from)?,
            Begin::Migrate => migrate(args)?,
        };
        if first >= args.len() {
            return None;
        }
        let (first, end, step) = match self.span {
            Span::Range { last, step, .. } if last >= 0 => {
                (first, first.checked_add_signed(last)?.checked_add(1)?, step)
            }
            Span::Range { last, step, limit: 0 } => (first, args.len().checked_add_signed(last)?.checked_add(1)?, step),
            Span::Range { last, step, limit } => {
                let part = (args.len() - first).checked_div(limit)?;
                (first, (first + part).checked_add_signed(last)?.checked_add(1)?, step)
            }
            Span::Counted { step } => {
                let count = number(args.get(first)?.as_ref())?;
                let first = first + 1;
                let behind_last = count.checked_sub(1)?.checked_mul(step)?.checked_add(1)?;
                (first, first.checked_add(behind_last)?, step)
            }
            Span::Migrate => (first, if first == 3 { 4 } else { args.len() }, 1),
        };
        (end <= args.len()).then_some((first, end, step))
    }
}

/// The positions of the keys; made by [`super::key_positions`].
pub struct Positions<'a, A> {
    args: &'a [A],
    specs: slice::Iter<'static, KeySpec>,
    /// `None`: keys, and what has a slot as keys have.
    are_keys: Option<bool>,
    next: usize,
    end: usize,
    step: usize,
}

impl<'a, A: AsRef<[u8]>> Positions<'a, A> {
    pub(super) fn new(args: &'a [A], specs: &'static [KeySpec], are_keys: Option<bool>) -> Positions<'a, A> {
        Positions { args, specs: specs.iter(), are_keys, next: 0, end: 0, step: 1 }
    }
}

impl<A: AsRef<[u8]>> Iterator for Positions<'_, A> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        while self.next >= self.end {
            let spec = self.specs.next()?;
            if self.are_keys.is_none_or(|are_keys| spec.are_keys == are_keys)
                && let Some((first, end, step)) = spec.find(self.args)
            {
                (self.next, self.end, self.step) = (first, end, step);
            }
        }
        let position = self.next;
        self.next += self.step;
        Some(position)
    }
}

/// The keys themselves; made by [`super::keys`].
pub struct Keys<'a, A> {
    args: &'a [A],
    positions: Positions<'a, A>,
}

impl<'a, A: AsRef<[u8]>> Keys<'a, A> {
    pub(super) fn new(args: &'a [A], positions: Positions<'a, A>) -> Keys<'a, A> {
        Keys { args, positions }
    }
}

impl<'a, A: AsRef<[u8]>> Iterator for Keys<'a, A> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let position = self.positions.next()?;
        self.args.get(position).map(AsRef::as_ref)
    }
}

/// Where this word stands, not before `from`.
fn position<A: AsRef<[u8]>>(args: &[A], word: &str, from: usize) -> Option<usize> {
    let found = args.get(from..)?.iter().position(|arg| is(arg.as_ref(), word))?;
    Some(from + found)
}

fn sort_store<A: AsRef<[u8]>>(args: &[A]) -> Option<usize> {
    let mut store = None;
    let mut at = 2;
    while let Some(arg) = args.get(at) {
        let arg = arg.as_ref();
        if is(arg, "STORE") && at + 1 < args.len() {
            store = Some(at + 1);
            at += 1;
        } else if is(arg, "LIMIT") {
            at += 2;
        } else if is(arg, "GET") || is(arg, "BY") {
            at += 1;
        }
        at += 1;
    }
    store
}

fn geo_store<A: AsRef<[u8]>>(args: &[A], from: usize) -> Option<usize> {
    let mut store = None;
    let mut at = from;
    while at + 1 < args.len() {
        let names_key = args.get(at).is_some_and(|arg| is(arg.as_ref(), "STORE") || is(arg.as_ref(), "STOREDIST"));
        if names_key {
            at += 1;
            store = Some(at);
        }
        at += 1;
    }
    store
}

fn migrate<A: AsRef<[u8]>>(args: &[A]) -> Option<usize> {
    let mut at = 6;
    while let Some(arg) = args.get(at) {
        let arg = arg.as_ref();
        if is(arg, "KEYS") {
            // Both a key and KEYS: the server refuses it.
            return args.get(3)?.as_ref().is_empty().then_some(at + 1);
        }
        at += if is(arg, "AUTH2") { 3 } else { 1 + usize::from(is(arg, "AUTH")) };
    }
    Some(3)
}

fn is(arg: &[u8], word: &str) -> bool {
    arg.eq_ignore_ascii_case(word.as_bytes())
}

/// Digits only, as the server reads a count.
pub(super) fn number(text: &[u8]) -> Option<usize> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}
