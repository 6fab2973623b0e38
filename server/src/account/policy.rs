// SPDX-License-Identifier: Apache-2.0
//! Whom a login kicks.

use hongyan_protocol::account::Platform;
use hongyan_protocol::ids::DeviceId;

use crate::app::settings::{Setting, Settings};

/// A device's place, as long as it is logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) device: DeviceId,
    pub(crate) platform: Platform,
    /// Of the login that took the place; later logins of the user have larger ones.
    pub(crate) epoch: i64,
}

/// What a policy takes a platform for. Within one class, one platform at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Any,
    Native,
    Mobile,
    Desktop,
    Web,
    Own(Platform),
}

/// A policy's name in the settings, and the class of each platform.
struct PolicyRow {
    name: &'static str,
    class: fn(Platform) -> Class,
}

const POLICIES: [PolicyRow; 4] = [
    PolicyRow { name: "single", class: |_| Class::Any },
    PolicyRow {
        name: "dual",
        class: |platform| match platform {
            Platform::Web => Class::Web,
            Platform::Android
            | Platform::Iphone
            | Platform::Ipad
            | Platform::Windows
            | Platform::Mac
            | Platform::Linux => Class::Native,
        },
    },
    PolicyRow {
        name: "triple",
        class: |platform| match platform {
            Platform::Web => Class::Web,
            Platform::Android | Platform::Iphone | Platform::Ipad => Class::Mobile,
            Platform::Windows | Platform::Mac | Platform::Linux => Class::Desktop,
        },
    },
    PolicyRow { name: "multi", class: Class::Own },
];

/// The slots that a login of `device` on `platform` ends: those of other platforms in its class, and of its own
/// platform all but the newest that still fit beside it. The device's own slot is taken over, not kicked.
pub(crate) fn slots_to_kick(settings: &Settings, slots: &[Slot], device: DeviceId, platform: Platform) -> Vec<Slot> {
    let name = settings.text(Setting::MultiLoginPolicy);
    let policy = POLICIES.iter().find(|policy| policy.name == name).expect("the setting takes these names only");
    let limit = match platform {
        Platform::Web => Setting::InstancesWeb,
        _ => Setting::InstancesPerPlatform,
    };
    let beside_count = usize::try_from(settings.integer(limit) - 1).expect("the setting is at least 1");
    let others = || slots.iter().copied().filter(|slot| slot.device != device);
    let mut same: Vec<Slot> = others().filter(|slot| slot.platform == platform).collect();
    same.sort_by_key(|slot| std::cmp::Reverse(slot.epoch));
    let class = (policy.class)(platform);
    others()
        .filter(|slot| slot.platform != platform && (policy.class)(slot.platform) == class)
        .chain(same.into_iter().skip(beside_count))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(policy: &str, instances: &str, instances_web: &str) -> Settings {
        Settings::from_stored(&[
            ("multi_login_policy".into(), policy.into()),
            ("instances_per_platform".into(), instances.into()),
            ("instances_web".into(), instances_web.into()),
        ])
    }

    fn everywhere() -> Vec<Slot> {
        let slot = |(epoch, (platform, _))| Slot { device: DeviceId::generate(), platform, epoch };
        (1..).zip(Platform::ALL).map(slot).collect()
    }

    fn kicked(policy: &str, platform: Platform) -> Vec<&'static str> {
        let slots = everywhere();
        let mut names: Vec<&str> = slots_to_kick(&settings(policy, "1", "1"), &slots, DeviceId::generate(), platform)
            .iter()
            .map(|slot| slot.platform.name())
            .collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn each_policy_kicks_exactly_its_class() {
        let native = ["android", "ipad", "iphone", "linux", "mac", "windows"];
        let all = ["android", "ipad", "iphone", "linux", "mac", "web", "windows"];
        for (policy, platform, expected) in [
            ("single", Platform::Android, all.as_slice()),
            ("single", Platform::Web, &all),
            ("dual", Platform::Android, &native),
            ("dual", Platform::Linux, &native),
            ("dual", Platform::Web, &["web"]),
            ("triple", Platform::Ipad, &["android", "ipad", "iphone"]),
            ("triple", Platform::Mac, &["linux", "mac", "windows"]),
            ("triple", Platform::Web, &["web"]),
            ("multi", Platform::Iphone, &["iphone"]),
            ("multi", Platform::Web, &["web"]),
        ] {
            assert_eq!(kicked(policy, platform), expected, "{policy} {platform:?}");
        }
    }

    #[test]
    fn the_oldest_of_a_platform_go_first_and_the_own_device_is_no_rival() {
        let web = |epoch| Slot { device: DeviceId::generate(), platform: Platform::Web, epoch };
        let slots = [web(5), web(3), web(9), web(7)];
        let epochs = |device, instances_web| {
            let mut epochs: Vec<i64> =
                slots_to_kick(&settings("multi", "1", instances_web), &slots, device, Platform::Web)
                    .iter()
                    .map(|slot| slot.epoch)
                    .collect();
            epochs.sort_unstable();
            epochs
        };
        assert_eq!(epochs(DeviceId::generate(), "3"), [3, 5]);
        assert_eq!(epochs(DeviceId::generate(), "10"), [0_i64; 0]);
        assert_eq!(epochs(slots[2].device, "1"), [3, 5, 7]);
        assert_eq!(epochs(slots[2].device, "4"), [0_i64; 0]);
    }
}
