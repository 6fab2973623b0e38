// SPDX-License-Identifier: Apache-2.0
//! Text into words, the same for what is stored and for what is looked for.
//!
//! * In scripts that are written without blanks (Han, kana, Thai, …), in Korean, which appends its particles, and among
//!   emoji each character is a word of its own: a search then finds any part of a text.
//! * Elsewhere letters and digits that follow each other are one word. All else only stands between words.
//! * Words are compared without case, width (ｆｕｌｌ, ﾊﾝｶｸ) and the accents of Latin, modern Greek and Russian letters.

/// A word that no text has: it keeps what stands before it from being read on behind it.
pub(super) const BREAK: char = '\u{fdd0}';

/// Whether a text ended inside a word that may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    InWord,
    AfterWord,
}

/// The words of some texts, a blank between two. None is read from one text into the next.
pub(super) fn segment_all<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let mut words = String::new();
    for text in texts {
        if !words.is_empty() {
            words.push(' ');
            words.push(BREAK);
        }
        segment(text, &mut words);
    }
    words
}

/// Appends the words of a text, a blank between two.
pub(super) fn segment(text: &str, words: &mut String) -> End {
    let mut end = End::AfterWord;
    for c in text.chars() {
        if let Some(whole) = words.chars().next_back().and_then(|last| voiced(last, c).or_else(|| lettered(last, c))) {
            words.pop();
            words.push(whole);
            continue;
        }
        for c in wide(c).to_lowercase().map(plain) {
            end = match role(c) {
                Role::Mark => continue,
                Role::Between => End::AfterWord,
                Role::Alone => {
                    append(words, c);
                    End::AfterWord
                }
                Role::Letter if end == End::InWord => {
                    words.push(c);
                    End::InWord
                }
                Role::Letter => {
                    append(words, c);
                    End::InWord
                }
            };
        }
    }
    end
}

/// Begins a word.
fn append(words: &mut String, c: char) {
    if !words.is_empty() {
        words.push(' ');
    }
    words.push(c);
}

/// What a character does to words.
enum Role {
    /// It is part of a word.
    Letter,
    /// It is a word.
    Alone,
    /// It ends a word.
    Between,
    /// It belongs to the character before it, and is left out.
    Mark,
}

fn role(c: char) -> Role {
    match c {
        'a'..='z' | '0'..='9' => Role::Letter,
        // Accents, joiners, variants, keycaps and the colours of skin.
        '\u{ad}' | '\u{300}'..='\u{36f}' | '\u{200c}'..='\u{200d}' | '\u{20e3}' | '\u{3099}'..='\u{309a}' => Role::Mark,
        '\u{fe00}'..='\u{fe0f}' | '\u{ff9e}'..='\u{ff9f}' | '\u{1f3fb}'..='\u{1f3ff}' => Role::Mark,
        _ if is_picture(c) => Role::Alone,
        // Planes 2 and 3 are Han, also what this compiler's tables do not know yet.
        '\u{20000}'..='\u{3ffff}' => Role::Alone,
        _ if !c.is_alphanumeric() => Role::Between,
        _ if is_without_blanks(c) => Role::Alone,
        _ => Role::Letter,
    }
}

/// Emoji, and signs that are used like them. Not ©, ® and ™: they stand behind names, which are looked for without them.
fn is_picture(c: char) -> bool {
    matches!(c, '‼' | '⁉' | '〰' | '〽' | '㊗' | '㊙' | '\u{2190}'..='\u{21ff}' | '\u{2300}'..='\u{23ff}' | '\u{25a0}'..='\u{27bf}' | '\u{2900}'..='\u{297f}'
        | '\u{2b00}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}')
}

/// Letters of scripts whose words are not set apart by blanks, and of Korean.
fn is_without_blanks(c: char) -> bool {
    matches!(c,
        // Thai, Lao, Tibetan, Myanmar.
        '\u{e00}'..='\u{109f}'
        // Hangul's letters, Khmer, Tai.
        | '\u{1100}'..='\u{11ff}' | '\u{1780}'..='\u{17ff}' | '\u{1950}'..='\u{19df}' | '\u{1a20}'..='\u{1aaf}'
        // Han and its radicals, kana, Bopomofo, Hangul's letters.
        | '\u{2e80}'..='\u{9fff}'
        // Javanese, Myanmar, Hangul.
        | '\u{a960}'..='\u{a9ff}' | '\u{aa60}'..='\u{aa7f}' | '\u{ac00}'..='\u{d7ff}'
        // Han for old standards, kana for old texts.
        | '\u{f900}'..='\u{faff}' | '\u{1aff0}'..='\u{1b16f}')
}

