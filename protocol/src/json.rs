// SPDX-License-Identifier: Apache-2.0
//! The limit on nesting, checked before a parser recurses, and what is said of JSON that cannot be read.

/// Whether JSON text nests at most `depth_max` levels of arrays and objects. Text that is no JSON may pass:
/// the parser refuses it.
pub fn is_within_depth(text: &[u8], depth_max: usize) -> bool {
    let (mut depth, mut in_string, mut is_escaped) = (0usize, false, false);
    for byte in text {
        if in_string {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => {
                depth += 1;
                if depth > depth_max {
                    return false;
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    true
}

/// Why JSON could not be read, without what stood there: that may be what somebody wrote, or a ticket in the wrong field.
pub fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    // invalid type: string "…", expected a sequence at line 1 column 9; unknown variant `…`, expected `a` or `b`
    let found = [": ", " `"].iter().filter_map(|before| text.find(before)).min();
    match (found, text.rfind(", expected ")) {
        (Some(found), Some(expected)) if found < expected => format!("{}{}", &text[..found], &text[expected..]),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::{is_within_depth, reason};

    #[test]
    fn a_reason_says_where_and_what_was_expected_and_nothing_of_what_stood_there() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum Colour {
            Red,
            Blue,
        }
        #[derive(Debug, serde::Deserialize)]
        struct Thing {
            #[expect(dead_code, reason = "it is only read")]
            colour: Colour,
        }
        let of_number = serde_json::from_str::<u8>(r#""dear, expected: `you`, \"me\", expected us""#).unwrap_err();
        assert_eq!(reason(&of_number), "invalid type, expected u8 at line 1 column 44");
        let said = |text| reason(&serde_json::from_str::<Thing>(text).unwrap_err());
        assert_eq!(
            said(r#"{"colour": "dear `you`, expected"}"#),
            "unknown variant, expected `red` or `blue` at line 1 column 33"
        );
        assert_eq!(said("{}"), "missing field `colour` at line 1 column 2");
        assert_eq!(said("{"), "EOF while parsing an object at line 1 column 1");
        let _ = [Colour::Red, Colour::Blue];
    }

    #[test]
    fn nesting_counts_brackets_outside_strings_only() {
        assert!(is_within_depth(br#"{"a":["[[[[[{{{\"[["]}"#, 2));
        assert!(!is_within_depth(br#"{"a":[[1]]}"#, 2));
        assert!(is_within_depth(br#"[[],[],[]]"#, 2));
    }
}
