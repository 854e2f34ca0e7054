//! `llamita generate`.

use super::{BUNDLED, golden, ids, number, run, run_with, scratch, str};

pub const FIELDS: [&str; 13] = [
    "text",
    "token_ids",
    "prompt_tokens",
    "generated_tokens",
    "prefill_tokens_per_second",
    "decode_tokens_per_second",
    "time_to_first_token_ms",
    "stop_reason",
    "device",
    "tier",
    "plan",
    "model",
    "seed",
];

/// Arguments of a short run on the CPU.
fn on_cpu<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["generate", "--device", "cpu", "--max-tokens", "12"];
    arguments.extend(more);
    arguments
}

#[test]
fn json_has_every_field_and_nothing_else() {
    let ran = run(&on_cpu(&["--prompt", "Once upon a time", "--seed", "7", "--json"]));
    assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
    let report = ran.object();
    let mut names: Vec<&String> = report.as_object().expect("an object").keys().collect();
    let mut expected = FIELDS.to_vec();
    names.sort();
    expected.sort();
    assert_eq!(names, expected);
    assert_eq!(number(&report, "prompt_tokens"), 5.0);
    assert_eq!(number(&report, "generated_tokens"), 12.0);
    assert_eq!(ids(&report, "token_ids").len(), 12);
    for field in ["prefill_tokens_per_second", "decode_tokens_per_second", "time_to_first_token_ms"] {
        assert!(number(&report, field) > 0.0, "{field}");
    }
    assert_eq!(report["stop_reason"], "length");
    assert_eq!(report["device"], "CPU");
    assert_eq!(report["tier"], "base");
    assert_eq!(report["seed"], 7);
    assert!(!report["text"].as_str().expect("a text").contains("Once upon"));
}

#[test]
fn the_stream_is_the_text_and_a_newline() {
    let arguments = ["--prompt", "Había una vez", "--seed", "11"];
    let streamed = run(&on_cpu(&arguments)).ok();
    let report = run(&on_cpu(&[&arguments[..], &["--json"]].concat())).object();
    assert_eq!(streamed, format!("{}\n", report["text"].as_str().expect("a text")));
}

#[test]
fn a_device_that_is_lost_changes_nothing() {
    let arguments = ["generate", "--prompt", "Once upon a time", "--seed", "7", "--max-tokens", "12"];
    let (whole, lost) = (run(&arguments), run(&[&arguments[..], &["--lose-device-after", "5"]].concat()));
    assert_eq!(lost.err.lines().count(), whole.err.lines().count() + 1, "{}", lost.err);
    assert!(lost.err.contains("going on with a fresh one"), "{}", lost.err);
    assert_eq!(lost.ok(), whole.ok());
}

#[test]
fn the_gpu_in_every_tier_and_the_cpu_write_the_golden_text() {
    for prompt in golden()["prompts"].as_array().expect("prompts") {
        let text = prompt["text"].as_str().expect("a text");
        for device in [&["--device", "cpu"][..], &["--tier", "base"], &["--device", "gpu"]] {
            let greedy = ["generate", "--prompt", text, "--temperature", "0", "--max-tokens", "24", "--json"];
            let report = run(&[&greedy[..], device].concat()).object();
            assert_eq!(ids(&report, "token_ids"), ids(prompt, "greedy_ids"), "{text:?} on {device:?}");
            assert_eq!(report["text"], prompt["greedy_text"]);
            assert_eq!(number(&report, "prompt_tokens") as usize, ids(prompt, "ids").len());
        }
    }
}

#[test]
fn a_seed_makes_it_repeatable_and_without_one_a_printed_one_is_drawn() {
    let seeded = |seed: &str| run(&on_cpu(&["--prompt", "Once", "--temperature", "1.5", "--seed", seed])).ok();
    assert_eq!(seeded("18446744073709551615"), seeded("18446744073709551615"));
    assert_ne!(seeded("1"), seeded("2"));
    let drawn = || {
        let ran = run(&on_cpu(&["--prompt", "Once", "--temperature", "1.5", "--json"]));
        let line = ran.err.clone();
        let report = ran.object();
        let seed = report["seed"].as_u64().expect("a seed").to_string();
        assert!(line.trim_end().ends_with(&format!("seed {seed}")), "{line}");
        (seed, report["text"].as_str().expect("a text").to_owned())
    };
    let ((first, text), (second, _)) = (drawn(), drawn());
    assert_ne!(first, second);
    assert_eq!(seeded(&first), format!("{text}\n"));
}

