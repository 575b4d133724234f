//! Readers of replies. A reply is read by one thread at a time, never changes, and is freed once, as a whole.

use std::ffi::{CStr, c_char};
use std::ptr::NonNull;

use super::boundary::{call, null};
use super::status::jr_status;
use crate::error::{Error, Status};
use crate::protocol::reply::{Kind, Node, Reply};

/// A string: bytes, length.
pub const JR_STRING: u32 = 1;
/// An array: items, length.
pub const JR_ARRAY: u32 = 2;
/// An integer: integer.
pub const JR_INTEGER: u32 = 3;
/// Nothing.
pub const JR_NIL: u32 = 4;
/// A status such as OK: bytes, length.
pub const JR_STATUS: u32 = 5;
/// An error: bytes, length; integer is its jr_status, flags hold its JR_OUTCOME_*.
pub const JR_ERROR: u32 = 6;
/// A floating-point number: number; bytes hold it as the server wrote it.
pub const JR_DOUBLE: u32 = 7;
/// A truth value: integer is 0 or 1.
pub const JR_BOOL: u32 = 8;
/// A map: items are key, value, key, value; length is twice the number of pairs.
pub const JR_MAP: u32 = 9;
/// A set: items, length.
pub const JR_SET: u32 = 10;
/// Attributes, as jr_reply_attributes gives them: like a map.
pub const JR_ATTR: u32 = 11;
/// A message out of turn, when it stands inside of another reply: items, length.
pub const JR_PUSH: u32 = 12;
/// A number of any size: its digits in bytes, length.
pub const JR_BIGNUM: u32 = 13;
/// Text with a format: bytes, length; integer holds the three letters of the format, the first in the lowest byte.
pub const JR_VERB: u32 = 14;

const _: () = {
    assert!(JR_STRING == Kind::String as u32 && JR_ARRAY == Kind::Array as u32);
    assert!(JR_INTEGER == Kind::Integer as u32 && JR_NIL == Kind::Nil as u32);
    assert!(JR_STATUS == Kind::Status as u32 && JR_ERROR == Kind::Error as u32);
    assert!(JR_DOUBLE == Kind::Double as u32 && JR_BOOL == Kind::Bool as u32);
    assert!(JR_MAP == Kind::Map as u32 && JR_SET == Kind::Set as u32);
    assert!(JR_ATTR == Kind::Attr as u32 && JR_PUSH == Kind::Push as u32);
    assert!(JR_BIGNUM == Kind::Bignum as u32 && JR_VERB == Kind::Verb as u32);
};

/// Frees a reply that was given to the program: all of it, whatever hangs below. Never a reply inside of another. NULL
/// does nothing. Any thread.
///
/// # Safety
/// `reply` is NULL or was given by this library and not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jr_reply_free(reply: *mut Node) {
    discard(reply);
}

/// Frees a reply; NULL does nothing.
pub(super) fn discard(reply: *mut Node) {
    if let Some(root) = NonNull::new(reply) {
        // SAFETY: it is the root of a reply that was given out and is given back once.
        drop(unsafe { Reply::from_raw(root) });
    }
}

/// The value of a key: of a map, or of an array that lists key, value, key, value as RESP2 does. NULL if there is no
/// such key, or `map` is NULL or neither. It belongs to `map`.
///
/// # Safety
/// `key` is NULL or ends with a NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jr_reply_find(map: Option<&Node>, key: *const c_char) -> Option<&Node> {
    if key.is_null() {
        return None;
    }
    // SAFETY: not NULL, and the caller promises a C string.
    let key = unsafe { CStr::from_ptr(key) };
    map?.find(key.to_bytes())
}

/// The attributes that the server sent with a value (RESP3), as a JR_ATTR with items like a map; NULL if there are
/// none. They belong to `reply`.
#[unsafe(no_mangle)]
pub extern "C" fn jr_reply_attributes(reply: Option<&Node>) -> Option<&Node> {
    reply?.attributes()
}

/// Reads the whole number in any reply that holds one: an integer, a truth value, a double without fraction, or a text
/// that is nothing but a number. JR_ERR_ARGUMENT: there is none or it does not fit; `out` is untouched then.
#[unsafe(no_mangle)]
pub extern "C" fn jr_reply_int64(reply: Option<&Node>, out: Option<&mut i64>) -> jr_status {
    read(reply, out, Node::to_i64, "a whole number of 64 bits")
}

/// Reads the number in any reply that holds one; otherwise as jr_reply_int64. A JR_DOUBLE or a text that is too large
/// for a double (1e400) does not fit; "inf" and "nan" do.
#[unsafe(no_mangle)]
pub extern "C" fn jr_reply_double(reply: Option<&Node>, out: Option<&mut f64>) -> jr_status {
    read(reply, out, Node::to_f64, "a number")
}

/// Reads a truth value: a JR_BOOL, the numbers 0 and 1, or exactly one of the texts "true", "false", "0", "1", and
/// nothing else: not "yes", "TRUE" or "OK". Otherwise as jr_reply_int64.
#[unsafe(no_mangle)]
pub extern "C" fn jr_reply_bool(reply: Option<&Node>, out: Option<&mut bool>) -> jr_status {
    read(reply, out, Node::to_bool, "a truth value")
}

fn read<T>(
    reply: Option<&Node>,
    out: Option<&mut T>,
    value: impl FnOnce(&Node) -> Option<T>,
    wanted: &str,
) -> jr_status {
    call(|| {
        let reply = reply.ok_or_else(|| null("reply"))?;
        let out = out.ok_or_else(|| null("out"))?;
        *out = value(reply).ok_or_else(|| Error::new(Status::Argument, format!("the reply does not hold {wanted}")))?;
        Ok(())
    })
}
