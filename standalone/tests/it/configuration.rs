//! `docs/configuration.md` lists the options of `--help`: the same variables, defaults and values.

use std::collections::BTreeMap;
use std::process::Command;

/// A setting, as the page and the help describe it.
#[derive(Debug, Default, PartialEq)]
struct Setting {
    variable: String,
    default: String,
}

/// The text between `start` and the next `end`, with line breaks as spaces.
fn between(text: &str, start: &str, end: char) -> Option<String> {
    let (_, rest) = text.split_once(start)?;
    let (found, _) = rest.split_once(end)?;
    Some(found.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The settings of `--help`, by option, each with the values that it permits.
fn help() -> BTreeMap<String, (Setting, Vec<String>)> {
    let output = Command::new(env!("CARGO_BIN_EXE_standalone"))
        .arg("--help")
        .env_clear()
        .output()
        .unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let options = help.split("\n      --").skip(1).map(|block| {
        let setting = Setting {
            variable: between(block, "[env: ", ']').unwrap(),
            default: between(block, "[default: ", ']').unwrap_or_default().replace('`', ""),
        };
        let values = block.lines().filter_map(|line| line.trim().strip_prefix("- "));
        let values = values.map(|value| value.split(':').next().unwrap().to_owned());
        let name = block.split_whitespace().next().unwrap();
        (format!("--{name}"), (setting, values.collect()))
    });
    options.collect()
}

/// The settings of the page, by option, each with its description.
fn page() -> BTreeMap<String, (Setting, String)> {
    let page = include_str!("../../../docs/configuration.md");
    let rows = page.lines().filter(|line| line.starts_with("| `--"));
    let settings = rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').splitn(4, '|').map(str::trim).collect();
        let [option, variable, default, description] = cells[..] else {
            panic!("a row needs four cells: {row}");
        };
        let plain = |cell: &str| cell.replace('`', "");
        let setting = Setting {
            variable: plain(variable),
            default: plain(default),
        };
        (plain(option), (setting, description.to_owned()))
    });
    settings.collect()
}

#[test]
fn page_names_the_default_address_of_each_service() {
    let page = include_str!("../../../docs/configuration.md");
    for (name, address) in [
        ("user-service", user_service::SERVICE.bind),
        ("task-service", task_service::SERVICE.bind),
    ] {
        assert!(page.contains(&format!("{name} is `{address}`")), "{name}");
    }
}

#[test]
fn page_lists_the_options_of_help() {
    let (help, page) = (help(), page());
    assert!(help.len() > 10, "{help:?}");
    let options = |names: Vec<&String>| names.into_iter().cloned().collect::<Vec<_>>();
    assert_eq!(options(page.keys().collect()), options(help.keys().collect()));
    for (option, (setting, values)) in &help {
        let (listed, description) = &page[option];
        assert_eq!(listed, setting, "{option}");
        for value in values {
            assert!(
                description.contains(&format!("`{value}`")),
                "{option}: {value} is missing"
            );
        }
    }
}

/// The page says which variables Docker Compose does not pass on; it passes on all others.
#[test]
fn stack_passes_on_the_variables_that_the_page_names() {
    let page = include_str!("../../../docs/configuration.md");
    let compose = include_str!("../../../docker-compose.yml");
    let (_, stack) = page.split_once("## The stack").unwrap();
    for (Setting { variable, .. }, _) in self::page().values() {
        let passed = compose.contains(&format!("\n  {variable}:\n"));
        let excepted = stack.contains(&format!("`{variable}`"));
        assert!(
            passed != excepted,
            "{variable}: passed on: {passed}, excepted: {excepted}"
        );
    }
}

/// Over IPv6, Docker passes clients on with one address of its own.
#[test]
fn stack_publishes_ports_on_ipv4_alone() {
    let compose = include_str!("../../../docker-compose.yml");
    let ports: Vec<_> = compose.lines().filter(|line| line.contains(" ports: ")).collect();
    assert!(!ports.is_empty());
    for line in ports {
        let is_ipv4 = ["[\"0.0.0.0:", "[\"127.0.0.1:"]
            .iter()
            .any(|address| line.contains(address));
        assert!(is_ipv4, "{line}");
    }
}
