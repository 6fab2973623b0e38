// SPDX-License-Identifier: Apache-2.0
//! The one error of the server: a code to branch on and to answer with, what was being done, and its source.

use std::borrow::Cow;
use std::fmt;

use hongyan_protocol::codes::Code;
use hongyan_protocol::frame::WireError;
use hongyan_protocol::ids::InvalidId;

use crate::store::Failure;

/// Why the server did not do something.
#[derive(Debug)]
pub struct Error {
    code: Code,
    context: Cow<'static, str>,
    retry_after_ms: Option<i64>,
    source: Option<Source>,
    /// What the store said, where it was the store.
    failure: Option<Failure>,
}

type Source = Box<dyn std::error::Error + Send + Sync>;

impl Error {
    /// A refusal: the caller's fault or bad luck. The caller gets the context as its text.
    pub fn new(code: Code, context: impl Into<Cow<'static, str>>) -> Self {
        Self { code, context: context.into(), retry_after_ms: None, source: None, failure: None }
    }

    /// A failure of the server itself (70500). The context and the source are for the log; the caller learns nothing
    /// of them.
    pub fn internal(context: impl Into<Cow<'static, str>>, source: impl Into<Source>) -> Self {
        Self { source: Some(source.into()), ..Self::new(Code::ACCOUNT_INTERNAL_ERROR, context) }
    }

    /// The store cannot be reached now, or nobody can say whether it kept what was done (70169): the same request, with
    /// the same id, is answered once it is back. Context and source are for the log.
    pub fn unreachable(context: impl Into<Cow<'static, str>>, source: impl Into<Source>) -> Self {
        Self { source: Some(source.into()), ..Self::new(Code::ACCOUNT_TIMEOUT, context) }
    }

    /// The disk is full: nothing can be written now, and what is asked may be asked again. The store logs it.
    pub(crate) fn no_room() -> Self {
        let text = "the server's disk is full; nothing is stored until there is room";
        Self { failure: Some(Failure::NoRoom), ..Self::new(Code::ACCOUNT_INTERNAL_ERROR, text) }
    }

    /// Whether the store would answer everybody the same now.
    pub(crate) fn is_for_everybody(&self) -> bool {
        self.code == Code::ACCOUNT_TIMEOUT || (self.code == Code::ACCOUNT_INTERNAL_ERROR && !self.is_internal())
    }

    pub(crate) fn is_no_room(&self) -> bool {
        self.failure == Some(Failure::NoRoom)
    }

    /// The same for one more of those whom it meets: who may try again still may.
    pub(crate) fn for_one_more(&self) -> Self {
        Self {
            code: self.code,
            context: self.context.clone(),
            retry_after_ms: self.retry_after_ms,
            source: self.source.as_ref().map(|source| source.to_string().into()),
            failure: self.failure,
        }
    }

    /// Says how long to wait before trying again.
    #[must_use]
    pub fn retry_after(mut self, wait_ms: i64) -> Self {
        self.retry_after_ms = Some(wait_ms);
        self
    }

    /// Says what was being done, where the source alone would not.
    #[must_use]
    pub fn context(mut self, context: impl Into<Cow<'static, str>>) -> Self {
        self.context = context.into();
        self
    }

    /// The code that it answers with.
    pub fn code(&self) -> Code {
        self.code
    }

    /// Whether the server failed, so that it belongs in the log.
    pub fn is_internal(&self) -> bool {
        self.source.is_some()
    }

    /// Whether each one belongs in the log. What everybody meets while the store is out of reach, the store says once.
    pub(crate) fn is_fault(&self) -> bool {
        self.is_internal() && self.code != Code::ACCOUNT_TIMEOUT
    }

    /// Whether another server was in the way, so that the same operation may succeed now.
    pub(crate) fn is_conflict(&self) -> bool {
        self.failure == Some(Failure::Conflict)
    }

    /// The error and what it comes from, for a log or an operator.
    pub(crate) fn to_chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            text = format!("{text}: {error}");
            source = error.source();
        }
        text
    }

    /// What the client is told.
    pub fn to_wire(&self) -> WireError {
        let text = if self.is_internal() { Cow::Borrowed(self.code.text()) } else { self.context.clone() };
        WireError { code: self.code, text: text.into_owned(), retry_after_ms: self.retry_after_ms }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.context)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static))
    }
}

impl From<Code> for Error {
    fn from(code: Code) -> Self {
        Self::new(code, code.text())
    }
}

/// A refusal that somebody else got as well.
impl From<WireError> for Error {
    fn from(error: WireError) -> Self {
        Self { retry_after_ms: error.retry_after_ms, ..Self::new(error.code, error.text) }
    }
}

impl From<InvalidId> for Error {
    fn from(invalid: InvalidId) -> Self {
        Self::new(invalid.code, invalid.what)
    }
}

/// No room matches on what a database answers: a statement that fails is the server's failure.
impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        let failure = Failure::of(&error);
        let converted = match failure {
            Failure::Other => Self::internal("the store failed", error),
            Failure::NoRoom => Self::no_room(),
            Failure::Disconnected => Self::unreachable("the store does not answer", error),
            Failure::TooSlow => Self::unreachable("the store took too long", error),
            Failure::Conflict => Self::unreachable("another server holds what this one needs", error),
        };
        Self { failure: Some(failure), ..converted }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_of_the_server_tells_its_client_nothing_of_the_inside() {
        let failure = Error::from(sqlx::Error::Protocol("table secret_of_the_house".into())).context("reading a page");
        assert_eq!(failure.to_wire(), WireError::from(Code::ACCOUNT_INTERNAL_ERROR));
        assert!(std::error::Error::source(&failure).is_some());
    }

    #[test]
    fn what_the_store_says_to_everybody_is_not_asked_for_each_alone() {
        let unreachable = Error::from(sqlx::Error::PoolTimedOut);
        assert!(unreachable.is_for_everybody() && !unreachable.is_no_room() && !unreachable.is_fault());
        assert!(Error::no_room().is_for_everybody() && Error::no_room().is_no_room());
        let fault = Error::from(sqlx::Error::RowNotFound);
        assert!(!fault.is_for_everybody() && fault.is_fault());
    }

    #[test]
    fn who_stood_in_line_behind_a_failure_may_try_again_like_the_first() {
        let unreachable = Error::from(sqlx::Error::PoolTimedOut).for_one_more();
        assert_eq!(unreachable.code(), Code::ACCOUNT_TIMEOUT);
        let conflict = Error { failure: Some(Failure::Conflict), ..Error::unreachable("a row", "is held") };
        assert!(conflict.for_one_more().is_conflict() && Error::no_room().for_one_more().is_no_room());
    }

    #[test]
    fn a_refusal_says_what_is_wrong() {
        let refusal = Error::new(Code::BAD_PARAMETER, "a page has 1 to 200 messages").retry_after(5);
        assert_eq!(refusal.to_wire().text, "a page has 1 to 200 messages");
        assert_eq!(refusal.to_wire().retry_after_ms, Some(5));
    }
}
