// SPDX-License-Identifier: Apache-2.0
//! The server is killed while everybody writes.

use std::collections::HashSet;

use futures_util::future::{try_join, try_join_all};
use hongyan::message::{Message, MessageStatus};
use tokio::sync::watch;

use crate::failure::{Doing, Failure};
use crate::person::{Connection, Person};
use crate::play::{Cast, GROUP, ids, is_dense};
use crate::say;
use crate::server::Server;
use crate::stage::Stage;
use crate::within;

/// The kill comes when the server has taken so many messages.
const TAKEN_BEFORE_KILL: usize = 8;
const WRITTEN_IN_THE_DARK: &str = "written while it is down";

/// The chapter.
pub async fn play(stage: &Stage, cast: &Cast, server: &mut Server) -> Result<(), Failure> {
    stage.chapter("4 · The server is killed while all three write");
    let before = cast.alice.history(GROUP).await?.len();
    let run = watch::Sender::new(Run { taken: HashSet::new(), is_killed: false });
    let write = try_join_all(cast.all().map(|person| write(person, &run)));
    let (written, in_the_dark) = try_join(write, crash(stage, cast, server, &run)).await?;

    let mut sent: Vec<Message> = written.into_iter().flatten().collect();
    sent.push(in_the_dark);
    for person in cast.all() {
        let others = sent.iter().filter(|message| message.sender != person.who.id()).map(|message| &message.message_id);
        let others: HashSet<_> = others.cloned().collect();
        let has_all = |heard: &[Message]| others.iter().all(|id| heard.iter().any(|message| &message.message_id == id));
        person.until("all that the others wrote", |heard| has_all(&heard.messages)).await?;
        let messages = &person.heard().messages;
        let once = |id: &String| messages.iter().filter(|message| &message.message_id == id).count() == 1;
        stage.claim(
            &format!("{} heard each of {} messages of the others once", person.who.id(), others.len()),
            others.iter().all(once),
        )?;
    }
    let histories = try_join_all(cast.all().map(|person| person.history(GROUP))).await?;
    let [history, ..] = histories.as_slice() else { return Err(Failure::new("nobody has a history")) };
    let kept: HashSet<_> = ids(history).into_iter().collect();
    let taken = run.borrow().taken.clone();
    stage.claim(
        &format!("the {} messages that the server had taken before it was killed are all there", taken.len()),
        taken.iter().all(|id| kept.contains(id.as_str())),
    )?;
    let is_once = history.len() == before + sent.len() && kept.len() == history.len();
    let is_whole = is_once && sent.iter().all(|message| kept.contains(message.message_id.as_str()));
    stage.claim(&format!("all {} messages arrived, each exactly once", sent.len()), is_whole)?;
    let alices: Vec<_> = history.iter().filter(|message| message.sender == cast.alice.who.id()).collect();
    let is_last = alices.last().is_some_and(|last| say::text(last) == WRITTEN_IN_THE_DARK);
    stage.claim("what waited in Alice's outbox went out in the order in which she wrote it", is_last)?;
    let is_same = histories.iter().all(|other| ids(other) == ids(history));
    stage.claim("all three see one order, and its sequence has no gap", is_same && is_dense(history))?;
    for person in cast.all() {
        person.read(GROUP).await?;
    }
    Ok(())
}

/// How far it has come.
struct Run {
    /// What the server acknowledged before it was killed.
    taken: HashSet<String>,
    is_killed: bool,
}

/// Writes line after line, each as soon as the one before was taken, until the server is gone. The line that it is
/// gone under waits in the outbox and ends with the rest.
async fn write(person: &Person, run: &watch::Sender<Run>) -> Result<Vec<Message>, Failure> {
    let mut sent = Vec::new();
    while !run.borrow().is_killed {
        let message = person.say(GROUP, &format!("line {}", sent.len() + 1)).await?;
        run.send_modify(|run| {
            if !run.is_killed {
                run.taken.insert(message.message_id.clone());
            }
        });
        sent.push(message);
    }
    Ok(sent)
}

async fn crash(stage: &Stage, cast: &Cast, server: &mut Server, run: &watch::Sender<Run>) -> Result<Message, Failure> {
    let mut running = run.subscribe();
    let enough = running.wait_for(|run| run.taken.len() >= TAKEN_BEFORE_KILL);
    within("waiting for enough messages", enough).await?.doing("counting messages")?;
    let pid = server.pid();
    let ended = server.kill()?;
    run.send_modify(|run| run.is_killed = true);
    stage.breaks(&format!("server: process {pid} is killed ({ended})"));
    stage.claim(
        "the server was killed from outside and had no time to tidy up",
        !ended.success() && ended.code().is_none(),
    )?;
    for person in cast.all() {
        person.until("the connection to be refused", |heard| heard.connection == Connection::Refused).await?;
    }
    let write = cast.alice.say(GROUP, WRITTEN_IN_THE_DARK);
    let restart = async {
        let is_last = |text: Option<&String>| text.is_some_and(|text| text == WRITTEN_IN_THE_DARK);
        cast.alice.until("the line to be stored", |heard| is_last(heard.last_texts.get(GROUP))).await?;
        let last = cast.alice.conversation(GROUP).await?.last_message;
        let is_waiting = last.is_some_and(|last| {
            say::text(&last) == WRITTEN_IN_THE_DARK && last.status == MessageStatus::Sending && last.seq == 0
        });
        stage.claim("what is written now waits on Alice's device as “sending”", is_waiting)?;
        server.start_again().await?;
        stage.happens(&format!("server: process {} listens on {} again", server.pid(), server.url()));
        Ok(())
    };
    let (sent, ()) = try_join(write, restart).await?;
    Ok(sent)
}
