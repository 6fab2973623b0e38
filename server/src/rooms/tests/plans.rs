// SPDX-License-Identifier: Apache-2.0
//! The statements that run on large tables find their rows by an index. What is read here are the plans of the very
//! texts in the rooms, on an account with 10,000 conversations.

use hongyan_protocol::conversation::{MarkRead, ReadPosition, ReadScope};
use hongyan_protocol::ids::Version;
use hongyan_protocol::sync::Sync;
use sqlx::postgres::PgConnection;

use crate::rooms::world::World;
use crate::store::{Engine, Store, Text, execute};

const CONVERSATIONS: i64 = 10_000;

/// An account with many conversations, half of them of groups, each with three messages.
async fn fill(store: &Store, app: i64) {
    let mut write = store.begin().await.unwrap();
    execute!(
        write,
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < $2)
         insert into log (app, kind, low, high, max_seq, counted, change_seq, member_version, last_ms, active_ms)
         select $1, i % 2, 'alice', 'user' || i, 3, 3, 0, 0, 1000000 + i, 1000000 + i from n",
        app,
        CONVERSATIONS
    )
    .unwrap();
    execute!(
        write,
        "insert into conversation (app, user_id, log, visible_from, visible_to, left_counted, left_ms, read_seq,
                                   base_counted, base_own, own_counted, version)
         select l.app, 'alice', l.id, 1, null, 0, 0, 0, 0, 0, 0, 0 from log as l"
    )
    .unwrap();
    execute!(
        write,
        "insert into message (log, seq, app, message_id, sender, nick, face_url, server_ms, counted, sender_counted,
                              digest, body)
         select l.id, s.value, l.app, printf('%08x-0000-7000-8000-%012x', l.id, s.value), 'alice', '', '', 0, s.value,
                s.value, '', json_object('elements', json_array())
         from log as l, json_each('[1,2,3]') as s"
    )
    .unwrap();
    write.commit(|| {}).await.unwrap();
}

async fn plan(store: &Store, sql: String) -> Vec<String> {
    let mut read = store.read().await.unwrap();
    let Engine::Sqlite(connection) = read.engine() else { panic!("these are SQLite's plans") };
    let rows: Vec<(i64, i64, i64, String)> =
        sqlx::query_as(sqlx::AssertSqlSafe(format!("explain query plan {}", Text::new(&sql).sqlite)))
            .fetch_all(connection)
            .await
            .unwrap();
    rows.into_iter().map(|(_, _, _, detail)| detail).collect()
}

/// Every statement of a room's file: what stands between quotes and begins like one.
fn statements(source: &str) -> Vec<String> {
    source
        .split('"')
        .filter(|text| ["select ", "insert ", "update ", "delete "].iter().any(|verb| text.starts_with(verb)))
        .map(str::to_owned)
        .collect()
}

fn all_statements() -> Vec<String> {
    let sources = [
        include_str!("../../account/queries.rs"),
        include_str!("../../conversation/changes.rs"),
        include_str!("../../conversation/heads.rs"),
        include_str!("../../conversation/logs.rs"),
        include_str!("../../conversation/members.rs"),
        include_str!("../../conversation/read.rs"),
        include_str!("../../conversation/rows.rs"),
        include_str!("../../group/queries.rs"),
        include_str!("../../message/queries.rs"),
    ];
    let all: Vec<String> = sources.into_iter().flat_map(statements).collect();
    assert!(all.len() > 30, "{}", all.len());
    all
}

