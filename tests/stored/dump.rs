// SPDX-License-Identifier: Apache-2.0
//! The rows of a SQLite file as `insert` statements that SQLite and PostgreSQL both read.

use std::fmt::Write as _;
use std::path::Path;

use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection, Row};

use super::fixture::open;

/// A column of a table, none that the engine computes.
struct Column {
    name: String,
    /// As declared, in small letters.
    kind: String,
    is_key: bool,
}

/// All rows of a file, but for those of virtual tables, which are no text. Numbers that the engine gives rows
/// (`autoincrement`) are left out where they are those that it will give again: PostgreSQL takes none from a statement.
pub async fn dump(file: &Path, head: &str) -> String {
    let mut connection = open(file).await;
    let tables: Vec<(String, String)> = sqlx::query_as(
        "select name, s.sql from pragma_table_list t join sqlite_schema s using (name)
         where t.type = 'table' and name not like 'sqlite!_%' escape '!' and name not like '!_sqlx%' escape '!'
         order by s.rootpage",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    let mut text = format!("-- SPDX-License-Identifier: Apache-2.0\n-- Made by `make fixtures`.\n{head}");
    for (table, made_by) in tables {
        let mut columns = columns(&mut connection, &table).await;
        if made_by.contains("autoincrement") && is_numbered_from_one(&mut connection, &table, &columns).await {
            columns.retain(|column| !column.is_key);
        }
        write_rows(&mut connection, &table, &columns, &mut text).await;
    }
    connection.close().await.unwrap();
    text
}

async fn columns(connection: &mut SqliteConnection, table: &str) -> Vec<Column> {
    let rows = sqlx::query(AssertSqlSafe(format!("pragma table_info({table})"))).fetch_all(connection).await.unwrap();
    rows.iter()
        .map(|row| Column {
            name: row.get("name"),
            kind: row.get::<String, _>("type").to_lowercase(),
            is_key: row.get::<i64, _>("pk") > 0,
        })
        .collect()
}

async fn is_numbered_from_one(connection: &mut SqliteConnection, table: &str, columns: &[Column]) -> bool {
    let key = &columns.iter().find(|column| column.is_key).expect("a numbered table has a key").name;
    let sql = format!("select count(*), coalesce(max({key}), 0) from {table}");
    let (count, last): (i64, i64) = sqlx::query_as(AssertSqlSafe(sql)).fetch_one(connection).await.unwrap();
    count == last
}

async fn write_rows(connection: &mut SqliteConnection, table: &str, columns: &[Column], text: &mut String) {
    let list = |names: Vec<&str>| names.join(", ");
    let keys: Vec<&str> = columns.iter().filter(|column| column.is_key).map(|column| column.name.as_str()).collect();
    let order = if keys.is_empty() { "rowid".to_owned() } else { list(keys) };
    let values: Vec<String> = columns.iter().map(literal).collect();
    let sql = format!("select {} from {table} order by {order}", values.join(" || ', ' || "));
    let rows: Vec<String> = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(connection).await.unwrap();
    if !rows.is_empty() {
        let rows: Vec<String> = rows.iter().map(|row| format!("    ({row})")).collect();
        let names = list(columns.iter().map(|column| column.name.as_str()).collect());
        write!(text, "\ninsert into {table} ({names})\nvalues\n{};\n", rows.join(",\n")).unwrap();
    }
}

/// What gives a column's value as it stands in a statement.
fn literal(column: &Column) -> String {
    let name = &column.name;
    // SQLite keeps 0 and 1; PostgreSQL wants the word.
    if column.kind == "boolean" { format!("iif({name}, 'true', 'false')") } else { format!("quote({name})") }
}
