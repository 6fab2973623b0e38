// SPDX-License-Identifier: Apache-2.0
//! The one error that apps see.

use hongyan_protocol::codes::Code;
use hongyan_protocol::frame::WireError;
use hongyan_protocol::ids::InvalidId;

/// Why a call failed. The code says what to do, the detail is for the developer's log; neither is meant for
/// the screen of an app's users.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, uniffi::Error)]
pub enum ImError {
    /// The call failed and changed nothing beyond what the method's own documentation says.
    #[error("{code} {detail}")]
    Failed {
        /// One of the documented codes, or a newer one that the server sent.
        code: i32,
        /// What went wrong, in words for the developer.
        detail: String,
        /// Whether the same call may succeed later with nothing changed.
        is_retryable: bool,
    },
}

impl ImError {
    /// An error with a detail of its own.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self::Failed { code: code.0, detail: detail.into(), is_retryable: code.is_retryable() }
    }

    /// The code.
    pub fn code(&self) -> Code {
        let Self::Failed { code, .. } = self;
        Code(*code)
    }

    /// What went wrong, in words for the developer.
    pub fn detail(&self) -> &str {
        let Self::Failed { detail, .. } = self;
        detail
    }

    /// Whether the same call may succeed later with nothing changed.
    pub fn is_retryable(&self) -> bool {
        let Self::Failed { is_retryable, .. } = self;
        *is_retryable
    }
}

impl From<Code> for ImError {
    fn from(code: Code) -> Self {
        Self::new(code, code.text())
    }
}

impl From<WireError> for ImError {
    fn from(error: WireError) -> Self {
        Self::new(error.code, error.text)
    }
}

impl From<InvalidId> for ImError {
    fn from(error: InvalidId) -> Self {
        Self::new(error.code, error.what)
    }
}
