//! Names instead of field ids, from a names file: `attributes`, `export`, `changes`, `history`.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::Value;

use super::Mirror;

const NAMES: &str = "id,name,restricted_name,type,language,code_set\n\
                     F_1,Brand,Brand_Name,Text,en,Brands\n\
                     F_2,Size,,,,\n\
                     F_3,size,,,,\n\
                     F_4,Order,,,,\n";

/// A mirror of one item with these names.
fn named(names: &str) -> Mirror {
    let mirror = Mirror::new();
    names_file(&mirror, names);
    mirror.put(7, Some(r#"{"itemId":7,"F_1":"B","F_2":1.50,"F_9":null}"#));
    mirror.put(7, Some(r#"{"itemId":7,"F_1":"C","F_2":1.50,"F_9":null}"#));
    mirror
}

fn names_file(mirror: &Mirror, names: &str) {
    let path = mirror.directory.path().join("names");
    fs::write(&path, names).unwrap();
    configure(mirror, &path);
}

fn configure(mirror: &Mirror, path: &std::path::Path) {
    let file = path.display();
    mirror.configure_repositories(&format!("[[repository]]\nid = 1\nnames_file = '{file}'\n"));
}

#[test]
fn the_names_of_a_file_are_listed() {
    let mirror = named(NAMES);
    let table = mirror.answer(&["attributes", "--repository", "1"]);
    let lines: Vec<Vec<&str>> =
        table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[1], ["F_1", "Brand", "Brand_Name", "Text", "en", "Brands"]);
    assert_eq!(lines[2], ["F_2", "Size", "-", "-", "-", "-"]);
    assert_eq!(lines.len(), 5);
    let document = mirror.answer(&["attributes", "--repository", "1", "--json"]);
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!(document["attributes"][0]["restricted_name"], "Brand_Name");
    assert_eq!(document["attributes"][0]["shown_as"], "Brand");
    // Names that differ in case only, and words of SQL.
    for (index, start) in [(1, "Size_"), (2, "size_"), (3, "Order_")] {
        let shown = document["attributes"][index]["shown_as"].as_str().unwrap();
        assert!(shown.starts_with(start) && shown.len() == start.len() + 8, "{shown}");
    }
}

#[test]
fn names_stand_in_every_answer_that_asks_for_them() {
    let mirror = named("id,name\nF_1,Brand\nF_2,Size\n");
    let export = ["export", "--repository", "1"];
    assert_eq!(mirror.answer(&export), "{\"itemId\":7,\"F_1\":\"C\",\"F_2\":1.50,\"F_9\":null}\n");
    let told = mirror.answer(&[&export[..], &["--names"]].concat());
    assert_eq!(told, "{\"itemId\":7,\"Brand\":\"C\",\"Size\":1.50,\"F_9\":null}\n");
    let told = mirror.answer(&[&export[..], &["--names", "--format", "csv"]].concat());
    assert_eq!(told, "itemId,Brand,F_9,Size\r\n7,C,,1.50\r\n");
    let changes = mirror.answer(&["changes", "--repository", "1", "--names"]);
    let last: Value = serde_json::from_str(changes.lines().last().unwrap()).unwrap();
    assert_eq!((&last["before"]["Brand"], &last["after"]["Brand"]), (&"B".into(), &"C".into()));
    assert!(changes.contains("\"Size\":1.50"), "{changes}");
    let history = mirror.answer(&["history", "--repository", "1", "--item", "7"]);
    assert!(history.ends_with("    Brand: \"B\" -> \"C\"\n"), "{history}");
}

#[test]
fn columns_are_chosen_ordered_and_renamed() {
    let mirror = named(NAMES);
    let ask = |more: &[&str]| mirror.answer(&[&["export", "--repository", "1"], more].concat());
    assert_eq!(ask(&["--columns", "brand_name,itemId"]), "{\"F_1\":\"C\",\"itemId\":7}\n");
    let told = ask(&["--columns", "F_2=Width,Brand,itemId=id", "--names"]);
    assert_eq!(told, "{\"Width\":1.50,\"Brand\":\"C\",\"id\":7}\n");
    let told = ask(&["--columns", "F_2=Width,F_9,itemId", "--format", "csv"]);
    assert_eq!(told, "Width,F_9,itemId\r\n1.50,,7\r\n");
    let unseen = mirror.ask(&["export", "--repository", "1", "--columns", "Brnad"]);
    assert_eq!(String::from_utf8_lossy(&unseen.stdout), "{}\n");
    assert!(super::stderr(&unseen).contains("no item has a member for --columns Brnad\n"));
    for (columns, told) in [
        ("SIZE", "take a field id, one of F_2, F_3"),
        ("F_1,Brand", "two columns would be called \"F_1\""),
        ("F_1,,F_2", "an empty name"),
    ] {
        let refused = mirror.refusal(&["export", "--repository", "1", "--columns", columns], 2);
        assert!(refused.contains(told), "{refused}");
    }
}

#[test]
fn a_file_that_is_no_names_file_is_told_with_its_line_and_not_quoted() {
    let mirror = named(NAMES);
    let check = |told: &str| {
        for question in [&["check"][..], &["export", "--repository", "1", "--names"]] {
            let refused = mirror.refusal(question, 2);
            assert!(refused.contains("repository[1].names_file"), "{refused}");
            assert!(refused.contains(told) && !refused.contains("hunter2"), "{refused}");
        }
    };
    names_file(&mirror, "id,name\nF_1,a\nF_1,hunter2\n");
    check("line 3 has an id that stands there twice");
    names_file(&mirror, "{\"F_1\": \"a\",\n hunter2");
    check("line 2 is not JSON");
    names_file(&mirror, "hunter2\n");
    check("line 1 has a head");
    let [folder, names] = ["", "names"].map(|name| mirror.directory.path().join(name));
    let link = mirror.directory.path().join("link");
    symlink(names, &link).unwrap();
    configure(&mirror, &link);
    check("it is a link");
    configure(&mirror, &folder);
    check("it is a directory");
    configure(&mirror, &mirror.directory.path().join("nothing"));
    check("cannot be read");
}
