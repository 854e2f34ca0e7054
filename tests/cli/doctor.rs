//! `llamita doctor`, and what models do about kernels in quarantine.

use std::path::PathBuf;

use serde_json::Value;

use super::{Ran, command, finish};

const STORY: [&str; 7] =
    ["generate", "--prompt", "Once upon a time", "--temperature", "0", "--max-tokens=24", "--json"];

/// A folder for caches of a test's own, which is not there yet.
struct Cache(PathBuf);

impl Cache {
    fn new(name: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("doctor-{name}"));
        std::fs::remove_dir_all(&folder).ok();
        Self(folder)
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        finish(command(arguments).env("XDG_CACHE_HOME", &self.0))
    }

    fn doctor(&self, arguments: &[&str]) -> Ran {
        self.run(&[&["doctor", "--json"], arguments].concat())
    }

    fn story(&self, arguments: &[&str]) -> Ran {
        self.run(&[&STORY, arguments].concat())
    }

    fn file(&self) -> PathBuf {
        self.0.join("llamita/quarantine.json")
    }

    /// The entries of the file.
    fn entries(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.file()).expect("a quarantine");
        let file: Value = serde_json::from_str(&text).expect("JSON");
        let devices = file["devices"].as_array().expect("devices");
        devices.iter().flat_map(|device| device["kernels"].as_array().expect("kernels").clone()).collect()
    }
}

/// The text that every plan in every tier writes.
fn right_story() -> Value {
    finish(&mut command(&STORY)).object()["text"].clone()
}

fn diagnosis(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {} {}", ran.out, ran.err))
}

fn warnings(ran: &Ran) -> Vec<&str> {
    ran.err.lines().filter(|line| line.starts_with("warning")).collect()
}

