//! The C API as tests call it: waiting, by queue and by callback. Nearly everything unsafe of the tests is here.

use std::ffi::CString;
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::ptr;

use justredis::error::Outcome;
use justredis::ffi::client::jr_client_stats;
use justredis::ffi::client::{jr_cancel, jr_client, jr_client_close, jr_client_free, jr_client_lease, jr_client_new};
use justredis::ffi::completion::{JR_COMPLETION_MORE, jr_callback, jr_completion};
use justredis::ffi::config::{jr_config_free, jr_config_new, jr_config_set};
use justredis::ffi::queue::{jr_queue, jr_queue_fd, jr_queue_free, jr_queue_new, jr_queue_take};
use justredis::ffi::request::{jr_bytes, jr_command, jr_request};
use justredis::ffi::status::JR_OK;
use justredis::ffi::submit::{jr_execute, jr_submit, jr_submit_many};
use justredis::protocol::reply::Reply;

use super::transport;

/// A completion, whichever way it came.
pub struct Completion {
    pub user_data: u64,
    pub status: i32,
    /// The only one that its flags name; `None`: none or several.
    pub outcome: Option<Outcome>,
    pub is_last: bool,
    pub reply: Reply,
}

impl Completion {
    /// # Safety
    /// It came from the library, and its reply is not taken yet.
    unsafe fn of(raw: &jr_completion) -> Completion {
        let named = [Outcome::NotRun, Outcome::Unknown, Outcome::Answered];
        let mut named = named.into_iter().filter(|outcome| raw.flags & outcome.bit() != 0);
        let outcome = named.next().filter(|_| named.next().is_none());
        // SAFETY: as the caller says.
        let reply = unsafe { Reply::from_raw(ptr::NonNull::new(raw.reply).unwrap()) };
        let is_last = raw.flags & JR_COMPLETION_MORE == 0;
        Completion { user_data: raw.user_data, status: raw.status, outcome, is_last, reply }
    }
}

/// What a callback does with completions of all clients.
pub type Receive = fn(Completion);

/// Where a completion goes.
#[derive(Clone, Copy)]
pub enum Target<'a> {
    Queue(&'a Queue),
    Callback,
}

/// Commands and the options of a request.
pub struct Call<'a> {
    pub commands: &'a [Vec<Vec<u8>>],
    pub flags: u32,
    pub timeout_ms: u32,
    pub user_data: u64,
}

/// A client or a lease, freed with its value.
pub struct Client(Option<Box<jr_client>>);

impl Client {
    pub fn new(url: &str, options: &[(&str, &str)]) -> Client {
        let mut config = jr_config_new().unwrap();
        let trust = transport::trust(url);
        let trust = trust.iter().map(|(key, value)| (*key, value.as_str()));
        for (key, value) in [("url", url)].into_iter().chain(trust).chain(options.iter().copied()) {
            let (key, value) = (CString::new(key).unwrap(), CString::new(value).unwrap());
            // SAFETY: both end with a NUL and live through the call.
            assert_eq!(unsafe { jr_config_set(Some(&mut config), key.as_ptr(), value.as_ptr()) }, JR_OK);
        }
        let mut client = MaybeUninit::uninit();
        assert_eq!(jr_client_new(Some(&config), Some(&mut client)), JR_OK);
        jr_config_free(Some(config));
        // SAFETY: JR_OK means that it was made.
        Client(Some(unsafe { client.assume_init() }))
    }

    pub fn lease(&self) -> Client {
        let mut lease = MaybeUninit::uninit();
        assert_eq!(jr_client_lease(self.0.as_deref(), None, Some(&mut lease)), JR_OK);
        // SAFETY: JR_OK means that it was made.
        Client(Some(unsafe { lease.assume_init() }))
    }

    /// Waits for the answer: status and reply.
    pub fn execute(&self, call: &Call<'_>) -> (i32, Reply) {
        let mut reply = ptr::null_mut();
        // SAFETY: the request and what it leads to live through the call.
        let status = with(call, |request| unsafe { jr_execute(self.0.as_deref(), request, Some(&mut reply)) });
        // SAFETY: it is the caller's now.
        (status, unsafe { Reply::from_raw(ptr::NonNull::new(reply).unwrap()) })
    }

    /// Gives the id, or why it was not accepted.
    pub fn submit(&self, call: &Call<'_>, target: Target<'_>) -> Result<u64, i32> {
        let mut id = 0;
        let status = with(call, |request| {
            match target {
                Target::Queue(queue) => request.queue = ptr::from_ref(queue.raw()).cast_mut(),
                Target::Callback => request.callback = CALLBACK,
            }
            // SAFETY: the request and what it leads to live through the call.
            unsafe { jr_submit(self.0.as_deref(), request, Some(&mut id)) }
        });
        if status == JR_OK { Ok(id) } else { Err(status) }
    }

