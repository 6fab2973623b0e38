// SPDX-License-Identifier: Apache-2.0
//! A group of three.

use futures_util::future::try_join_all;
use hongyan::group::CreateGroupOption;

use crate::failure::{Doing, Failure};
use crate::play::{Cast, GROUP, ids, is_dense};
use crate::say;
use crate::stage::Stage;

/// The chapter.
pub async fn play(stage: &Stage, cast: &Cast) -> Result<(), Failure> {
    stage.chapter("3 · A Work group");
    let Cast { alice, bob, carol } = cast;
    let option = CreateGroupOption {
        group_type: "Work".to_owned(),
        group_id: GROUP.strip_prefix("group_").map(str::to_owned),
        group_name: "Wild geese".to_owned(),
        face_url: String::new(),
        member_list: vec!["bob".to_owned(), "carol".to_owned()],
    };
    let group_id = alice.client.groups().create_group(option).await.doing("alice makes a group")?;
    alice.shows(&format!("has made the group {group_id}"));
    bob.until_heard("alice brought in bob and carol").await?;
    carol.until_heard("alice brought in bob and carol").await?;
    for (person, text) in [(alice, "Everybody here?"), (bob, "Here."), (carol, "在这里。")] {
        person.say(GROUP, text).await?;
    }
    for person in [alice, bob] {
        person.until_heard("在这里。").await?;
    }
    let histories = try_join_all(cast.all().map(|person| person.history(GROUP))).await?;
    let texts: Vec<_> = histories[0].iter().map(say::text).collect();
    let is_whole = texts == ["alice brought in bob and carol", "Everybody here?", "Here.", "在这里。"];
    let is_same = histories.iter().all(|history| ids(history) == ids(&histories[0]));
    stage.claim("all three see the tip and the three messages, in one order", is_whole && is_same)?;
    stage.claim("the sequence is dense and begins with 1", histories[0][0].seq == 1 && is_dense(&histories[0]))?;
    for person in cast.all() {
        person.read(GROUP).await?;
    }
    stage.held("all have read it, nobody has anything unread");
    Ok(())
}