#[test]
fn a_kernel_that_is_wrong_is_not_used_again() {
    let (cache, story) = (Cache::new("wrong"), right_story());
    let own = diagnosis(&cache.doctor(&["--only", "argmax"]));
    assert_eq!((&own["works"], own["plans"].as_array().expect("plans").len()), (&true.into(), 1), "{own}");
    assert!(!cache.file().exists(), "nothing failed");
    let [plan, tier] = ["plan", "tier"].map(|field| own["plans"][0][field].as_str().expect("a word").to_owned());

    let fault = format!("wrong=argmax@{tier}");
    let ran = cache.doctor(&["--only", "argmax", "--fault", &fault]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let found = diagnosis(&ran);
    let plans = found["plans"].as_array().expect("plans");
    assert!(plans.len() > 1 && plans[0]["works"] == false && plans.last().expect("a plan")["works"] == true, "{found}");
    let entries = cache.entries();
    assert!(!entries.is_empty());
    for entry in &entries {
        assert_eq!(
            (&entry["fault"], &entry["tier"], &entry["plan"]),
            (&"wrong".into(), &tier.clone().into(), &plan.clone().into())
        );
        assert!(entry["error"].as_str().is_some_and(|error| error.contains("argmax")), "{entry}");
    }

    // No fault is made here: the file alone says so.
    let avoiding = cache.story(&[]);
    let [warning] = warnings(&avoiding)[..] else { panic!("{}", avoiding.err) };
    assert!(warning.contains("argmax") && warning.contains("gives wrong results"), "{warning}");
    let report = avoiding.object();
    assert_eq!(report["text"], story);
    assert!(report["tier"] != tier.as_str() || report["plan"] != plan.as_str(), "{report}");
    let asked = cache.story(&["--tier", &tier, "--plan", &plan]);
    assert_eq!((asked.code, asked.out.as_str()), (Some(1), ""));
    for part in ["error: ", "gives wrong results", "no tier and no plan", "--forget"] {
        assert!(asked.err.contains(part), "{part}: {}", asked.err);
    }

    let people = cache.run(&["doctor", "--only", "argmax"]);
    for part in ["works", "in quarantine", "gives wrong results", "quarantine.json", "--forget"] {
        assert!(people.out.contains(part), "{part}: {}", people.out);
    }
    let listed = |cache: &Cache| cache.run(&["devices"]).ok().contains("in quarantine (llamita doctor says which)");
    assert!(listed(&cache));
    assert!(cache.run(&["doctor", "--forget"]).ok().contains("tried again"));
    assert!(!listed(&cache));
    assert!(cache.run(&["doctor", "--forget"]).ok().contains("nothing"));
    let again = cache.story(&[]);
    assert_eq!((warnings(&again).len(), again.object()["tier"].as_str()), (0, Some(tier.as_str())));
}

#[test]
fn a_kernel_that_does_not_compile_is_found_by_whoever_is_first() {
    let (doctor, model, story) = (Cache::new("broken-doctor"), Cache::new("broken-model"), right_story());
    let fault = ["--fault", "broken=flash"];
    assert_eq!(doctor.doctor(&[&["--tier", "base", "--only", "flash"][..], &fault].concat()).code, Some(0));
    // A model that is loaded finds it too, and goes on with what is left.
    let loaded = model.story(&fault);
    let [warning] = warnings(&loaded)[..] else { panic!("{}", loaded.err) };
    assert!(warning.contains("does not compile") && warning.contains("no_such_name"), "{warning}");
    assert_eq!(loaded.object()["text"], story);
    for cache in [doctor, model] {
        for entry in cache.entries() {
            assert_eq!(entry["fault"], "does_not_compile", "{entry}");
            assert!(entry["error"].as_str().is_some_and(|error| error.contains("no_such_name")), "{entry}");
        }
        let report = cache.story(&[]).object();
        assert_eq!((&report["text"], &report["plan"]), (&story, &"gpu".into()));
    }
}

#[test]
fn a_kernel_that_takes_the_device_or_the_program_down_is_remembered() {
    let (lost, killed, story) = (Cache::new("lost"), Cache::new("killed"), right_story());
    assert_eq!(lost.doctor(&["--tier", "base", "--only", "flash", "--fault", "lost=flash"]).code, Some(0));
    let ended = killed.doctor(&["--tier", "base", "--only", "flash", "--fault", "killed=flash"]);
    assert_ne!(ended.code, Some(0), "it ends in the middle");
    assert!(!killed.file().exists(), "it had no time to write");
    for (cache, told) in [(lost, 1), (killed, 2)] {
        let ran = cache.story(&[]);
        assert_eq!(warnings(&ran).len(), told, "{}", ran.err);
        assert!(ran.err.contains("lost the device"), "{}", ran.err);
        let report = ran.object();
        assert_eq!((&report["text"], &report["plan"]), (&story, &"gpu".into()));
        assert!(cache.entries().iter().all(|entry| entry["fault"] == "lost_the_device"));
        assert_eq!(warnings(&cache.story(&[])).len(), 1, "the marker is gone");
    }
}

/// Whoever stops the doctor accuses no kernel.
#[test]
#[cfg(unix)]
fn a_check_that_is_stopped_leaves_no_marker() {
    let cache = Cache::new("stopped");
    let journal = cache.0.join("llamita/journal-kernels.json");
    let mut child = command(&["doctor"]).env("XDG_CACHE_HOME", &cache.0).spawn().expect("the command starts");
    while !std::fs::metadata(&journal).is_ok_and(|file| file.len() > 0) {
        assert!(child.try_wait().expect("its own child").is_none(), "it ended before it had begun");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let process = i32::try_from(child.id()).expect("a process id");
    // SAFETY: the process is a child that nobody has waited for.
    assert_eq!(unsafe { libc::kill(process, libc::SIGINT) }, 0);
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert_eq!(std::fs::metadata(&journal).expect("it stays").len(), 0, "a marker");
    assert!(!cache.file().exists(), "nothing failed");
}

#[test]
fn where_nothing_is_left_the_model_is_refused() {
    let cache = Cache::new("nothing");
    let base = ["--tier", "base", "--only", "argmax/"];
    let ran = cache.doctor(&[&base[..], &["--fault", "broken=argmax"]].concat());
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    assert!(ran.err.contains("error: no plan works"), "{}", ran.err);
    assert_eq!(diagnosis(&ran)["works"], false);
    let refused = cache.story(&["--tier", "base"]);
    assert_eq!((refused.code, refused.out.as_str()), (Some(1), ""));
    for part in
        ["error: ", "argmax", "does not compile", "no tier is asked for", "llamita doctor --forget", "--device cpu"]
    {
        assert!(refused.err.contains(part), "{part}: {}", refused.err);
    }
    assert_eq!(cache.story(&["--device", "cpu"]).object()["text"], right_story());
    let again = cache.doctor(&base);
    assert_eq!((again.code, &diagnosis(&again)["works"]), (Some(1), &false.into()), "they are not tried again");
    assert_eq!(cache.doctor(&["--forget"]).object()["forgotten"].as_u64().map(|count| count > 1), Some(true));
    assert_eq!(cache.story(&["--tier", "base"]).code, Some(0));
}

#[test]
fn a_quarantine_that_cannot_be_read_or_written_is_ignored_with_a_line() {
    let cache = Cache::new("damaged");
    cache.story(&["--fault", "broken=flash"]);
    let good = std::fs::read_to_string(cache.file()).expect("a quarantine");
    let other = good.replace("\"version\": 1", "\"version\": 99");
    for (text, part) in [("{ \"format\"", "damaged"), (&good[..good.len() / 2], "damaged"), (&other, "version 99")] {
        std::fs::write(cache.file(), text).expect("a writable folder");
        let ran = cache.story(&[]);
        let [warning] = warnings(&ran)[..] else { panic!("{}", ran.err) };
        assert!(warning.contains("is ignored") && warning.contains(part), "{warning}");
        assert_eq!(ran.code, Some(0), "{}", ran.err);
    }
    // A folder where a file stands cannot be made, whoever runs this.
    let blocked = Cache::new("blocked");
    std::fs::write(&blocked.0, "").expect("a writable folder");
    let ran = blocked.story(&["--fault", "broken=flash"]);
    assert_eq!(ran.err.matches("is not kept").count(), 1, "{}", ran.err);
    assert_eq!(ran.object()["text"], right_story());
}

#[test]
fn what_there_is_not_cannot_be_examined() {
    let cache = Cache::new("none");
    let ran = cache.doctor(&["--device", "no such adapter"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""));
    assert!(ran.err.contains("no such adapter") && ran.err.contains("there is"), "{}", ran.err);
    assert!(cache.doctor(&["--only", "no such kernel"]).err.contains("no kernel"));
}