/// The katakana of half width, from U+FF66 on, at full width.
const KATAKANA: [char; 56] = [
    'ヲ', 'ァ', 'ィ', 'ゥ', 'ェ', 'ォ', 'ャ', 'ュ', 'ョ', 'ッ', 'ー', 'ア', 'イ', 'ウ', 'エ', 'オ', 'カ', 'キ', 'ク',
    'ケ', 'コ', 'サ', 'シ', 'ス', 'セ', 'ソ', 'タ', 'チ', 'ツ', 'テ', 'ト', 'ナ', 'ニ', 'ヌ', 'ネ', 'ノ', 'ハ', 'ヒ',
    'フ', 'ヘ', 'ホ', 'マ', 'ミ', 'ム', 'メ', 'モ', 'ヤ', 'ユ', 'ヨ', 'ラ', 'リ', 'ル', 'レ', 'ロ', 'ワ', 'ン',
];

/// The character at its usual width.
fn wide(c: char) -> char {
    let code = u32::from(c);
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(code - 0xfee0).unwrap_or(c),
        '\u{ff66}'..='\u{ff9d}' => KATAKANA.get((code - 0xff66) as usize).copied().unwrap_or(c),
        _ => c,
    }
}

/// A kana with a sound mark that was written behind it, as one character.
fn voiced(kana: char, mark: char) -> Option<char> {
    let steps = match mark {
        '\u{3099}' | '\u{ff9e}' => 1,
        '\u{309a}' | '\u{ff9f}' => 2,
        _ => return None,
    };
    let code = u32::from(kana);
    // Katakana stand 0x60 behind their hiragana.
    let hiragana = if (0x30a1..=0x30f6).contains(&code) { char::from_u32(code - 0x60)? } else { kana };
    match hiragana {
        'う' if steps == 1 => char::from_u32(code + 0x4e),
        'は' | 'ひ' | 'ふ' | 'へ' | 'ほ' => char::from_u32(code + steps),
        'か' | 'き' | 'く' | 'け' | 'こ' | 'さ' | 'し' | 'す' | 'せ' | 'そ' | 'た' | 'ち' | 'つ' | 'て' | 'と'
            if steps == 1 =>
        {
            char::from_u32(code + 1)
        }
        _ => None,
    }
}

/// A Cyrillic letter with what was written behind it, where that is no accent: the two are a letter of its own.
fn lettered(letter: char, mark: char) -> Option<char> {
    match (letter, mark) {
        ('и', '\u{306}') => Some('й'),
        ('у', '\u{306}') => Some('ў'),
        ('і', '\u{308}') => Some('ї'),
        _ => None,
    }
}

