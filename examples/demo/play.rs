// SPDX-License-Identifier: Apache-2.0
//! The play, chapter by chapter. Each ends with claims that are checked against what the SDK shows.

mod absence;
mod crash;
mod group;
mod history;
mod one_to_one;

use std::sync::Arc;

use futures_util::future::try_join_all;
use hongyan::message::Message;
use hongyan::{LoginStatus, Platform};

use crate::failure::Failure;
use crate::house::House;
use crate::person::{Device, Person};
use crate::server::Server;
use crate::stage::{Stage, Who};

/// The group of all three.
pub const GROUP: &str = "group_geese";

/// Everybody at their first device.
pub struct Cast {
    alice: Person,
    bob: Person,
    carol: Person,
}

impl Cast {
    fn all(&self) -> [&Person; 3] {
        [&self.alice, &self.bob, &self.carol]
    }
}

/// Plays all chapters.
pub async fn play(stage: &Arc<Stage>, house: &House) -> Result<(), Failure> {
    stage.chapter("1 · A server, three people");
    let mut server = Server::start(&house.place("server")).await?;
    stage.happens(&format!("server: process {} listens on {}", server.pid(), server.url()));
    let app = server.demo_app().await?;
    let device = Device { name: "", platform: Platform::Linux, house, folder: house.place("device") };
    let sit_down = |who| Person::sit_down(stage, who, &device, &app);
    let mut cast = Cast { alice: sit_down(Who::Alice)?, bob: sit_down(Who::Bob)?, carol: sit_down(Who::Carol)? };
    try_join_all(cast.all().map(|person| person.log_in(&app))).await?;
    let is_logged_in = |person: &&Person| {
        person.client.login_status() == LoginStatus::LoggedIn
            && person.client.login_user().as_deref() == Some(person.who.id())
    };
    stage.claim("all three are logged in as themselves", cast.all().iter().all(is_logged_in))?;

    one_to_one::play(stage, &cast).await?;
    group::play(stage, &cast).await?;
    crash::play(stage, &cast, &mut server).await?;
    cast = absence::play(stage, cast, &device, &app).await?;
    let tablet = Device { name: "▯ ", platform: Platform::Ipad, house, folder: house.place("tablet") };
    history::play(stage, &cast, &tablet, &app).await
}

/// What names the messages and their order.
fn ids(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.message_id.as_str()).collect()
}

/// Whether sequences follow one another without a gap.
fn is_dense(messages: &[Message]) -> bool {
    messages.windows(2).all(|pair| pair[1].seq == pair[0].seq + 1)
}
