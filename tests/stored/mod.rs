// SPDX-License-Identifier: Apache-2.0
//! What a released version stored, every later one opens: nobody loses a message by an update.
//!
//! * [`fixture`]: the stores of every version, kept as text. [`make`] makes those of the coming one, [`dump`] writes rows.
//! * [`server`]: the server of today on each of them. [`device`]: the SDK of today on each of them.

mod device;
mod dump;
pub mod fixture;
mod make;
mod server;

use std::collections::BTreeMap;

use fixture::{COMING, Fixture, MIGRATIONS, in_tree, migrations, released};
use hongyan_protocol::ids::{DeviceId, MessageId, SdkAppId};

use crate::harness::app::App;

/// The apps of the fixtures: numbers and keys are the same in all.
fn app() -> App {
    App { id: SdkAppId::parse(1_400_000_001).unwrap(), key: "0123456789abcdef".repeat(4) }
}

fn other_app() -> App {
    App { id: SdkAppId::parse(1_400_000_002).unwrap(), key: "fedcba9876543210".repeat(4) }
}

/// Devices of the fixtures, by number.
const ALICES_PHONE: u8 = 1;
const BOBS_BROWSER: u8 = 12;

fn device_id(number: u8) -> DeviceId {
    DeviceId::parse(&format!("00000000-0000-4000-8000-{number:012}")).unwrap()
}

/// Messages of the fixtures, by number.
fn message_id(number: u8) -> MessageId {
    MessageId::parse(&format!("01990000-0000-7000-8000-{number:012}")).unwrap()
}

#[test]
fn a_released_migration_is_never_edited() {
    for fixture in Fixture::all() {
        for (name, today) in MIGRATIONS {
            let of_today = migrations(&in_tree(today));
            let of_then = migrations(&fixture.path(name));
            let beginning: BTreeMap<_, _> = of_today.into_iter().take(of_then.len()).collect();
            let is_same = beginning == of_then;
            assert!(
                is_same,
                "the migrations in {today} do not begin with those of {}: a released one stays as it is, and what is \
                 to change comes in a new one; before the release `make fixtures` takes them over",
                fixture.version
            );
        }
    }
}

#[test]
fn every_released_version_and_the_coming_one_have_their_stores_kept() {
    for version in released().iter().map(String::as_str).chain([COMING]) {
        let fixture = Fixture::of(version);
        for name in ["server.sql", "device.sql", "tokens.json"] {
            let path = fixture.path(name);
            assert!(path.exists(), "{} is missing: `make fixtures` makes it before a release", path.display());
        }
    }
    let coming = Fixture::of(COMING);
    for (name, today) in MIGRATIONS {
        let (of_today, kept) = (migrations(&in_tree(today)), migrations(&coming.path(name)));
        assert!(of_today == kept, "the fixture of {COMING} is older than {today}: run `make fixtures`");
    }
}
