// SPDX-License-Identifier: Apache-2.0
//! The limit on nesting, checked before a parser recurses.

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

#[cfg(test)]
mod tests {
    use super::is_within_depth;

    #[test]
    fn nesting_counts_brackets_outside_strings_only() {
        assert!(is_within_depth(br#"{"a":["[[[[[{{{\"[["]}"#, 2));
        assert!(!is_within_depth(br#"{"a":[[1]]}"#, 2));
        assert!(is_within_depth(br#"[[],[],[]]"#, 2));
    }
}
