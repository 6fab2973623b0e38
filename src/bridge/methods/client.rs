// SPDX-License-Identifier: Apache-2.0
//! The client and the user's own account.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::account::SelfInfo;
use crate::bridge::Answer;
use crate::bridge::args::Args;
use crate::bridge::methods::{json, json_list, nothing};
use crate::bridge::numbers::Native;
use crate::bridge::shape::{ServerTime, User};
use crate::client::ImClient;

pub(in crate::bridge) fn init_local_storage(client: Arc<ImClient>, mut args: Args) -> BoxFuture<'static, Answer> {
    async move {
        client.init_local_storage(args.take("userID")?).await?;
        nothing()
    }
    .boxed()
}

pub(in crate::bridge) fn login(client: Arc<ImClient>, mut args: Args) -> BoxFuture<'static, Answer> {
    async move {
        client.login(args.take("userID")?, args.take("userSig")?).await?;
        nothing()
    }
    .boxed()
}

pub(in crate::bridge) fn logout(client: Arc<ImClient>, _: Args) -> BoxFuture<'static, Answer> {
    async move {
        client.logout().await?;
        nothing()
    }
    .boxed()
}

pub(in crate::bridge) fn get_login_user(client: &Arc<ImClient>, _: Args) -> Answer {
    json(&client.login_user())
}

pub(in crate::bridge) fn get_login_status(client: &Arc<ImClient>, _: Args) -> Answer {
    json(&client.login_status().number())
}

pub(in crate::bridge) fn get_server_time(client: &Arc<ImClient>, _: Args) -> Answer {
    json(&ServerTime::new(client.server_time_ms()))
}

pub(in crate::bridge) fn get_version(client: &Arc<ImClient>, _: Args) -> Answer {
    json(&client.version())
}

pub(in crate::bridge) fn set_foreground(client: &Arc<ImClient>, mut args: Args) -> Answer {
    client.set_foreground(args.take("isForeground")?);
    nothing()
}

pub(in crate::bridge) fn network_changed(client: &Arc<ImClient>, _: Args) -> Answer {
    client.network_changed();
    nothing()
}

pub(in crate::bridge) fn get_users_info(client: Arc<ImClient>, mut args: Args) -> BoxFuture<'static, Answer> {
    async move { json_list::<_, User>(client.get_users_info(args.take("userIDList")?).await?) }.boxed()
}

pub(in crate::bridge) fn set_self_info(client: Arc<ImClient>, mut args: Args) -> BoxFuture<'static, Answer> {
    async move {
        let info = SelfInfo { nick_name: args.find("nickName")?, face_url: args.find("faceURL")? };
        client.set_self_info(info).await?;
        nothing()
    }
    .boxed()
}
