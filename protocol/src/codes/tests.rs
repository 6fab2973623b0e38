// SPDX-License-Identifier: Apache-2.0

use std::collections::HashSet;

use super::{Code, TABLE};

const ERRORS_PAGE: &str = include_str!("../../../docs/errors.md");

/// Every code that has a number of its own in the inventory of the vendor's codes; a range is its two ends.
const INVENTORY: &[(i32, i32)] = &[
    (-20009, -20009),
    (-10114, -10113),
    (-10106, -10106),
    (-10101, -10101),
    (-10004, -10003),
    (-10001, -10001),
    (-302, -302),
    (3122, 3122),
    (4001, 4005),
    (6001, 6019),
    (6021, 6023),
    (6026, 6029),
    (6031, 6032),
    (6200, 6201),
    (6206, 6206),
    (6208, 6208),
    (6212, 6214),
    (6220, 6220),
    (6222, 6223),
    (6226, 6226),
    (6255, 6255),
    (7001, 7015),
    (7501, 7502),
    (8001, 8006),
    (8010, 8012),
    (8020, 8021),
    (8501, 8514),
    (8516, 8516),
    (9001, 9006),
    (9501, 9525),
    (10002, 10019),
    (10021, 10021),
    (10023, 10026),
    (10030, 10038),
    (10041, 10041),
    (10044, 10054),
    (10056, 10056),
    (10058, 10063),
    (10070, 10071),
    (11000, 11000),
    (20001, 20012),
    (20016, 20016),
    (20018, 20018),
    (20022, 20023),
    (20027, 20028),
    (21005, 21005),
    (23001, 23001),
    (23004, 23009),
    (30001, 30015),
    (30515, 30516),
    (30525, 30525),
    (30539, 30540),
    (30614, 30614),
    (31704, 31704),
    (31707, 31707),
    (31804, 31804),
    (32100, 32103),
    (40001, 40009),
    (40601, 40601),
    (40605, 40605),
    (40610, 40610),
    (50001, 50005),
    (51006, 51012),
    (60002, 60021),
    (60025, 60026),
    (60028, 60028),
    (70001, 70003),
    (70005, 70005),
    (70009, 70009),
    (70013, 70014),
    (70016, 70016),
    (70020, 70020),
    (70050, 70052),
    (70101, 70101),
    (70107, 70107),
    (70114, 70114),
    (70169, 70169),
    (70206, 70206),
    (70398, 70399),
    (70402, 70404),
    (70500, 70500),
    (71000, 71000),
    (72000, 72002),
    (72010, 72012),
    (80001, 80005),
    (80101, 80101),
    (90001, 90003),
    (90005, 90007),
    (90009, 90012),
    (90026, 90026),
    (90031, 90031),
    (90044, 90044),
    (90048, 90048),
    (90101, 90101),
    (90992, 90992),
    (90994, 90995),
    (91000, 91000),
    (91101, 91101),
    (93000, 93000),
    (114000, 114005),
    (114011, 114011),
    (115066, 115066),
    (115068, 115068),
];

#[test]
fn codes_rise_so_that_each_is_there_once_and_found() {
    assert!(TABLE.windows(2).all(|pair| pair[0].code.0 < pair[1].code.0));
    for row in TABLE {
        assert_eq!(row.code.name(), Some(row.name));
        assert_eq!(row.code.text(), row.text);
        assert_eq!(row.code.is_retryable(), row.is_retryable);
    }
}

#[test]
fn no_two_codes_share_a_name() {
    let names: HashSet<_> = TABLE.iter().map(|row| row.name).collect();
    assert_eq!(names.len(), TABLE.len());
}

#[test]
fn every_code_of_the_inventory_has_a_row() {
    let missing: Vec<_> = INVENTORY
        .iter()
        .flat_map(|&(first, last)| first..=last)
        .filter(|&number| Code(number).name().is_none())
        .collect();
    assert_eq!(missing, [] as [i32; 0]);
}

#[test]
fn the_page_of_codes_says_what_the_table_says() {
    let expected: Vec<String> = TABLE
        .iter()
        .map(|row| {
            let retry = if row.is_retryable { "yes" } else { "no" };
            format!("| {} | `{}` | {} | {retry} |", row.code.0, row.name, row.text)
        })
        .collect();
    let written: Vec<&str> = ERRORS_PAGE
        .lines()
        .filter(|line| {
            let cell = line.split('|').nth(1).unwrap_or_default();
            cell.trim().parse::<i32>().is_ok()
        })
        .collect();
    for (number, (written, expected)) in written.iter().zip(&expected).enumerate() {
        assert_eq!(written, expected, "row {number} of docs/errors.md");
    }
    assert_eq!(written.len(), expected.len(), "rows of docs/errors.md and of the table");
}

#[test]
fn what_passes_may_be_retried_and_what_the_caller_must_change_may_not() {
    for code in [
        Code::REQUEST_TIMEOUT,
        Code::NETWORK_DISCONNECTED,
        Code::CALL_FREQUENCY_LIMIT,
        Code::ACCESS_OVERLOADED,
        Code::TOO_MANY_FAILED_LOGINS,
    ] {
        assert!(code.is_retryable(), "{code}");
    }
    for code in [
        Code::OK,
        Code::INVALID_PARAMETERS,
        Code::MESSAGE_TOO_LONG,
        Code::NO_PERMISSION,
        Code::USER_SIG_EXPIRED,
        Code::MODIFY_CONFLICT,
        Code(123_456_789),
    ] {
        assert!(!code.is_retryable(), "{code}");
    }
}

#[test]
fn an_unknown_code_survives() {
    let code: Code = serde_json::from_str("987654").expect("a number");
    assert_eq!(serde_json::to_string(&code).expect("a number"), "987654");
    assert_eq!((code.name(), code.text(), code.to_string().as_str()), (None, "unknown error", "987654"));
}

#[test]
fn only_zero_is_success() {
    assert!(Code::OK.is_ok());
    assert_eq!(TABLE.iter().filter(|row| row.code.is_ok()).count(), 1);
    assert!(!Code(-1).is_ok());
}

#[test]
fn codes_of_an_apps_own_server_are_told_apart() {
    for number in [38_000, 39_000, 120_001, 130_000] {
        assert!(Code(number).is_app_defined());
        assert_ne!(Code(number).text(), Code(1).text());
    }
    for number in [37_999, 39_001, 120_000, 130_001] {
        assert!(!Code(number).is_app_defined());
    }
    assert!(TABLE.iter().all(|row| !row.code.is_app_defined()), "a row would hide an app's own code");
}

#[test]
fn a_known_code_shows_its_name() {
    assert_eq!(Code::NOT_LOGGED_IN.to_string(), "6014 NOT_LOGGED_IN");
}
