//! Waiting for a socket that belongs to nobody's requests yet: in a handshake.

use std::io;

use super::interest::EventInterest;
use super::stream::Stream;

/// Attempts until the socket takes bytes.
pub(super) async fn when_writable<T>(stream: &Stream, mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let mut is_told_of_room = false;
    loop {
        match attempt() {
            // There may be room before the event for it is enabled.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && !is_told_of_room => {
                stream.set_interest(EventInterest::ReadingAndWriting)?;
                is_told_of_room = true;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait(stream).await?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => {
                if is_told_of_room {
                    stream.set_interest(EventInterest::Reading)?;
                }
                return done;
            }
        }
    }
}

/// Attempts until the socket gives bytes; also says whether that took waiting.
pub(super) async fn when_readable<T>(
    stream: &Stream,
    mut attempt: impl FnMut() -> io::Result<T>,
) -> io::Result<(T, bool)> {
    let mut has_waited = false;
    loop {
        match attempt() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                wait(stream).await?;
                has_waited = true;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done.map(|done| (done, has_waited)),
        }
    }
}

/// Waits until something happens on the socket. To be followed by another attempt.
async fn wait(stream: &Stream) -> io::Result<()> {
    stream.ready().await?.clear_ready();
    Ok(())
}