/// A small letter without its accents and strokes. By hand: a library knows all of Unicode, in tables larger than the rest of
/// the search, and leaves strokes on (`đ`, `ł`, `ø`).
fn plain(c: char) -> char {
    match c {
        'a'..='z' => c,
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' | 'ā' | 'ă' | 'ą' | 'ǎ' | 'ǟ' | 'ǡ' | 'ǻ' | 'ȁ' | 'ȃ' | 'ȧ' | 'ḁ' | 'ạ'
        | 'ả' | 'ấ' | 'ầ' | 'ẩ' | 'ẫ' | 'ậ' | 'ắ' | 'ằ' | 'ẳ' | 'ẵ' | 'ặ' => 'a',
        'ḃ' | 'ḅ' | 'ḇ' => 'b',
        'ç' | 'ć' | 'ĉ' | 'ċ' | 'č' | 'ḉ' => 'c',
        'ď' | 'ḋ' | 'ḍ' | 'ḏ' | 'ḑ' | 'ḓ' | 'đ' => 'd',
        'è' | 'é' | 'ê' | 'ë' | 'ē' | 'ĕ' | 'ė' | 'ę' | 'ě' | 'ȅ' | 'ȇ' | 'ȩ' | 'ḕ' | 'ḗ' | 'ḙ' | 'ḛ' | 'ḝ' | 'ẹ'
        | 'ẻ' | 'ẽ' | 'ế' | 'ề' | 'ể' | 'ễ' | 'ệ' => 'e',
        'ḟ' => 'f',
        'ĝ' | 'ğ' | 'ġ' | 'ģ' | 'ǧ' | 'ǵ' | 'ḡ' => 'g',
        'ĥ' | 'ȟ' | 'ḣ' | 'ḥ' | 'ḧ' | 'ḩ' | 'ḫ' | 'ẖ' | 'ħ' => 'h',
        'ì' | 'í' | 'î' | 'ï' | 'ĩ' | 'ī' | 'ĭ' | 'į' | 'ǐ' | 'ȉ' | 'ȋ' | 'ḭ' | 'ḯ' | 'ỉ' | 'ị' | 'ı' => {
            'i'
        }
        'ĵ' | 'ǰ' => 'j',
        'ķ' | 'ǩ' | 'ḱ' | 'ḳ' | 'ḵ' => 'k',
        'ĺ' | 'ļ' | 'ľ' | 'ḷ' | 'ḹ' | 'ḻ' | 'ḽ' | 'ł' => 'l',
        'ḿ' | 'ṁ' | 'ṃ' => 'm',
        'ñ' | 'ń' | 'ņ' | 'ň' | 'ǹ' | 'ṅ' | 'ṇ' | 'ṉ' | 'ṋ' => 'n',
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ō' | 'ŏ' | 'ő' | 'ơ' | 'ǒ' | 'ǫ' | 'ǭ' | 'ȍ' | 'ȏ' | 'ȫ' | 'ȭ' | 'ȯ' | 'ȱ'
        | 'ṍ' | 'ṏ' | 'ṑ' | 'ṓ' | 'ọ' | 'ỏ' | 'ố' | 'ồ' | 'ổ' | 'ỗ' | 'ộ' | 'ớ' | 'ờ' | 'ở' | 'ỡ' | 'ợ' | 'ø' | 'ǿ' => {
            'o'
        }
        'ṕ' | 'ṗ' => 'p',
        'ŕ' | 'ŗ' | 'ř' | 'ȑ' | 'ȓ' | 'ṙ' | 'ṛ' | 'ṝ' | 'ṟ' => 'r',
        'ś' | 'ŝ' | 'ş' | 'š' | 'ș' | 'ṡ' | 'ṣ' | 'ṥ' | 'ṧ' | 'ṩ' => 's',
        'ţ' | 'ť' | 'ț' | 'ṫ' | 'ṭ' | 'ṯ' | 'ṱ' | 'ẗ' | 'ŧ' => 't',
        'ù' | 'ú' | 'û' | 'ü' | 'ũ' | 'ū' | 'ŭ' | 'ů' | 'ű' | 'ų' | 'ư' | 'ǔ' | 'ǖ' | 'ǘ' | 'ǚ' | 'ǜ' | 'ȕ' | 'ȗ'
        | 'ṳ' | 'ṵ' | 'ṷ' | 'ṹ' | 'ṻ' | 'ụ' | 'ủ' | 'ứ' | 'ừ' | 'ử' | 'ữ' | 'ự' => 'u',
        'ṽ' | 'ṿ' => 'v',
        'ŵ' | 'ẁ' | 'ẃ' | 'ẅ' | 'ẇ' | 'ẉ' | 'ẘ' => 'w',
        'ẋ' | 'ẍ' => 'x',
        'ý' | 'ÿ' | 'ŷ' | 'ȳ' | 'ẏ' | 'ẙ' | 'ỳ' | 'ỵ' | 'ỷ' | 'ỹ' => 'y',
        'ź' | 'ż' | 'ž' | 'ẑ' | 'ẓ' | 'ẕ' => 'z',
        'ά' => 'α',
        'έ' => 'ε',
        'ή' => 'η',
        'ί' | 'ϊ' | 'ΐ' => 'ι',
        'ό' => 'ο',
        'ς' => 'σ',
        'ύ' | 'ϋ' | 'ΰ' => 'υ',
        'ώ' => 'ω',
        'ё' => 'е',
        _ => c,
    }
}
