//! Slices: a long answer that is in memory is handed to its connection a slice at a time.
//!
//! actix-web copies what a body yields into the buffer of its connection, sends that, and keeps the buffer
//! for the next answer, up to a size: a thousand identity providers that have each read a page of 100 KiB
//! would hold 100 MiB while they rest. A buffer is sent as soon as it holds as much as a slice. What is
//! longer than what is kept goes whole, which takes the system fewer calls.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{
    Error,
    body::{BodySize, BoxBody, MessageBody},
    web::Bytes,
};

/// How long a slice is, in bytes; about what the buffer of a connection grows to.
pub(crate) const SLICE_BYTES: usize = 16 << 10;

/// How long a buffer may be that is kept, in bytes (actix-http 3.20, `h1/dispatcher.rs`).
const KEPT_BYTES_MAX: usize = 128 << 10;

/// The same body; in slices if it is in memory and would leave a long buffer behind.
pub(crate) fn slices(body: BoxBody) -> BoxBody {
    let leaves_buffer = |bytes| (SLICE_BYTES as u64 + 1..=KEPT_BYTES_MAX as u64).contains(&bytes);
    if !matches!(body.size(), BodySize::Sized(bytes) if leaves_buffer(bytes)) {
        return body;
    }
    body.try_into_bytes().map_or_else(|body| body, |bytes| Slices(bytes).boxed())
}

/// What is left of a body.
struct Slices(Bytes);

impl MessageBody for Slices {
    type Error = Error;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.0.len() as u64)
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Error>>> {
        let length = self.0.len().min(SLICE_BYTES);
        Poll::Ready((length > 0).then(|| Ok(self.0.split_to(length))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn yielded(body: BoxBody) -> Vec<Bytes> {
        let mut body = slices(body);
        let mut context = Context::from_waker(std::task::Waker::noop());
        let mut all = Vec::new();
        while let Poll::Ready(Some(bytes)) = Pin::new(&mut body).poll_next(&mut context) {
            all.push(bytes.unwrap());
        }
        all
    }

    #[test]
    fn a_long_body_comes_in_slices_and_whole() {
        let long: Vec<u8> = (0..=255).cycle().take(2 * SLICE_BYTES + 5).collect();
        let body = slices(BoxBody::new(long.clone()));
        assert!(matches!(body.size(), BodySize::Sized(size) if size == long.len() as u64));
        let all = yielded(body);
        assert_eq!(all.iter().map(Bytes::len).collect::<Vec<_>>(), [SLICE_BYTES, SLICE_BYTES, 5]);
        assert_eq!(all.concat(), long);
    }

    #[test]
    fn what_leaves_no_long_buffer_behind_is_left_as_it_is() {
        for bytes in [1, SLICE_BYTES, KEPT_BYTES_MAX + 1] {
            assert_eq!(yielded(BoxBody::new(vec![1; bytes])), [vec![1; bytes]]);
        }
        assert!(yielded(BoxBody::new(Bytes::new())).is_empty());
        assert!(matches!(
            slices(BoxBody::new(actix_web::body::None::new())).size(),
            BodySize::None
        ));
    }
}
