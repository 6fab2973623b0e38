// SPDX-License-Identifier: Apache-2.0
//! The tables `app` and `app_setting`.

use hongyan_protocol::ids::SdkAppId;

use super::App;
use crate::error::Error;
use crate::store::{Connection, Write, execute, fetch_all, fetch_optional};

/// More apps than one server has.
const APPS_MAX: i64 = 10_000;

#[derive(sqlx::FromRow)]
struct AppRow {
    app: i64,
    name: String,
    secret_key: String,
    is_demo: bool,
    created_ms: i64,
}

impl TryFrom<AppRow> for App {
    type Error = Error;

    fn try_from(row: AppRow) -> Result<Self, Error> {
        Ok(Self {
            sdk_app_id: SdkAppId::parse(row.app)?,
            name: row.name,
            key: row.secret_key,
            is_demo: row.is_demo,
            created_ms: row.created_ms,
        })
    }
}

pub(crate) async fn find(on: &mut Connection, app: SdkAppId) -> Result<Option<App>, Error> {
    fetch_optional!(
        on,
        AppRow,
        "select app, name, secret_key, is_demo, created_ms
         from app
         where app = $1",
        app.get()
    )?
    .map(App::try_from)
    .transpose()
}

pub(crate) async fn list(on: &mut Connection) -> Result<Vec<App>, Error> {
    fetch_all!(
        on,
        AppRow,
        "select app, name, secret_key, is_demo, created_ms
         from app
         order by app
         limit $1",
        APPS_MAX
    )?
    .into_iter()
    .map(App::try_from)
    .collect()
}

pub(crate) async fn find_last(on: &mut Connection) -> Result<Option<i64>, Error> {
    let last = fetch_optional!(on, (i64,), "select app from app order by app desc limit 1")?;
    Ok(last.map(|(app,)| app))
}

pub(crate) async fn insert(on: &mut Write, app: &App) -> Result<(), Error> {
    execute!(
        on,
        "insert into app (app, name, secret_key, is_demo, created_ms)
         values ($1, $2, $3, $4, $5)",
        app.sdk_app_id.get(),
        &app.name,
        &app.key,
        app.is_demo,
        app.created_ms
    )?;
    Ok(())
}

pub(crate) async fn list_settings(on: &mut Connection, app: SdkAppId) -> Result<Vec<(String, String)>, Error> {
    fetch_all!(
        on,
        (String, String),
        "select name, value
         from app_setting
         where app = $1
         order by name
         limit 1000",
        app.get()
    )
}

pub(crate) async fn set(on: &mut Write, app: SdkAppId, name: &'static str, value: &str) -> Result<(), Error> {
    execute!(
        on,
        "insert into app_setting (app, name, value)
         values ($1, $2, $3)
         on conflict (app, name) do update set value = excluded.value",
        app.get(),
        name,
        value
    )?;
    Ok(())
}
