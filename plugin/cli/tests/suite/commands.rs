//! The command line and the pages: `docs/commands.md` is generated from the program, and
//! the commands on all pages are commands of the program. With `BLESS=1` in the
//! environment, the first test writes its page.

use clap::{Arg, Command};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

const START: &str = "# Commands

Every command of `flb-audit`, with its options, examples and exit codes. This page is generated
from the program; `flb-audit COMMAND --help` prints the same.

";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn program() -> Command {
    let mut program = flb_audit::command();
    program.build();
    program
}

#[test]
fn the_page_of_commands_is_the_programs() {
    let mut page = START.to_owned();
    let mut commands: Vec<Command> = program().get_subcommands().cloned().collect();
    commands.retain(|command| command.get_name() != "help");
    commands.sort_by(|one, other| one.get_name().cmp(other.get_name()));
    page += "| command | |\n|---|---|\n";
    for command in &commands {
        let (name, about) = (command.get_name(), command.get_about().map(ToString::to_string));
        // Writing to a string cannot fail.
        let _ = writeln!(page, "| [{name}](#{name}) | {} |", cell(&about.unwrap_or_default()));
    }
    for command in &mut commands {
        section(&mut page, command, 2);
    }
    let path = root().join("docs/commands.md");
    if env::var_os("BLESS").is_some() {
        fs::write(&path, &page).expect("the page");
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "docs/commands.md is not what the program has; BLESS=1 writes it");
}

fn section(page: &mut String, command: &mut Command, level: usize) {
    let name = match level {
        2 => command.get_name().to_owned(),
        _ => command.get_bin_name().unwrap_or_default().replace("flb-audit ", ""),
    };
    let _ = writeln!(page, "\n{} {name}\n", "#".repeat(level));
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string);
    let _ = writeln!(page, "{}\n", ended(&about.unwrap_or_default()));
    let usage = command.render_usage().to_string();
    let _ = writeln!(page, "```\n{}\n```", usage.trim_start_matches("Usage: "));
    let arguments: Vec<&Arg> =
        command.get_arguments().filter(|argument| argument.get_id() != "help").collect();
    if !arguments.is_empty() {
        page.push_str("\n| argument | |\n|---|---|\n");
        for argument in arguments {
            let _ = writeln!(page, "| `{}` | {} |", name_of(argument), meaning(argument));
        }
    }
    let mut inner: Vec<Command> = command.get_subcommands().cloned().collect();
    inner.retain(|command| command.get_name() != "help");
    for command in &mut inner {
        section(page, command, level + 1);
    }
    if let Some(help) = command.get_after_long_help() {
        let _ = writeln!(page, "\n```\n{}\n```", help.to_string().trim_end());
    }
}

/// Returns an argument as a command line has it.
fn name_of(argument: &Arg) -> String {
    let value = argument.get_value_names().and_then(|names| names.first()).map(ToString::to_string);
    let value = value.unwrap_or_default();
    match argument.get_long() {
        None => value,
        Some(long) if argument.get_action().takes_values() => format!("--{long} {value}"),
        Some(long) => format!("--{long}"),
    }
}

fn meaning(argument: &Arg) -> String {
    let help = argument.get_long_help().or(argument.get_help()).map(ToString::to_string);
    let mut meaning = cell(&help.unwrap_or_default());
    let defaults: Vec<String> =
        argument.get_default_values().iter().map(|value| format!("`{}`", value.to_string_lossy())).collect();
    let values: Vec<String> =
        argument.get_possible_values().iter().map(|value| format!("`{}`", value.get_name())).collect();
    if argument.get_action().takes_values() && !values.is_empty() {
        let _ = write!(meaning, " [possible values: {}]", values.join(", "));
    }
    if argument.get_action().takes_values() && !defaults.iter().all(|value| value == "``") {
        let _ = write!(meaning, " [default: {}]", defaults.join(", "));
    }
    meaning
}

/// Returns a text as one cell of a table.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|").replace('<', "\\<")
}

