//! What is sent of a request and of an answer, counted and on time.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderValue};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use tonic::body::Body;
use tonic::{Code, Status};

use super::gate::overloaded;
use super::seats::Call;
use crate::domain::limits;
use crate::env::{BootTime, Clock};

type Timer = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How long the body of a request may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pace {
    /// The whole of it must have come so long after the call began.
    Whole(BootTime, Duration),
    /// A part of it must come within the span.
    Flowing(Duration),
}

/// Whether what comes is held until the call is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Counted {
    Yes,
    /// Each message is done with before the next is read.
    No,
}

/// The body of a request.
pub struct Unread {
    inner: Incoming,
    call: Arc<Call>,
    node_id: u64,
    clock: Arc<dyn Clock>,
    pace: Pace,
    counted: Counted,
    /// Made only once there is something to wait for.
    timer: Option<Timer>,
}

impl Unread {
    pub fn new(
        inner: Incoming,
        call: Arc<Call>,
        node_id: u64,
        clock: Arc<dyn Clock>,
        pace: Pace,
        counted: Counted,
    ) -> Self {
        Self {
            inner,
            call,
            node_id,
            clock,
            pace,
            counted,
            timer: None,
        }
    }

    /// What is left of the time.
    fn left(&self) -> Duration {
        match self.pace {
            Pace::Whole(began, span) => span.saturating_sub(self.clock.boot().since(began)),
            Pace::Flowing(span) => span,
        }
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let left = self.left();
        let clock = &self.clock;
        let timer = self.timer.get_or_insert_with(|| {
            let clock = clock.clone();
            Box::pin(async move { clock.sleep(left).await })
        });
        timer.as_mut().poll(cx)
    }
}

impl HttpBody for Unread {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let me = &mut *self;
        match Pin::new(&mut me.inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                let came = frame.data_ref().map_or(0, Bytes::len);
                match me.pace {
                    Pace::Whole(..) => {}
                    Pace::Flowing(_) => me.timer = None,
                }
                if me.counted == Counted::Yes
                    && let Err(full) = me.call.hold(came)
                {
                    return Poll::Ready(Some(Err(overloaded(me.node_id, full))));
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                Poll::Ready(Some(Err(Status::from_error(Box::new(error)))))
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                if me.poll_timer(cx).is_pending() {
                    return Poll::Pending;
                }
                Poll::Ready(Some(Err(Status::deadline_exceeded(match me.pace {
                    Pace::Whole(..) => "the request was not sent within its deadline",
                    Pace::Flowing(_) => "nothing was sent for too long",
                }))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// The body of an answer, handed on in pieces.
pub struct Answer {
    inner: Body,
    /// Taken from `inner` already.
    next: Option<Result<Frame<Bytes>, Status>>,
    /// Of a piece of `inner`, what is not handed on yet.
    rest: Bytes,
    /// Ends an answer that has no end of its own.
    end: Option<Timer>,
    ended: bool,
    /// Counted until all is handed on.
    call: Option<Arc<Call>>,
}

impl Answer {
    /// An answer that no call stands behind.
    pub fn plain(inner: Body) -> Self {
        Self {
            inner,
            next: None,
            rest: Bytes::new(),
            end: None,
            ended: false,
            call: None,
        }
    }

    /// An answer that goes on until `end`.
    pub fn open(inner: Body, call: Arc<Call>, end: Timer) -> Self {
        Self {
            end: Some(end),
            call: Some(call),
            ..Self::plain(inner)
        }
    }

    /// The one message of an answer, counted as long as the client does not take it.
    ///
    /// # Errors
    /// The client has not taken too much already. What was asked is done.
    pub fn whole(mut inner: Body, call: Arc<Call>, cx: &mut Context<'_>) -> Result<Self, Status> {
        let (next, ended) = match Pin::new(&mut inner).poll_frame(cx) {
            Poll::Ready(next) => {
                let ended = next.is_none();
                (next, ended)
            }
            Poll::Pending => (None, false),
        };
        let length = match &next {
            Some(Ok(frame)) => frame.data_ref().map_or(0, Bytes::len),
            Some(Err(_)) | None => 0,
        };
        if call.hold(length).is_err() {
            return Err(Status::new(
                Code::Unknown,
                "the answer is ready, but too much of what was answered before is not taken: ask again",
            ));
        }
        Ok(Self {
            next,
            ended,
            call: Some(call),
            ..Self::plain(inner)
        })
    }

    fn piece(&mut self) -> Frame<Bytes> {
        let length = self.rest.len().min(limits::ANSWER_PIECE_BYTES);
        Frame::data(self.rest.split_to(length))
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let me = &mut *self;
        if me.ended {
            return Poll::Ready(None);
        }
        if me.rest.has_remaining() {
            return Poll::Ready(Some(Ok(me.piece())));
        }
        let next = match me.next.take() {
            Some(next) => Some(next),
            None => match Pin::new(&mut me.inner).poll_frame(cx) {
                Poll::Ready(next) => next,
                Poll::Pending => {
                    let at_end = me.end.as_mut().map(|end| end.as_mut().poll(cx));
                    if at_end != Some(Poll::Ready(())) {
                        return Poll::Pending;
                    }
                    me.ended = true;
                    return Poll::Ready(Some(Ok(Frame::trailers(node_stops()))));
                }
            },
        };
        match next {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) if data.len() > limits::ANSWER_PIECE_BYTES => {
                    me.rest = data;
                    Poll::Ready(Some(Ok(me.piece())))
                }
                Ok(data) => Poll::Ready(Some(Ok(Frame::data(data)))),
                Err(frame) => Poll::Ready(Some(Ok(frame))),
            },
            Some(Err(error)) => Poll::Ready(Some(Err(error))),
            None => {
                me.call = None;
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended || (self.next.is_none() && self.rest.is_empty() && self.inner.is_end_stream())
    }
}

/// The end of an answer that has none of its own.
fn node_stops() -> HeaderMap {
    let mut trailers = HeaderMap::new();
    let code = HeaderValue::from(Code::Unavailable as i32);
    trailers.insert("grpc-status", code);
    let message = HeaderValue::from_static("the node stops");
    trailers.insert("grpc-message", message);
    trailers
}
