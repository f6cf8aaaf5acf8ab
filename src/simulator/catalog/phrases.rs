//! Product prose in many scripts, and strings that are awkward to copy.

pub(super) const GERMAN: &[&str] = &[
    "Kräftiger Akkuschrauber für Größen bis 8 mm, mit Zwei-Gang-Getriebe.",
    "Lieferung ohne Zubehör; Maße siehe Maßblatt.",
    "Spülmaschinenfest und auch für Öfen und Kühlräume geeignet.",
    "Grundpreis je Stück, zuzüglich Mehrwertsteuer.",
];
pub(super) const ENGLISH: &[&str] = &[
    "Cordless drill with a keyless chuck and two gears.",
    "Ships without accessories; see the data page for what fits.",
    "The \"Pro\" version comes with a spare battery.",
    "Not for use near open flames, in rain or by children.",
];
pub(super) const FRENCH: &[&str] = &[
    "Perceuse légère, idéale pour l’œuvre de précision.",
    "Garantie de deux ans à compter de la réception, pièces et main-d’œuvre.",
    "Conçue pour le bâtiment où ça compte.",
];
pub(super) const GREEK: &[&str] = &[
    "Ασύρματο δράπανο με μπαταρία λιθίου.",
    "Η συσκευασία δεν περιέχει εξαρτήματα ούτε φορτιστή.",
    "Εγγύηση δύο ετών.",
];
pub(super) const RUSSIAN: &[&str] = &[
    "Жёсткий корпус и долгий срок службы.",
    "Аккумулятор и зарядное устройство входят в комплект.",
    "Не вскрывать под нагрузкой!",
];
pub(super) const HEBREW: &[&str] =
    &["מקדחה נטענת לשימוש ביתי.", "אחריות לשנתיים.", "שקט וחזק: 18V."];
pub(super) const ARABIC: &[&str] =
    &["مثقاب لاسلكي عملي للمنزل.", "ضمان لمدة عامين.", "السعر ٤٩٫٩٠ يورو."];
pub(super) const CHINESE: &[&str] =
    &["无绳电钻,双速变速。", "包装内不含配件。", "𠮷野家专用型号。"];
pub(super) const JAPANESE: &[&str] =
    &["充電式ドライバードリル。", "付属品は別売りです。", "ﾊﾝｶｸ表記あり。"];
pub(super) const HINDI: &[&str] = &["तार रहित ड्रिल मशीन।", "दो साल की वारंटी।", "क्षमता: १८ वोल्ट।"];

/// Emoji: beyond the basic plane, joined, with a skin tone, and as a pair of escapes.
pub(super) const EMOJI: &[&str] =
    &["\"🔧 Jetzt neu! 🎉\"", "\"👩🏽‍🔧 approved\"", "\"\\ud83d\\ude00 escaped\"", "\"🇩🇪 🇬🇷 🇮🇱\""];

/// The same name composed, decomposed and escaped: three strings that look alike.
pub(super) const COMBINING: &[&str] = &[
    "\"Ren\u{e9} Caf\u{e9}\"",
    "\"Rene\u{301} Cafe\u{301}\"",
    r#""Ren\u00e9 Caf\u00E9""#,
    "\"Z\u{351}\u{36b}a\u{334}lgo\"",
    "\"A\u{30a}ngstro\u{308}m \u{200b}\u{feff}\"",
];

/// Every escape that JSON knows, and what looks like one.
pub(super) const ESCAPED: &[&str] = &[
    r#""line one\nline two\r\n\ttabbed""#,
    r#""quoted \"inside\" and C:\\temp\\new""#,
    r#""\u0000 \u0001 \u001f \b \f""#,
    r#""<b>50 %<\/b> &amp; 'more' \u003cscript\u003e""#,
    r#""{\"itemId\": 1, \"not\": [\"an item\"]}""#,
    r#""\u2028 and \u2029""#,
    "\"null\"",
    r#""],\"searchTotal\":0""#,
];