#[test]
fn every_way_to_give_a_prompt() {
    let text = "Once upon a time\n";
    let file = scratch("prompt.txt", text.as_bytes());
    let greedy = ["--temperature", "0"];
    let prompt = run(&on_cpu(&[&greedy[..], &["--prompt", text]].concat())).ok();
    assert_eq!(run(&on_cpu(&[&greedy[..], &["--file", str(&file)]].concat())).ok(), prompt);
    assert_eq!(run_with(&on_cpu(&[&greedy[..], &["-"]].concat()), text).ok(), prompt);
    assert_eq!(run(&on_cpu(&["--prompt=-1 is", "--ignore-eos", "--json"])).object()["stop_reason"], "length");
    // No prompt at all: the model begins by itself, after the beginning-of-text token.
    assert_eq!(number(&run(&on_cpu(&["--json"])).object(), "prompt_tokens"), 1.0);
}

#[test]
fn control_tokens_are_text_unless_asked_for() {
    let count = |more: &[&str]| {
        let prompt = ["--prompt", "<|begin_of_text|>Once<|eot_id|>", "--json"];
        number(&run(&on_cpu(&[&prompt[..], more].concat())).object(), "prompt_tokens")
    };
    assert_eq!(count(&["--special"]), 3.0, "one BOS, a word and a control token");
    assert!(count(&[]) > 10.0);
}

#[test]
fn why_it_stopped() {
    let stop = |arguments: &[&str]| {
        let report =
            run(&[&["generate", "--device", "cpu", "--json", "--temperature", "0"], arguments].concat()).object();
        (report["stop_reason"].as_str().expect("a word").to_owned(), number(&report, "generated_tokens"))
    };
    let story = ["--prompt", "Once upon a time"];
    let (reason, length) = stop(&[&story[..], &["--max-tokens", "900"]].concat());
    assert_eq!(reason, "eos");
    let longer = (length + 4.0).to_string();
    assert_eq!(
        stop(&[&story[..], &["--max-tokens", &longer, "--ignore-eos"]].concat()),
        ("length".to_owned(), length + 4.0)
    );
    assert_eq!(stop(&[&story[..], &["--context", "8"]].concat()).0, "context");
    assert_eq!(stop(&[&story[..], &["--max-tokens", "0"]].concat()), ("length".to_owned(), 0.0));
}

#[test]
fn flags_replace_the_settings_of_the_model() {
    let text = |more: &[&str]| run(&on_cpu(&[&["--prompt", "Once upon a", "--seed", "3"], more].concat())).ok();
    let greedy = text(&["--temperature", "0"]);
    assert_eq!(text(&["--top-k", "1"]), greedy);
    assert_eq!(text(&["--top-p", "0.000001"]), greedy);
    // The bundled model's own settings.
    assert_eq!(text(&["--temperature", "0.6", "--top-p", "0.9", "--top-k", "0"]), text(&[]));
    assert_ne!(text(&["--temperature", "3", "--top-p", "1"]), greedy);
    assert_eq!(text(&["--min-p", "1"]), greedy);
    assert_eq!(text(&["--min-p", "0", "--repeat-penalty", "1", "--repeat-last-n", "-1"]), text(&[]));
}

#[test]
fn penalties_and_biases_change_the_greedy_text() {
    let prompt = ["--prompt", "Once upon a", "--temperature", "0", "--json"];
    let greedy = |more: &[&str]| ids(&run(&on_cpu(&[&prompt[..], more].concat())).object(), "token_ids");
    let plain = greedy(&[]);
    let first = plain[0].to_string();
    for ban in ["ban", "-inf", "-1000"] {
        let without = greedy(&["--logit-bias", &format!("{first}={ban}")]);
        assert_eq!(without.len(), plain.len());
        assert!(!without.contains(&plain[0]), "{ban}: {without:?}");
    }
    let forced = greedy(&["--logit-bias", "300=1000", "--logit-bias", "301=900"]);
    assert_eq!(forced, vec![300; 12]);
    let turns = greedy(&["--logit-bias", "300=1000", "--logit-bias", "301=980", "--frequency-penalty", "15"]);
    assert!(turns.contains(&300) && turns.contains(&301), "{turns:?}");
    assert_ne!(greedy(&["--repetition-penalty", "5"]), plain);
}

#[test]
fn the_bundled_model_is_the_one_in_the_tree() {
    let greedy = ["--prompt", "Era", "--temperature", "0"];
    assert_eq!(run(&on_cpu(&[&greedy[..], &["--model", BUNDLED]].concat())).ok(), run(&on_cpu(&greedy)).ok());
}
