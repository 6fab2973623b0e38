// SPDX-License-Identifier: Apache-2.0
//! What differs between the types of group: one row each, read by the rules.

use hongyan_protocol::codes::Code;
use hongyan_protocol::group::GroupType;

use crate::error::Error;

/// Who may do something in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// Every member.
    Members,
}

/// Where somebody's owner may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OwnerQuits {
    /// The group stays without one.
    AndLeavesNone,
}

/// The rules of one type.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Policy {
    pub(crate) group_type: GroupType,
    /// Who may invite, without asking the invited.
    pub(crate) inviting: Who,
    pub(crate) owner_quitting: OwnerQuits,
    pub(crate) members_count_max: i64,
}

pub(crate) const POLICIES: [Policy; 1] = [Policy {
    group_type: GroupType::Work,
    inviting: Who::Members,
    owner_quitting: OwnerQuits::AndLeavesNone,
    members_count_max: 6_000,
}];

impl Policy {
    /// The rules of a type by its name in the store.
    pub(crate) fn get(name: &str) -> Result<&'static Self, Error> {
        POLICIES
            .iter()
            .find(|policy| policy.group_type.name() == name)
            .ok_or_else(|| Error::new(Code::GROUP_FEATURE_NOT_IN_PLAN, "this server does not know the group's type"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_work_group_has_the_rules_that_app_developers_know() {
        let work = Policy::get("Work").unwrap();
        assert_eq!(work.inviting, Who::Members);
        assert_eq!(work.owner_quitting, OwnerQuits::AndLeavesNone);
        assert_eq!(work.members_count_max, 6_000);
        assert!(Policy::get("work").is_err());
    }
}
