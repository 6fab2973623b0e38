// SPDX-License-Identifier: Apache-2.0
//! Bob takes up a second device, which has nothing yet.

use std::sync::Arc;

use hongyan::message::{HistoryDirection, HistoryOption, HistorySource, Message};

use crate::App;
use crate::failure::{Doing, Failure};
use crate::person::{Device, Person};
use crate::play::{Cast, GROUP, ids};
use crate::say;
use crate::stage::{Stage, Who};

const PAGE: i32 = 6;

/// The chapter.
pub async fn play(stage: &Arc<Stage>, cast: &Cast, device: &Device<'_>, app: &App) -> Result<(), Failure> {
    stage.chapter("6 · Bob takes up a new tablet and pages back");
    let tablet = Person::sit_down(stage, Who::Bob, device, app)?;
    tablet.log_in(app).await?;
    let known = cast.alice.history(GROUP).await?;
    let pages = tablet.pages(GROUP, PAGE).await?;
    for page in &pages {
        let line = |message: &Message| format!("#{} “{}”", message.seq, say::text(message));
        match page.as_slice() {
            [first, .., last] => tablet.shows(&format!("page: {} to {}", line(first), line(last))),
            few => few.iter().for_each(|message| tablet.shows(&format!("page: {}", line(message)))),
        }
    }
    let is_paged =
        pages.len() == known.len().div_ceil(PAGE as usize) && pages.iter().all(|page| page.len() <= PAGE as usize);
    let paged: Vec<Message> = pages.into_iter().flatten().rev().collect();
    stage.claim(
        &format!("pages of {PAGE} brought all {} messages, each once, as Alice's device has them", known.len()),
        is_paged && ids(&paged) == ids(&known),
    )?;
    let newer = HistoryOption {
        conversation_id: GROUP.to_owned(),
        direction: HistoryDirection::Newer,
        source: HistorySource::Cloud,
        count: PAGE,
        last_message_id: Some(known[0].message_id.clone()),
        last_message_seq: None,
    };
    let page = tablet.client.messages().get_history_message_list(newer).await.doing("paging forward")?;
    stage.claim(
        "paging forward from the first message gives the ones after it",
        ids(&page.messages) == ids(&known[1..=PAGE as usize]),
    )?;
    stage.claim("history on a new device is not reported as new", tablet.heard().messages.is_empty())?;

    let on_first = cast.bob.conversation(GROUP).await?;
    let on_tablet = tablet.conversation(GROUP).await?;
    let is_same = on_first.unread_count == on_tablet.unread_count && on_first.unread_count == 1;
    stage.claim("both of Bob's devices say one unread message in the group: Alice's, his own do not count", is_same)?;
    tablet.read(GROUP).await?;
    cast.bob.until("the tablet's reading", |heard| heard.unread == 0).await?;
    stage.held("what is read on the tablet is read on the first device");
    Ok(())
}
