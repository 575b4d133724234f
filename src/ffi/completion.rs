//! The final answer of a request as C sees it.

use super::status::jr_status;
use crate::client::completion;
use crate::connection::sink::Completion;
use crate::protocol::reply::Node;

/// More completions of this request follow: it has a completion for each of its messages, and at last one without this.
pub const JR_COMPLETION_MORE: u32 = 8;
/// Messages may be missing before this one: the connection was lost and made again. After that each channel is
/// confirmed once more, with this flag; from there on nothing of that channel is missing.
pub const JR_COMPLETION_GAP: u32 = 16;
/// Messages were dropped before this one: they were not taken fast enough. How many, its attributes say (see
/// jr_reply_attributes): a map with "dropped". On a final completion the flag stands without them.
pub const JR_COMPLETION_DROPPED: u32 = 32;

const _: () = {
    assert!(JR_COMPLETION_MORE == completion::MORE);
    assert!(JR_COMPLETION_GAP == completion::GAP);
    assert!(JR_COMPLETION_DROPPED == completion::DROPPED);
};

/// What came of a request. 32 bytes on 64-bit, and never changes.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct jr_completion {
    /// Yours, untouched.
    pub user_data: u64,
    /// The id that jr_submit gave.
    pub request: u64,
    /// What the server said, or a JR_ERROR that says why there is no answer; of a pipeline that failed the JR_ARRAY, of
    /// a route to several nodes the JR_MAP, in which each answer or JR_ERROR has its place. Never NULL; yours to free.
    pub reply: *mut Node,
    /// JR_OK, JR_ERR_SERVER, or why there is no answer.
    pub status: jr_status,
    /// Exactly one JR_OUTCOME_* bit, and JR_COMPLETION_* bits.
    pub flags: u32,
}

/// Takes a completion. It runs on the one callback thread of its client, in the order of the completions; the struct
/// lives during the call, its reply until you free it. It may submit, cancel and free anything; it must not wait. A
/// slow one delays those behind it, and nothing else.
pub type jr_callback = Option<unsafe extern "C" fn(completion: *const jr_completion)>;

/// A callback that is there.
pub(super) type Function = unsafe extern "C" fn(*const jr_completion);

// SAFETY: the reply is owned by the completion alone, and a reply may move between threads.
unsafe impl Send for jr_completion {}

impl From<Completion> for jr_completion {
    fn from(completion: Completion) -> jr_completion {
        let Completion { user_data, request, status, flags, reply } = completion;
        jr_completion { user_data, request, reply: reply.into_raw(), status: status.code(), flags }
    }
}
