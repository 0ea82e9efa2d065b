//! Slices: a long answer that is in memory is handed to its connection a slice at a time.
//!
//! actix-web copies what a body yields into the buffer of its connection, sends that, and keeps the buffer
//! for the next answer, up to 128 KiB: a thousand identity providers that have each read a page of 100 KiB
//! would hold 100 MiB while they rest. A buffer is sent as soon as it holds as much as a slice.

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

/// The same body; in slices if it is in memory and longer than one.
pub(crate) fn slices(body: BoxBody) -> BoxBody {
    if !matches!(body.size(), BodySize::Sized(bytes) if bytes > SLICE_BYTES as u64) {
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
    fn what_is_short_or_empty_is_left_as_it_is() {
        assert_eq!(yielded(BoxBody::new(vec![1; SLICE_BYTES])), [vec![1; SLICE_BYTES]]);
        assert!(yielded(BoxBody::new(Bytes::new())).is_empty());
        assert!(matches!(
            slices(BoxBody::new(actix_web::body::None::new())).size(),
            BodySize::None
        ));
    }
}
