//! A server that sentinels know by a name: they are asked where it is and listened to, all of them, and its links are
//! led to wherever they say. What that means for requests is the client's.
//!
//! Invariant: tasks end when the client is closed. The lock of what is known is let go before anything is done about
//! it.

pub mod agreement;
pub mod answer;
pub mod listening;
pub mod watch;

use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::watch::{Receiver, Sender};
use tokio::time::{sleep, sleep_until};

use self::answer::Told;
use self::listening::{Audience, Heard};
use self::watch::{Action, Watch};
use super::node::Node;
use crate::address::Address;
use crate::config::Config;
use crate::connection::background_driver::Opening;
use crate::connection::endpoints::Endpoints;
use crate::connection::inquiry::Inquiry;
use crate::connection::purpose::Purpose;
use crate::error::{Error, Status};
use crate::lock::Lock;
use crate::runtime::{Runtime, catch_panic};

/// Between two rounds of questions that the loss of the primary is the reason for.
const LEAST_PAUSE: Duration = Duration::from_millis(300);

/// Between two rounds of questions while requests are held back.
const HELD_PAUSE: Duration = Duration::from_millis(50);

/// After so long the old primary has become a replica and ended its connections; what has not ended by then never will.
const DEMOTED_AFTER: Duration = Duration::from_secs(15);

/// A defect that shows at once again shall not keep the I/O thread busy.
const PAUSE_AFTER_PANIC: Duration = Duration::from_millis(100);

/// Who is told what sentinels say.
pub trait Listener: Send + Sync {
    /// The primary is at this address from now on, before it was at the other.
    fn on_primary(&self, address: &Address, previous: Option<&Address>);
    /// A sentinel says something else than the others, or something wrong.
    fn on_dissent(&self, sentinel: &Address, sentence: &str);
    /// What asks the server at this address to stop waiting with commands, and how many replies it gets.
    fn interrupt(&self, address: &Address) -> Vec<(Bytes, u32)>;
}

/// The sentinels of a client.
pub struct Sentinels {
    name: String,
    /// Of the server.
    node: Arc<Node>,
    /// How to speak with sentinels; `None`: the client is closed.
    opening: Lock<Option<Opening>>,
    watch: Lock<Watch>,
    listener: OnceLock<Weak<dyn Listener>>,
    /// Counts what is a reason for all sentinels to be asked.
    rounds: Sender<u64>,
    /// Counts what may change when to look at the clock.
    changes: Sender<u64>,
    ended: Sender<bool>,
}

impl Sentinels {
    /// Of the server behind this node; nobody is asked yet. `opening`: how to speak with the server.
    pub fn new(node: Arc<Node>, opening: &Opening) -> Sentinels {
        let name = opening.config.sentinel.name.clone().unwrap_or_default();
        let watch = Lock::new(Watch::new(&name, &opening.config.endpoints));
        let config: Config = opening.config.of_sentinels();
        let asks = opening.config.sentinel.credentials_callback;
        let credentials = Arc::new(opening.credentials.of_sentinels(&config, asks));
        let (identity, learnt) = (Arc::default(), Arc::default());
        let opening = Opening { config: Arc::new(config), credentials, identity, learnt, ..opening.clone() };
        Sentinels {
            name,
            node,
            opening: Lock::new(Some(opening)),
            watch,
            listener: OnceLock::new(),
            rounds: Sender::new(0),
            changes: Sender::new(0),
            ended: Sender::new(false),
        }
    }

    /// Begins to ask and to listen.
    pub fn start(self: &Arc<Self>, listener: Weak<dyn Listener>, runtime: &Runtime) {
        _ = self.listener.set(listener);
        let Some(opening) = self.opening() else { return };
        let sentinels: Vec<Address> = self.watch.lock().sentinels().cloned().collect();
        for address in sentinels {
            runtime.spawn(listening::run(Arc::clone(self), opening.clone(), address));
        }
        runtime.spawn(supervise(Arc::clone(self), opening));
    }

    /// All its tasks end.
    pub fn close(&self) {
        self.opening.lock().take();
        self.ended.send_replace(true);
    }

    /// What each sentinel says: the address of the primary, or why it names none.
    pub fn opinions(&self) -> Vec<(Address, Result<Address, String>)> {
        let watch = self.watch.lock();
        watch.opinions().map(|(sentinel, opinion)| (sentinel.clone(), opinion.cloned())).collect()
    }

    /// Lets all sentinels be asked.
    pub fn ask(&self) {
        self.rounds.send_modify(|round| *round += 1);
    }

