// SPDX-License-Identifier: Apache-2.0
//! Messages in words.

use hongyan::message::{Element, GroupTipsType, Message};

/// What a message says.
pub fn text(message: &Message) -> String {
    let parts = message.elements.iter().map(|element| match element {
        Element::Text { text } => text.clone(),
        Element::GroupTips { tips: GroupTipsType::Invite, operator_id, members, .. } => {
            let others: Vec<_> = members.iter().filter(|member| *member != operator_id).cloned().collect();
            format!("{operator_id} brought in {}", others.join(" and "))
        }
        _ => "(something else)".to_owned(),
    });
    parts.collect::<Vec<_>>().join(" ")
}

/// A message as it comes in.
pub fn line(message: &Message) -> String {
    match message.group_id {
        Some(_) if matches!(message.elements[..], [Element::GroupTips { .. }]) => {
            format!("← #{} {}", message.seq, text(message))
        }
        Some(_) => format!("← #{} {}: {}", message.seq, message.sender, text(message)),
        None => format!("← {}: {}", message.sender, text(message)),
    }
}
