// SPDX-License-Identifier: Apache-2.0
//! Carol closes the app, misses some messages, and comes back.

use std::sync::Arc;

use hongyan::message::Message;

use crate::App;
use crate::failure::{Doing, Failure};
use crate::person::{Device, Person};
use crate::play::{Cast, GROUP};
use crate::say;
use crate::stage::Stage;

const WITH_CAROL: &str = "c2c_carol";
const WITH_ALICE: &str = "c2c_alice";

/// The chapter.
pub async fn play(stage: &Arc<Stage>, cast: Cast, device: &Device<'_>, app: &App) -> Result<Cast, Failure> {
    stage.chapter("5 · Carol is away and comes back");
    let Cast { alice, bob, carol } = cast;
    let known = carol.history(GROUP).await?;
    let who = carol.who;
    carol.leave().await;
    let in_group = ["The wind turns.", "North-east now.", "Land in sight!"];
    let to_carol = ["Where are you?", "We wait on the lake."];
    alice.say(GROUP, in_group[0]).await?;
    bob.say(GROUP, in_group[1]).await?;
    alice.say(WITH_CAROL, to_carol[0]).await?;
    let last = alice.say(WITH_CAROL, to_carol[1]).await?;
    bob.say(GROUP, in_group[2]).await?;
    alice.until_heard(in_group[2]).await?;

    let carol = Person::sit_down(stage, who, device, app)?;
    carol.client.init_local_storage(who.id().to_owned()).await.doing("carol opens her last known data")?;
    let shown = carol.conversation(GROUP).await?.last_message;
    carol.shows(&format!("◌ last known: {}", shown.as_ref().map(say::text).unwrap_or_default()));
    let is_last_known = shown.map(|shown| shown.message_id) == known.last().map(|known| known.message_id.clone());
    stage.claim("before login Carol's device shows what it knew when it went away", is_last_known)?;

    carol.log_in(app).await?;
    let missed_count = in_group.len() + to_carol.len();
    carol.until("the missed messages", |heard| heard.messages.len() >= missed_count).await?;
    carol.until("the unread count", |heard| heard.unread == 5).await?;
    let of = |messages: &[Message], id: &str| -> Vec<String> {
        messages.iter().filter(|message| message.conversation_id == id).map(say::text).collect()
    };
    let missed = carol.heard().messages.clone();
    let is_missed = of(&missed, GROUP) == in_group && of(&missed, WITH_ALICE) == to_carol;
    stage.claim("Carol heard each of the five messages that she missed, once and in order", is_missed)?;
    let unread = (carol.conversation(GROUP).await?.unread_count, carol.conversation(WITH_ALICE).await?.unread_count);
    stage.claim("three of them are unread in the group and two from Alice", unread == (3, 2))?;

    carol.read("").await?;
    let is_read = |seq: Option<&i64>| seq == Some(&last.seq);
    alice.until("Carol's reading", |heard| is_read(heard.read_by_peer.get(WITH_CAROL))).await?;
    stage.held("she read everything at once, and Alice's device knows how far");
    Ok(Cast { alice, bob, carol })
}