/// Returns paragraphs, of which each ends with a point.
fn ended(text: &str) -> String {
    let paragraphs = text.split("\n\n").map(|paragraph| {
        let paragraph = paragraph.trim();
        if paragraph.ends_with(['.', ':']) { paragraph.to_owned() } else { format!("{paragraph}.") }
    });
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

/// Every command in the help is one that the program accepts.
#[test]
fn examples_in_the_help_are_commands() {
    let mut wrong = Vec::new();
    for command in program().get_subcommands().filter(|command| command.get_name() != "help") {
        let help = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
        let examples: Vec<&str> =
            help.lines().filter(|line| line.trim_start().starts_with("flb-audit ")).collect();
        if examples.is_empty() {
            wrong.push(format!("{} has no example", command.get_name()));
        }
        wrong.extend(examples.into_iter().filter_map(|line| refusal(line.trim())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every command line of `flb-audit` in a block of code is one that the program accepts,
/// and in running text every command and option exists.
#[test]
fn commands_on_the_pages_are_commands() {
    let (mut wrong, mut in_blocks, mut in_text) = (Vec::new(), 0, 0);
    for path in pages() {
        let text = fs::read_to_string(&path).expect("a page");
        let name = path.strip_prefix(root()).unwrap_or(&path).display().to_string();
        for (line, command) in commands_in_blocks(&text) {
            in_blocks += 1;
            wrong.extend(refusal(&command).map(|said| format!("{name}:{line}: {said}")));
        }
        // In the format of the seal, such texts are what is signed.
        let is_of_the_format = path.ends_with("docs/seal-format.md");
        for command in commands_in_text(&text).into_iter().filter(|_| !is_of_the_format) {
            in_text += 1;
            wrong.extend(unknown(&command).map(|said| format!("{name}: `{command}`: {said}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(in_blocks > 40 && in_text > 60, "{in_blocks} in blocks, {in_text} in the text");
}

/// The pages, and the configs and manifests whose comments have commands.
fn pages() -> Vec<PathBuf> {
    let folders = [
        "",
        "docs",
        "docs/ocsf",
        "examples/kubernetes",
        "examples/monitoring",
        "examples/record",
        "examples/streams",
        "wit",
    ];
    let mut pages: Vec<PathBuf> = folders
        .into_iter()
        .flat_map(|folder| fs::read_dir(root().join(folder)).expect("a folder"))
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    pages.sort();
    pages
}

/// Returns the command lines of `flb-audit` in blocks of code, without prompts, comments
/// and redirections, each with its line.
fn commands_in_blocks(text: &str) -> Vec<(usize, String)> {
    let (mut commands, mut is_open, mut continued): (Vec<(usize, String)>, bool, bool) =
        (Vec::new(), false, false);
    for (at, line) in text.lines().enumerate() {
        if let Some(language) = line.strip_prefix("```") {
            (is_open, continued) = (["console", "sh"].contains(&language), false);
        } else if is_open {
            let (code, goes_on) =
                line.trim().strip_suffix('\\').map_or((line.trim(), false), |code| (code, true));
            let code = ["$ ", "# "].iter().find_map(|prompt| code.strip_prefix(prompt)).unwrap_or(code);
            let code = code.strip_prefix("dist/").unwrap_or(code);
            if continued {
                if let Some((_, command)) = commands.last_mut() {
                    command.push(' ');
                    command.push_str(code);
                }
            } else if is_command(code) {
                commands.push((at + 1, code.to_owned()));
            } else {
                continue;
            }
            continued = goes_on;
        }
    }
    commands
}

/// Tells a command line from a message, which begins with `flb-audit:`.
fn is_command(code: &str) -> bool {
    code.strip_prefix("flb-audit ")
        .is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_lowercase()))
}

/// Returns the code in running text that begins with `flb-audit`.
fn commands_in_text(text: &str) -> Vec<String> {
    let mut is_open = false;
    let prose: Vec<&str> = text
        .lines()
        .filter(|line| {
            let is_fence = line.starts_with("```");
            is_open ^= is_fence;
            !is_open && !is_fence
        })
        .collect();
    let prose = prose.join(" ");
    let codes = prose.split('`').skip(1).step_by(2);
    codes
        .map(|code| code.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|code| is_command(code))
        .collect()
}

/// Splits a command line as a shell does, up to a comment, a pipe or a redirection.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote): (Vec<String>, Option<String>, Option<char>) =
        (Vec::new(), None, None);
    for character in line.chars() {
        match (character, quote) {
            (_, Some(open)) if character == open => quote = None,
            ('\'' | '"', None) => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (' ', None) => words.extend(word.take()),
            ('#', None) if word.is_none() => break,
            ('|' | '>' | '<', None) => break,
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    words
}

/// Returns what the program has against a command line.
fn refusal(line: &str) -> Option<String> {
    let words = words(line).into_iter().map(|word| match word.as_str() {
        // Numbers stand for themselves, other capitals for anything.
        "N" | "SEG" | "SEQ" => "1".to_owned(),
        "CHAIN" => "bFgFti0jFSTc".to_owned(),
        _ => word,
    });
    match flb_audit::command().try_get_matches_from(words) {
        Ok(_) => None,
        Err(error) if !error.use_stderr() => None,
        Err(error) => Some(format!("{line}\n{error}")),
    }
}

/// Returns the first word of a command in running text that the program does not know.
fn unknown(code: &str) -> Option<String> {
    let mut command = program();
    for word in words(code).into_iter().skip(1) {
        if let Some(option) = word.strip_prefix("--") {
            let option = option.trim_end_matches(['.', ',', '…']);
            let is_known = ["", "help", "version"].contains(&option)
                || command.get_arguments().any(|argument| argument.get_long() == Some(option));
            if !is_known {
                return Some(format!("no option --{option}"));
            }
        } else if command.has_subcommands() {
            match command.find_subcommand(&word).cloned() {
                Some(inner) => command = inner,
                None if word.chars().all(|character| character.is_uppercase()) => return None,
                None => return Some(format!("no command {word}")),
            }
        }
    }
    None
}
