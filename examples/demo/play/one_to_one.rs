// SPDX-License-Identifier: Apache-2.0
//! Two people write to each other.

use futures_util::future::try_join;

use crate::failure::{Doing, Failure};
use crate::person::Person;
use crate::play::{Cast, ids, is_dense};
use crate::stage::Stage;

/// Alice's name for the conversation.
const WITH_BOB: &str = "c2c_bob";
/// Bob's name for the same.
const WITH_ALICE: &str = "c2c_alice";

/// The chapter.
pub async fn play(stage: &Stage, cast: &Cast) -> Result<(), Failure> {
    stage.chapter("2 · One to one");
    let Cast { alice, bob, .. } = cast;
    let letter = alice.say(WITH_BOB, "Did my letter arrive?").await?;
    bob.until_heard("Did my letter arrive?").await?;
    bob.until("one unread message", |heard| heard.unread == 1).await?;
    bob.read(WITH_ALICE).await?;
    let is_read = |seq: Option<&i64>| seq.is_some_and(|seq| *seq >= letter.seq);
    alice.until("Bob's reading", |heard| is_read(heard.read_by_peer.get(WITH_BOB))).await?;
    let found = alice.client.messages().find_messages(vec![letter.message_id]).await.doing("finding the letter")?;
    let is_peer_read = found.first().is_some_and(|letter| letter.is_peer_read);
    stage.claim("Bob's unread count went to 1 and back to 0, and Alice's letter is marked as read", is_peer_read)?;

    let alices = ["Good.", "Then listen:", "we fly at dawn."];
    let bobs = ["It did.", "鸿雁传书", "Safe and dry."];
    try_join(write(alice, WITH_BOB, &alices), write(bob, WITH_ALICE, &bobs)).await?;
    alice.until_heard("Safe and dry.").await?;
    bob.until_heard("we fly at dawn.").await?;
    let at_alice = alice.history(WITH_BOB).await?;
    let at_bob = bob.history(WITH_ALICE).await?;
    let is_whole = at_alice.len() == 1 + alices.len() + bobs.len() && is_dense(&at_alice);
    let is_same = ids(&at_alice) == ids(&at_bob);
    stage.claim("both wrote at once, and both see the same seven messages in the same order", is_whole && is_same)?;
    alice.read(WITH_BOB).await?;
    bob.read(WITH_ALICE).await
}

async fn write(person: &Person, conversation_id: &str, texts: &[&str]) -> Result<(), Failure> {
    for text in texts {
        person.say(conversation_id, text).await?;
    }
    Ok(())
}