    /// Submits the same request so many times at once.
    pub fn submit_many(&self, call: &Call<'_>, count: usize, queue: &Queue) {
        let accepted = with(call, |request| {
            request.queue = ptr::from_ref(queue.raw()).cast_mut();
            let requests = vec![*request; count];
            // SAFETY: the requests and what they lead to live through the call.
            unsafe { jr_submit_many(self.0.as_deref(), requests.as_ptr(), count, ptr::null_mut()) }
        });
        assert_eq!(accepted, count as i64);
    }

    pub fn stats(&self) -> Reply {
        let mut stats = ptr::null_mut();
        assert_eq!(jr_client_stats(self.0.as_deref(), Some(&mut stats)), JR_OK);
        // SAFETY: JR_OK says that there is a reply, and it is the caller's now.
        unsafe { Reply::from_raw(ptr::NonNull::new(stats).unwrap()) }
    }

    pub fn cancel(&self, id: u64) {
        jr_cancel(self.0.as_deref(), id);
    }

    pub fn close(&self, timeout_ms: u32) {
        jr_client_close(self.0.as_deref(), timeout_ms);
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        jr_client_free(self.0.take());
    }
}

fn with<T>(call: &Call<'_>, then: impl FnOnce(&mut jr_request) -> T) -> T {
    let bytes = |word: &Vec<u8>| jr_bytes { data: word.as_ptr().cast(), len: word.len() };
    let words: Vec<Vec<jr_bytes>> = call.commands.iter().map(|words| words.iter().map(bytes).collect()).collect();
    let command = |words: &Vec<jr_bytes>| jr_command { args: words.as_ptr(), count: words.len() };
    let commands: Vec<jr_command> = words.iter().map(command).collect();
    // SAFETY: all zero is a request of nothing, to be filled in.
    let mut request: jr_request = unsafe { MaybeUninit::zeroed().assume_init() };
    (request.size, request.commands, request.count) = (size_of::<jr_request>(), commands.as_ptr(), commands.len());
    (request.flags, request.timeout_ms, request.user_data) = (call.flags, call.timeout_ms, call.user_data);
    then(&mut request)
}

/// The callback of all calls.
const CALLBACK: jr_callback = Some(received);

static RECEIVE: std::sync::OnceLock<Receive> = std::sync::OnceLock::new();

/// Says what becomes of completions that come by callback; the same for all tests of a process.
pub fn receive_by(receive: Receive) {
    RECEIVE.get_or_init(|| receive);
}

unsafe extern "C" fn received(completion: *const jr_completion) {
    // SAFETY: the library gives a completion that lives through the call, and its reply is ours.
    let completion = unsafe { Completion::of(&*completion) };
    RECEIVE.get().unwrap()(completion);
}

/// A queue, freed with its value.
pub struct Queue(Option<Box<jr_queue>>);

impl Queue {
    /// With the descriptor that an event loop polls, or without.
    pub fn new(has_descriptor: bool) -> Queue {
        let queue = Queue(jr_queue_new());
        assert!(!has_descriptor || jr_queue_fd(Some(queue.raw())) >= 0);
        queue
    }

    /// What an event loop polls; only with a descriptor.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        // SAFETY: the queue owns it, and lives as long.
        unsafe { BorrowedFd::borrow_raw(jr_queue_fd(Some(self.raw()))) }
    }

    /// At most one completion, without waiting.
    pub fn take_one(&self) -> Option<Completion> {
        let mut room = MaybeUninit::uninit();
        // SAFETY: there is room for one, and it is read when it was written.
        unsafe {
            let count = jr_queue_take(Some(self.raw()), room.as_mut_ptr(), 1, 0);
            (count == 1).then(|| Completion::of(room.assume_init_ref()))
        }
    }

    fn raw(&self) -> &jr_queue {
        self.0.as_deref().unwrap()
    }

    pub fn take(&self, timeout_ms: i32) -> Vec<Completion> {
        const MOST: usize = 16;
        let mut room: [MaybeUninit<jr_completion>; MOST] = [const { MaybeUninit::uninit() }; MOST];
        // SAFETY: there is room for so many, and as many as it says are read, each once.
        unsafe {
            let count = jr_queue_take(Some(self.raw()), room[0].as_mut_ptr(), 1, timeout_ms);
            let count = match count {
                1 => 1 + jr_queue_take(Some(self.raw()), room[1].as_mut_ptr(), MOST - 1, 0),
                count => count,
            };
            let count = usize::try_from(count).unwrap();
            room[..count].iter().map(|raw| Completion::of(raw.assume_init_ref())).collect()
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        jr_queue_free(self.0.take());
    }
}