    fn opening(&self) -> Option<Opening> {
        self.opening.lock().clone()
    }

    /// Sleeps; false: the client was closed meanwhile.
    async fn pause(&self, pause: Duration) -> bool {
        let mut ended = self.ended.subscribe();
        let closed = ended.wait_for(|ended| *ended);
        tokio::select! {
            () = sleep(pause) => true,
            _ = closed => false,
        }
    }

    /// What is learnt of a sentinel is done something about. To be called on the I/O thread.
    fn learn(self: &Arc<Self>, event: impl FnOnce(&mut Watch, Instant) -> Vec<Action>) {
        let actions = event(&mut self.watch.lock(), Instant::now());
        for action in actions {
            self.carry_out(action);
        }
        self.changes.send_modify(|change| *change += 1);
    }

    fn carry_out(self: &Arc<Self>, action: Action) {
        // Of a client that is closed nothing is started.
        let Some(opening) = self.opening() else { return };
        match action {
            Action::Listen(address) => self.spawn(opening.clone(), listening::run(Arc::clone(self), opening, address)),
            // Its task finds out.
            Action::Ignore(_) => {}
            Action::Ask => self.ask(),
            Action::Hold => {
                self.hold();
                let me = Arc::clone(self);
                self.spawn(opening, async move {
                    while me.pause(HELD_PAUSE).await && me.watch.lock().is_holding() {
                        me.ask();
                    }
                });
            }
            Action::Check(address) => self.check(opening, address),
            Action::Adopt(address, previous) => self.adopt(opening, &address, previous),
            Action::Keep(address) => {
                self.announce(&address);
                let me = Arc::clone(self);
                self.spawn(opening, async move {
                    if me.pause(LEAST_PAUSE).await {
                        me.ask();
                    }
                });
            }
            Action::Fail(error) => self.with_endpoints(|endpoints| endpoints.fail(error)),
            Action::Warn(sentinel, sentence) => {
                if let Some(listener) = self.listener() {
                    listener.on_dissent(&sentinel, &sentence);
                }
            }
        }
    }

    fn listener(&self) -> Option<Arc<dyn Listener>> {
        self.listener.get()?.upgrade()
    }

    /// Runs a task; the client is not closed before its end, as `opening` says.
    fn spawn(&self, opening: Opening, task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(async move {
            // There is nobody to tell of a panic; what it was about is tried again by others.
            _ = catch_panic(task).await;
            drop(opening);
        });
    }

    fn with_endpoints(&self, then: impl FnOnce(&Endpoints)) {
        if let Ok(opening) = self.node.opening() {
            then(&opening.endpoints);
        }
    }

    fn announce(&self, address: &Address) {
        self.with_endpoints(|endpoints| _ = endpoints.announce(address));
    }

    /// Nothing more is sent to the old primary, but by who has a connection to himself.
    fn hold(&self) {
        self.with_endpoints(|endpoints| endpoints.seek());
        self.lead(|purpose| matches!(purpose, Purpose::Commands(_)));
    }

    /// Nothing more is sent to the old primary until it is known whether this one is a primary.
    fn check(self: &Arc<Self>, opening: Opening, address: Address) {
        self.hold();
        let Ok(of_server) = self.node.opening() else { return };
        let me = Arc::clone(self);
        self.spawn(opening, async move {
            let mut ended = me.ended.subscribe();
            let role = tokio::select! {
                asked = Inquiry::dial(&of_server, &address, true, &|_| {}) => asked.map(drop),
                _ = ended.wait_for(|ended| *ended) => return,
            };
            me.learn(|watch, now| watch.on_role(&address, role, now));
        });
    }

    fn adopt(self: &Arc<Self>, opening: Opening, address: &Address, previous: Option<Address>) {
        let commands = previous.as_ref().and_then(|previous| Some(self.listener()?.interrupt(previous)));
        self.announce(address);
        self.node.expire(u64::MAX).iter().for_each(|link| link.close());
        self.lead(|purpose| matches!(purpose, Purpose::Commands(_) | Purpose::Dedicated(_)));
        // What is missed until it has subscribed anew is told.
        self.leave(address, is_for_messages);
        if let Some(listener) = self.listener() {
            listener.on_primary(address, previous.as_ref());
        }
        let Some(previous) = previous else { return };
        let (me, of_server) = (Arc::clone(self), self.node.opening());
        let new = address.clone();
        self.spawn(opening, async move {
            if let Some(commands) = commands.filter(|commands| !commands.is_empty())
                && let Ok(of_server) = &of_server
            {
                me.interrupt(of_server, &previous, commands).await;
            }
            let grace = me.node.opening().map_or(Duration::ZERO, |opening| opening.config.unblock_grace);
            if me.pause(grace).await {
                me.leave(&new, |purpose| matches!(purpose, Purpose::Commands(_)));
            }
            if me.pause(DEMOTED_AFTER).await {
                me.leave(&new, |_| true);
            }
        });
    }

