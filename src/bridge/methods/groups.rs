// SPDX-License-Identifier: Apache-2.0
//! Groups.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::bridge::Answer;
use crate::bridge::args::Args;
use crate::bridge::methods::{json, json_list, nothing};
use crate::bridge::shape::MemberResult;
use crate::client::ImClient;
use crate::group::CreateGroupOption;

pub(in crate::bridge) fn create_group(client: Arc<ImClient>, mut args: Args) -> BoxFuture<'static, Answer> {
    async move {
        let members: Vec<Args> = args.find("memberList")?.unwrap_or_default();
        let option = CreateGroupOption {
            group_type: args.take("groupType")?,
            group_id: args.find("groupID")?,
            group_name: args.take("groupName")?,
            face_url: args.find("faceURL")?.unwrap_or_default(),
            member_list: members.into_iter().map(|mut member| member.take("userID")).collect::<Result<_, _>>()?,
        };
        json(&client.groups().create_group(option).await?)
    }
    .boxed()
}

pub(in crate::bridge) fn invite_user_to_group(client: Arc<ImClient>, mut args: Args) -> BoxFuture<'static, Answer> {
    async move {
        let (group_id, user_ids) = (args.take("groupID")?, args.take("userIDList")?);
        json_list::<_, MemberResult>(client.groups().invite_user_to_group(group_id, user_ids).await?)
    }
    .boxed()
}

pub(in crate::bridge) fn quit_group(client: Arc<ImClient>, mut args: Args) -> BoxFuture<'static, Answer> {
    async move {
        client.groups().quit_group(args.take("groupID")?).await?;
        nothing()
    }
    .boxed()
}