#[tokio::test]
async fn no_statement_of_a_room_scans_a_table() {
    let world = World::open_on_sqlite().await;
    fill(world.store(), world.app.get()).await;
    let mut bad = Vec::new();
    for sql in all_statements() {
        let steps = plan(world.store(), sql.clone()).await;
        let is_rows = |step: &String| step.contains("VIRTUAL TABLE");
        let is_scan = |step: &String| step.starts_with("SCAN") && !is_rows(step) && !step.contains("CONSTANT");
        // Rows that come as JSON are gone through once, on the outside.
        let loops: Vec<_> =
            steps.iter().filter(|step| step.starts_with("SCAN") || step.starts_with("SEARCH")).collect();
        let is_inside =
            loops.iter().skip(1).any(|step| is_rows(step)) && !steps.iter().any(|step| step.contains("LIST SUBQUERY"));
        if steps.iter().any(is_scan) || is_inside {
            bad.push(format!("{sql}\n{}", steps.join("\n")));
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n\n"));
}

/// How PostgreSQL runs a text whatever its parameters are, as it does from the sixth time on.
async fn generic_plan(connection: &mut PgConnection, sql: &str) -> Vec<String> {
    let run = async |connection: &mut PgConnection, sql: String| {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(connection).await.unwrap()
    };
    // A parameter that is only asked whether it is there has the type of its value, which is missing here.
    let text = (1..10).fold(Text::new(sql).postgres, |text, number| {
        text.replace(&format!("${number} is null"), &format!("${number}::bigint is null"))
    });
    run(connection, format!("prepare wanted as {text}")).await;
    let count: i32 = sqlx::query_scalar(
        "select coalesce(array_length(parameter_types, 1), 0) from pg_prepared_statements where name = 'wanted'",
    )
    .fetch_one(&mut *connection)
    .await
    .unwrap();
    let nulls = vec!["null"; usize::try_from(count).unwrap()].join(", ");
    let nulls = if nulls.is_empty() { nulls } else { format!("({nulls})") };
    let steps = sqlx::query_scalar(sqlx::AssertSqlSafe(format!("explain execute wanted{nulls}")))
        .fetch_all(&mut *connection)
        .await
        .unwrap();
    run(connection, "deallocate wanted".to_owned()).await;
    steps
}

/// A plan that is made while a table is empty is kept while it fills.
#[tokio::test]
async fn postgres_goes_by_an_index_while_tables_are_still_empty() {
    let Some(world) = World::open_on_postgres().await else { return };
    let mut write = world.store().begin().await.unwrap();
    let Engine::Postgres(connection, _) = write.engine() else { panic!("the store is on PostgreSQL") };
    sqlx::raw_sql("set local plan_cache_mode = force_generic_plan").execute(&mut *connection).await.unwrap();
    let mut bad = Vec::new();
    for sql in all_statements() {
        let steps = generic_plan(connection, &sql).await;
        let goes_through_all = |(at, step): (usize, &String)| {
            let is_whole_index = || !steps.get(at + 1).is_some_and(|next| next.contains("Index Cond"));
            step.contains("Seq Scan") || step.contains("Index") && step.contains(" Scan using") && is_whole_index()
        };
        if steps.iter().enumerate().any(goes_through_all) {
            bad.push(format!("{sql}\n{}", steps.join("\n")));
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n\n"));
}

#[tokio::test]
async fn a_list_of_10_000_conversations_is_read_by_pages_that_join() {
    let world = World::open_on_sqlite().await;
    fill(world.store(), world.app.get()).await;
    let alice = world.user("alice").await;
    let (mut cursor, mut places) = (None, Vec::new());
    loop {
        let params = Sync { since_ms: None, version: Version::ZERO, probes: Vec::new(), cursor, limit: 500 };
        let page = world.rooms.sync(&alice, params).await.unwrap();
        places.extend(page.heads.iter().map(|head| head.state.log));
        assert!(page.heads.iter().all(|head| head.last_message.is_some()));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    // The newest log has the highest time here, and the highest number.
    assert!(places.is_sorted_by(|one, next| one > next));
    assert_eq!(i64::try_from(places.len()).unwrap(), CONVERSATIONS);
    let all = MarkRead { of: ReadScope::All, up_to: ReadPosition::End };
    let last = world.rooms.mark_read(&alice, all).await.unwrap();
    assert_eq!((last.after.get(), last.states.len()), (CONVERSATIONS - 1_000, 1_000));
}
