//! What is asked in a simulation, by random choice.

use std::time::Duration;

use fastrand::Rng;

use super::command::{SCRIPTS, Verb};
use crate::client::request::{Request, Timeout};
use crate::topology::Route;

/// One request.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What its calls do.
    pub verbs: Vec<Verb>,
    /// As one transaction.
    pub atomic: bool,
    /// Its user says that it may run twice.
    pub idempotent: bool,
    /// How long it may take.
    pub timeout: Option<Duration>,
    /// The tags of their keys, in a cluster.
    pub tags: Vec<usize>,
}

impl Asked {
    /// Any request; in a cluster with keys of one of so many tags.
    pub fn any(random: &mut Rng, tags: usize) -> Asked {
        let (verbs, atomic) = match random.u8(0..100) {
            0..55 => (1, false),
            55..82 => (random.usize(2..6), false),
            _ => (random.usize(1..5), true),
        };
        let timeout = match random.u8(0..10) {
            0..4 => None,
            4..7 => Some(random.u64(1..30)),
            _ => Some(random.u64(1..3000)),
        };
        let tag = random.usize(0..tags.max(1));
        let is_spread = !atomic && random.bool();
        let tag = |_| if is_spread { random.usize(0..tags.max(1)) } else { tag };
        let tags = if tags > 0 { (0..verbs).map(tag).collect() } else { Vec::new() };
        Asked {
            verbs: (0..verbs).map(|_| Asked::verb(random)).collect(),
            atomic,
            idempotent: random.u8(0..3) == 0,
            timeout: timeout.map(Duration::from_millis),
            tags,
        }
    }

    /// A request with which the server may wait.
    pub fn waiting(random: &mut Rng, tags: usize) -> Asked {
        let verb = Verb::Pop(random.choice([0, 50, 500, 2000]).unwrap_or_default());
        let asked = Asked::any(random, tags);
        let tags = if tags > 0 { vec![random.usize(0..tags)] } else { Vec::new() };
        Asked { verbs: vec![verb], atomic: false, idempotent: false, timeout: asked.timeout, tags }
    }

    /// Whether the server may wait with it, and how long it does in milliseconds.
    pub fn waits(&self) -> Option<u64> {
        match self.verbs[..] {
            [Verb::Pop(millis)] => Some(millis),
            _ => None,
        }
    }

    fn verb(random: &mut Rng) -> Verb {
        match random.u8(0..6) {
            0 => Verb::Eval(random.usize(0..SCRIPTS)),
            1 | 2 => Verb::Increment,
            3 => Verb::Get,
            4 => Verb::Set,
            _ => Verb::Append,
        }
    }

    /// How many units it has in the outgoing bytes.
    pub fn units(&self) -> usize {
        if self.atomic { 1 } else { self.verbs.len() }
    }

    /// The arguments of its calls, which have these numbers.
    pub fn args(&self, numbers: std::ops::Range<u32>, random: &mut Rng) -> Vec<Vec<Vec<u8>>> {
        let mut length = || if random.u8(0..60) == 0 { random.usize(0..40_000) } else { random.usize(0..40) };
        let args =
            |((index, verb), number): ((usize, &Verb), u32)| verb.args(number, length(), self.tags.get(index).copied());
        self.verbs.iter().enumerate().zip(numbers).map(args).collect()
    }

    /// As the client takes it.
    pub fn request<'a, A>(&self, commands: &'a [&'a [A]], user_data: u64) -> Request<'a, A> {
        Request {
            commands,
            atomic: self.atomic,
            idempotent: self.idempotent,
            dedicated: false,
            cached: false,
            replica: false,
            timeout: self.timeout.map_or(Timeout::None, Timeout::After),
            route: Route::ByKey,
            subscription: 0,
            user_data,
        }
    }
}
