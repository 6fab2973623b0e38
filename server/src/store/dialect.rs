// SPDX-License-Identifier: Apache-2.0
//! What SQLite and PostgreSQL write differently, all of it.
//!
//! A room writes one text for both. Where they differ, it holds a fragment in braces:
//!
//! * `{rows $3 as r(log bigint, user_id text)}`: rows that are bound as one, joined like a table. SQLite reads them
//!   from one JSON array, PostgreSQL from an array a column, so that their parameter is the last.
//! * `{for update of l}`: the rows stay as they are until the commit. SQLite has one writer at a time and needs no word.
//! * `{begin}`: opens a transaction that writes. On PostgreSQL it says how, whatever the database has by default.

/// One text of a room, as each engine wants it.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) sqlite: String,
    pub(crate) postgres: String,
}

impl Text {
    pub(crate) fn new(text: &str) -> Self {
        let (mut sqlite, mut postgres) = (String::with_capacity(text.len()), String::with_capacity(text.len()));
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (fragment, after) = after.split_once('}').expect("a brace that opens a fragment is closed");
            let [of_sqlite, of_postgres] = expand(fragment);
            sqlite.extend([before, &of_sqlite]);
            postgres.extend([before, &of_postgres]);
            rest = after;
        }
        sqlite.push_str(rest);
        postgres.push_str(rest);
        Self { sqlite, postgres }
    }
}

fn expand(fragment: &str) -> [String; 2] {
    if fragment.starts_with("for update") {
        return [String::new(), fragment.to_owned()];
    }
    if fragment == "begin" {
        return ["begin immediate".to_owned(), "begin isolation level read committed, read write".to_owned()];
    }
    let rows = fragment.strip_prefix("rows $").and_then(expand_rows);
    rows.expect("a fragment is one of those above")
}

fn expand_rows(rows: &str) -> Option<[String; 2]> {
    let (number, rows) = rows.split_once(" as ")?;
    let (name, columns) = rows.strip_suffix(')')?.split_once('(')?;
    let first: usize = number.parse().ok()?;
    let (mut values, mut arrays, mut names) = (Vec::new(), Vec::new(), Vec::new());
    for (index, column) in columns.split(',').enumerate() {
        let (column, kind) = column.trim().split_once(' ')?;
        values.push(match kind {
            "bigint" => format!("cast(value->>{index} as bigint) as {column}"),
            "text" => format!("value->>{index} as {column}"),
            _ => return None,
        });
        arrays.push(format!("${}::{kind}[]", first + index));
        names.push(column);
    }
    Some([
        format!("(select {} from json_each(${first})) as {name}", values.join(", ")),
        format!("unnest({}) as {name}({})", arrays.join(", "), names.join(", ")),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_json_for_one_engine_and_an_array_a_column_for_the_other() {
        let text = Text::new(
            "select l.id from {rows $2 as r(app bigint, low text)} join log as l on l.app = r.app order by l.id \
             {for update of l}",
        );
        assert_eq!(
            text.sqlite,
            "select l.id from (select cast(value->>0 as bigint) as app, value->>1 as low from json_each($2)) as r \
             join log as l on l.app = r.app order by l.id "
        );
        assert_eq!(
            text.postgres,
            "select l.id from unnest($2::bigint[], $3::text[]) as r(app, low) join log as l on l.app = r.app \
             order by l.id for update of l"
        );
    }
}