    /// Asks the old primary to stop waiting with commands, so that they can go to the new one. If it does not hear that
    /// it will stop by itself, when it becomes a replica.
    async fn interrupt(&self, of_server: &Opening, previous: &Address, commands: Vec<(Bytes, u32)>) {
        let mut ended = self.ended.subscribe();
        let asked = async {
            let mut inquiry = Inquiry::dial(of_server, previous, false, &|_| {}).await?;
            for (bytes, replies) in commands {
                inquiry.ask_encoded(bytes, replies).await?;
            }
            Ok::<(), Error>(())
        };
        tokio::select! {
            _ = asked => {}
            _ = ended.wait_for(|ended| *ended) => {}
        }
    }

    /// Links to the server drain and are dialled where it was announced.
    fn lead(&self, which: impl Fn(Purpose) -> bool) {
        for link in self.node.links().iter().filter(|link| which(link.purpose())) {
            link.reconnect();
        }
    }

    /// Gives up the connections that lead elsewhere than to this address.
    fn leave(&self, address: &Address, which: impl Fn(Purpose) -> bool) {
        let address = address.to_string();
        if self.watch.lock().believed().is_none_or(|believed| believed.to_string() != address) {
            // It is not the primary any more.
            return;
        }
        for link in self.node.links().into_iter().filter(|link| which(link.purpose())) {
            let status = link.status();
            if status.connected && status.address != address {
                link.abort(Error::new(Status::Lost, format!("given up, because {address} is the primary now")));
            }
        }
    }
}

fn is_for_messages(purpose: Purpose) -> bool {
    matches!(purpose, Purpose::Subscriptions | Purpose::Invalidations | Purpose::Monitor)
}

impl Audience for Sentinels {
    fn name(&self) -> &str {
        &self.name
    }

    fn listens_to(&self, sentinel: &Address) -> bool {
        !*self.ended.borrow() && self.watch.lock().listens_to(sentinel)
    }

    fn rounds(&self) -> Receiver<u64> {
        self.rounds.subscribe()
    }

    fn ended(&self) -> Receiver<bool> {
        self.ended.subscribe()
    }

    fn hear(self: &Arc<Self>, from: &Address, heard: Heard) {
        self.learn(|watch, now| match heard {
            Heard::Word(word) => watch.on_word(from, word, now),
            Heard::Told(Told::Switched(primary)) => watch.on_switch(from, primary, now),
            Heard::Told(Told::Promoting(replica)) => watch.on_promoting(from, replica, now),
            Heard::Failure(error) => watch.on_failure(from, error, now),
            Heard::Warning(error) => vec![Action::Warn(from.clone(), error.message)],
        });
    }
}

/// Looks at the clock, and lets sentinels be asked when the server cannot be reached.
async fn supervise(me: Arc<Sentinels>, opening: Opening) {
    let mut changes = me.changes.subscribe();
    while !*me.ended.borrow() {
        if catch_panic(look(&me, &mut changes)).await.is_err() {
            sleep(PAUSE_AFTER_PANIC).await;
        }
    }
    drop(opening);
}

async fn look(me: &Arc<Sentinels>, changes: &mut Receiver<u64>) {
    let mut ended = me.ended.subscribe();
    let Ok(of_server) = me.node.opening() else {
        // The client is being closed.
        _ = ended.wait_for(|ended| *ended).await;
        return;
    };
    let mut may_ask = Instant::now();
    let mut ask_at = None;
    while !*ended.borrow_and_update() {
        changes.mark_unchanged();
        let due = me.watch.lock().due().into_iter().chain(ask_at).min();
        tokio::select! {
            () = sleep_until(due.unwrap_or(may_ask).into()), if due.is_some() => {
                let now = Instant::now();
                if ask_at.take_if(|at| *at <= now).is_some() {
                    may_ask = now + LEAST_PAUSE;
                    me.ask();
                }
                me.learn(Watch::on_time);
            }
            _ = changes.changed() => {}
            () = of_server.endpoints.failure() => ask_at = Some(may_ask),
            _ = ended.changed() => {}
        }
    }
}
