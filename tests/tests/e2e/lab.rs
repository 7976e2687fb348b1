//! The lab: it starts servers, accounts for every message, and leaves no process behind.

use bridgehead_tests::process::Guarded;
use bridgehead_tests::{binary, wait};
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn lab(arguments: &[&str]) -> Command {
    let mut command = Command::new(binary::bridgehead());
    command
        .arg("lab")
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn text(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    String::from_utf8_lossy(&[&out[..], &err[..]].concat()).into_owned()
}

/// Processes that were started with something in this folder.
fn processes_in(folder: &Path) -> Vec<u32> {
    let folder = folder.to_str().unwrap();
    let all = fs::read_dir("/proc").unwrap().flatten();
    let of_folder = all.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).into_owned();
        (line.contains(folder) && line.contains("serve")).then_some(pid)
    });
    of_folder.collect()
}

#[test]
fn every_message_of_a_site_is_accounted_for_also_over_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script");
    fs::write(&script, "after 1s kill ams1\nafter 1s start ams1\n").unwrap();
    let (work, script) = (folder.path().join("lab"), script.to_str().unwrap());
    let output = lab(&["--sites", "1", "--rate", "50", "--duration", "4s"])
        .args(["--script", script, "--folder"])
        .arg(&work)
        .output()
        .unwrap();
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    for line in ["ams1 was killed", "ams1 is up again", "missing     0"] {
        assert!(said.contains(line), "{line}\n{said}");
    }
    let count = |word: &str| -> u64 {
        let line = said.lines().find(|line| line.trim().starts_with(word));
        let line = line.unwrap_or_else(|| panic!("{word}\n{said}"));
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    assert!(count("sent") > 0, "{said}");
    assert_eq!(count("sent"), count("delivered"), "{said}");
    assert_eq!(processes_in(folder.path()), Vec::<u32>::new());
}

/// As the README has it: not every server has a way to every other one.
#[test]
fn four_sites_exchange_mail_over_the_sites_between_them() {
    let folder = tempfile::tempdir().unwrap();
    let output = lab(&["--sites", "4", "--rate", "20", "--duration", "5s"])
        .args(["--patience", "90s", "--folder"])
        .arg(folder.path())
        .output()
        .unwrap();
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    for line in ["missing     0", "doubled     0", "link tok-ams", "with 3"] {
        assert!(said.contains(line), "{line}\n{said}");
    }
}

#[test]
fn mail_goes_around_a_link_that_is_cut_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script");
    let text_of_script =
        "after 5s cut ams-nyc\nafter 20s heal ams-nyc\nafter 25s kill syd1\nafter 28s start syd1\n";
    fs::write(&script, text_of_script).unwrap();
    let script = script.to_str().unwrap();
    let output = lab(&["--sites", "3", "--rate", "10", "--duration", "35s"])
        .args(["--patience", "90s", "--script", script, "--folder"])
        .arg(folder.path())
        .output()
        .unwrap();
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    for line in [
        "missing     0",
        "link ams-nyc: known as DOWN to all 3 servers",
        "link ams-nyc: known as up to all 3 servers",
        // The cheapest way, the way around, and the one that is cheaper than the dear side.
        "ams1 > nyc1\n",
        "ams1 > syd1 > nyc1\n",
        "ams1 > nyc1 > syd1\n",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
    for (done, outcome) in [
        ("cut ams-nyc", "the first message around it after"),
        ("heal ams-nyc", "the first message that way again after"),
    ] {
        let mut lines = said.lines().map(str::trim);
        let after = lines.find(|line| line.starts_with("after") && line.contains(done));
        assert!(
            after.is_some_and(|line| line.contains("known to all after") && line.contains(outcome)),
            "{done}: {outcome}\n{said}"
        );
    }
    assert_eq!(processes_in(folder.path()), Vec::<u32>::new());
}

/// Mail that failed waits for a minute, and the lab for half of one.
#[test]
fn a_link_that_works_again_is_used_at_once_whatever_its_mail_had_to_wait() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script");
    fs::write(&script, "after 5s cut ams-nyc\nafter 12s heal ams-nyc\n").unwrap();
    let script = script.to_str().unwrap();
    let output = lab(&["--sites", "3", "--rate", "6", "--duration", "30s"])
        .args(["--patience", "25s", "--ordinary-retries", "--script"])
        .args([script, "--folder"])
        .arg(folder.path())
        .output()
        .unwrap();
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    let mut lines = said.lines().map(str::trim);
    let after = lines.find(|line| line.starts_with("after") && line.contains("heal ams-nyc"));
    assert!(
        after.is_some_and(|line| line.contains("that way again after")),
        "{said}"
    );
}

#[test]
fn an_interrupted_lab_ends_its_servers() {
    let folder = tempfile::tempdir().unwrap();
    let child = lab(&[
        "--sites",
        "2",
        "--rate",
        "1",
        "--duration",
        "60m",
        "--folder",
    ])
    .arg(folder.path())
    .stdout(Stdio::null())
    .stderr(Stdio::null())
    .spawn();
    let mut child = Guarded::new(child.unwrap());
    let both = wait::try_until(wait::LONG, || {
        (processes_in(folder.path()).len() == 2).then_some(())
    });
    assert!(both.is_some(), "two servers run");
    let ended = child.terminate(wait::LONG);
    assert_eq!(ended.and_then(|status| status.code()), Some(1));
    assert_eq!(processes_in(folder.path()), Vec::<u32>::new());
}

#[test]
fn what_cant_be_is_said_before_anything_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("topology.toml");
    fs::write(&file, "[[site]]\nname = \"ams\"\nserver = [\"ams1\"]\n").unwrap();
    let file = file.to_str().unwrap();
    for (arguments, why) in [
        (&["--sites", "41"][..], "a lab has 1 to 40 servers"),
        (&["--rate", "0"], "the rate is above 0"),
        (&["--rate", "1001"], "at most 1000"),
        (&["--topology", file], "line 3"),
        (&["--script", file], "line 1: `after TIME COMMAND`"),
    ] {
        let output = lab(arguments).output().unwrap();
        let said = text(&output);
        assert!(
            !output.status.success() && said.contains(why),
            "{why}\n{said}"
        );
    }
}
