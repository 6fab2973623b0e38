// SPDX-License-Identifier: Apache-2.0
//! What a message from a client may hold, checked before it joins a batch.

use hongyan_protocol::codes::Code;
use hongyan_protocol::limits::{MESSAGE_BYTES_MAX, MESSAGE_ELEMENTS_MAX};
use hongyan_protocol::message::{Element, MessageBody};

use crate::error::Error;

/// Sends that wait for the writer. Beyond that whoever submits waits, and so reads no further from its socket.
pub(crate) const QUEUE_MAX: usize = 4_096;

/// Sends in one batch.
pub(crate) const BATCH_MAX: usize = 1_000;

const _: () = assert!(BATCH_MAX <= QUEUE_MAX);

pub(crate) fn check(body: &MessageBody) -> Result<(), Error> {
    if body.elements.is_empty() || body.elements.len() > MESSAGE_ELEMENTS_MAX {
        return Err(bad("a message has 1 to 32 elements"));
    }
    body.elements.iter().try_for_each(check_element)?;
    if body.size() > MESSAGE_BYTES_MAX {
        return Err(Code::SERVER_MESSAGE_TOO_LONG.into());
    }
    Ok(())
}

fn check_element(element: &Element) -> Result<(), Error> {
    let texts = match element {
        Element::Text(text) => vec![&text.text],
        Element::Custom(custom) => vec![&custom.description, &custom.extension],
        Element::GroupTips(_) => return Err(bad("group tips are made by the server")),
        Element::Unknown(_) => return Err(bad("the server does not know this type of element")),
    };
    if texts.iter().any(|text| text.contains('\0')) { Err(bad("a text has no NUL")) } else { Ok(()) }
}

fn bad(what: &'static str) -> Error {
    Error::new(Code::BAD_PARAMETER, what)
}
