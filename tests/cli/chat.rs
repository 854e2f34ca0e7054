//! `llamita chat`, by script.

use super::builder::Gguf;
use super::{number, run, run_with, scratch, str};

/// A chat on the CPU that always says the same.
fn chat<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["chat", "--device", "cpu", "--temperature", "0", "--max-tokens", "8", "--seed", "3"];
    arguments.extend(["--template", "llama3", "--date", "2024-07-26"]);
    arguments.extend(more);
    arguments
}

fn texts(objects: &[serde_json::Value]) -> Vec<String> {
    objects.iter().map(|object| object["text"].as_str().expect("a text").to_owned()).collect()
}

#[test]
fn every_line_is_a_message() {
    let input = "Hello\n\n  \nAnd you?\nBye";
    let answers = run_with(&chat(&["--json"]), input).objects();
    assert_eq!(answers.len(), 3);
    let mut names: Vec<&String> = answers[0].as_object().expect("an object").keys().collect();
    let mut expected = [&super::generate::FIELDS[..], &["dropped_messages"]].concat();
    names.sort();
    expected.sort();
    assert_eq!(names, expected);
    for answer in &answers {
        assert_eq!((answer["stop_reason"].as_str(), number(answer, "dropped_messages")), (Some("length"), 0.0));
        assert_eq!(number(answer, "generated_tokens"), 8.0);
    }
    let prompts: Vec<f64> = answers.iter().map(|answer| number(answer, "prompt_tokens")).collect();
    assert!(prompts[1] < prompts[0] / 2.0, "{prompts:?}: later turns cost what is new in them");
    let streamed = run_with(&chat(&[]), input);
    assert!(streamed.err.lines().all(|line| line.contains("--max-tokens")), "{}", streamed.err);
    assert_eq!(streamed.ok(), texts(&answers).iter().map(|text| format!("{text}\n")).collect::<String>());
    assert_eq!(run_with(&chat(&["--json"]), "").objects().len(), 0);
}

#[test]
fn a_single_message() {
    let text = "Tell me a story\nabout a cat.";
    let file = scratch("message.txt", text.as_bytes());
    let answer = run(&chat(&["--prompt", text])).ok();
    assert_eq!(run(&chat(&["--file", str(&file)])).ok(), answer);
    assert_eq!(run_with(&chat(&["--file", "-"]), text).ok(), answer);
    // The same as lines: quoted, and joined.
    assert_eq!(run_with(&chat(&[]), format!("\"\"\"\n{text}\n\"\"\"\n")).ok(), answer);
    let joined = text.replace('\n', "\\\n");
    assert_eq!(run_with(&chat(&[]), &joined).ok(), answer);
    assert_eq!(run_with(&chat(&[]), format!("{}\r\n", joined.replace('\n', "\r\n"))).ok(), answer);
    // An empty line ends what a backslash joins.
    assert_eq!(run_with(&chat(&["--json"]), "a\\\n\nb\n").objects().len(), 2);
}

#[test]
fn the_system_prompt_and_the_commands() {
    let once = |more: &[&str]| {
        number(&run(&chat(&[&["--prompt", "Hello", "--json"], more].concat())).object(), "prompt_tokens")
    };
    let script =
        "/system Be kind.\nHello\n/retry\n/context\n/stats\n/reset\n/system\n/system -\nHello\n/help\n/quit\nHello\n";
    let ran = run_with(&chat(&["--json"]), script);
    for line in [
        "(a new system prompt)",
        "\nBe kind.\n",
        "(a new conversation)",
        "(no system prompt)",
        "/retry",
        "prompt tokens",
    ] {
        assert!(ran.err.contains(line), "{line:?} is not in {}", ran.err);
    }
    assert!(ran.err.contains("of 1024 tokens, 3 messages"), "{}", ran.err);
    let answers = ran.objects();
    assert_eq!(answers.len(), 3);
    let prompts: Vec<f64> = answers.iter().map(|answer| number(answer, "prompt_tokens")).collect();
    assert_eq!(prompts[0], once(&["--system", "Be kind."]));
    assert_eq!(prompts[1], 1.0, "the question is in the cache");
    assert!(prompts[0] > once(&[]) && prompts[2] < once(&[]), "the beginning is the same");
    assert_eq!((number(&answers[0], "seed"), number(&answers[1], "seed")), (3.0, 4.0));
    let texts = texts(&answers);
    assert_eq!(texts[0], texts[1]);
    assert_eq!(run(&chat(&["--prompt", "Hello"])).ok(), format!("{}\n", texts[2]));
    let unknown = run_with(&chat(&[]), "/halp\nHello\n");
    assert_eq!((unknown.code, unknown.out.as_str()), (Some(1), ""));
    assert!(unknown.err.starts_with("error: there is no command /halp"), "{}", unknown.err);
    assert!(!run_with(&chat(&[]), "//halp\n").ok().is_empty());
}

#[test]
fn stop_strings() {
    let whole = run(&chat(&["--prompt", "Hello"])).ok();
    let letters: Vec<(usize, char)> = whole.trim_end().char_indices().collect();
    let stop = &whole[letters[4].0..letters[7].0];
    let at = whole.find(stop).expect("it is there");
    let answer = run(&chat(&["--prompt", "Hello", "--json", "--stop", "never seen", "--stop", stop])).object();
    assert_eq!((answer["text"].as_str(), answer["stop_reason"].as_str()), (Some(&whole[..at]), Some("stop")));
    let story =
        ["generate", "--device", "cpu", "--temperature", "0", "--max-tokens", "12", "--prompt", "Once upon a time"];
    let whole = run(&story).ok();
    let stop = &whole[whole.floor_char_boundary(9)..whole.floor_char_boundary(13)];
    let ran = run(&[&story[..], &["--stop", stop]].concat());
    assert!(ran.err.contains("(stop string)"), "{}", ran.err);
    assert_eq!(ran.ok(), format!("{}\n", &whole[..whole.find(stop).expect("it is there")]));
}

#[test]
fn the_oldest_messages_go() {
    let input = "Tell me a story about a cat.\n".repeat(6);
    let arguments = chat(&["--context", "160", "--json"]);
    let ran = run_with(&arguments, &input);
    assert!(ran.err.contains("(the conversation is too long: the "), "{}", ran.err);
    let answers = ran.objects();
    assert_eq!(answers.len(), 6);
    assert!(answers.iter().map(|answer| number(answer, "dropped_messages")).sum::<f64>() > 0.0);
    let endless = ["chat", "--device", "cpu", "--template", "llama3", "--context", "96", "--stop", "\u{1}"];
    let ran = run_with(&endless, "Tell me a story.\n");
    assert!(ran.err.contains("(the context is full: older messages will be left out)"), "{}", ran.err);
    assert_eq!(ran.code, Some(0));
}

/// An error: exit code 1, nothing on standard output, and one line with all of these.
fn error(arguments: &[&str], parts: &[&str]) {
    let ran = run(arguments);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{arguments:?}: {}", ran.err);
    assert_eq!(ran.err.lines().count(), 1, "{arguments:?}: {}", ran.err);
    for part in parts {
        assert!(ran.err.contains(part), "{arguments:?}: {part:?} is not in {}", ran.err);
    }
}

#[test]
fn templates_and_dates() {
    let file = |name: &str, text: &str| str(&scratch(name, text.as_bytes())).to_owned();
    let pinned = file(
        "date.jinja",
        "{% if date_string != '26 Jul 2024' or strftime_now('%Y-%m-%d') != '2024-07-26' %}\n\
         {{ raise_exception('it is ' ~ date_string) }}\n{% endif %}\nHello\n",
    );
    let broken = file("broken.jinja", "Hello\n{% if %}");
    let today = file("today.jinja", "{{ raise_exception(strftime_now('%Y-%m-%d') ~ date_string) }}");
    let endless = file("endless.jinja", "{% for i in range(9999) %}{% for j in range(9999) %}{% endfor %}{% endfor %}");
    let with = |template: &str, more: &[&str]| -> Vec<String> {
        let arguments = ["chat", "--device", "cpu", "-n", "1", "--prompt", "Hi", "--template", template];
        arguments.iter().chain(more).map(|argument| (*argument).to_owned()).collect()
    };
    let check = |arguments: &[String], parts: &[&str]| {
        error(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), parts);
    };
    let good = with(&pinned, &["--date", "26 Jul 2024"]);
    run(&good.iter().map(String::as_str).collect::<Vec<_>>()).ok();
    check(&with(&pinned, &["--date", "2024-07-27"]), &["the chat template fails in line 2", "it is 27 Jul 2024"]);
    // Without --date it is today, and nothing is pinned.
    check(&with(&today, &[]), &["in line 1", "it says \"20"]);
    check(&with(&broken, &[]), &["broken.jinja: the chat template fails in line 2", "syntax error"]);
    check(&with(&endless, &[]), &["line 1", "takes more than"]);
    check(&with("missing.jinja", &[]), &["cannot read missing.jinja"]);
    let wrong = run(&["chat", "--date", "yesterday"]);
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.err.contains("2024-07-26"), "{}", wrong.err);
}

#[test]
fn what_cannot_chat() {
    let tiny = scratch("no-template.gguf", &Gguf::tiny().bytes());
    let arguments = ["chat", "--device", "cpu", "--model", str(&tiny), "--prompt", "a"];
    error(&arguments, &["no-template.gguf: the file has no chat template", "<|start_header_id|>", "--template FILE"]);
    let words = scratch("words.jinja", b"{% for message in messages %}{{ message.content }}{% endfor %}");
    run(&[&arguments[..], &["--template", str(&words), "-n", "1"]].concat()).ok();
    error(&["chat", "--stop", ""], &["stop = \"\" is invalid: a text of at least one character"]);
    error(&["generate", "--stop", "a", "--stop", ""], &["stop = \"\" is invalid"]);
    error(&["chat", "--top-p", "2"], &["top-p = 2 is invalid"]);
    let long = "word ".repeat(200);
    error(&chat(&["--context", "128", "--prompt", &long]), &["the newest turn have ", "and the context holds 128"]);
}

#[cfg(unix)]
#[test]
fn interrupted_answers_end_the_script() {
    use std::io::{Read, Write};

    let arguments = ["chat", "--device", "cpu", "--template", "llama3", "--model", str(super::endless())];
    let arguments = [&arguments[..], &["--context", super::ENDLESS], &super::NO_END].concat();
    let mut child = super::command(&arguments).stdin(std::process::Stdio::piped()).spawn().expect("the command starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(b"Hello\nHello\n").expect("it reads");
    let mut first = [0; 2];
    let mut stdout = child.stdout.take().expect("a pipe");
    stdout.read_exact(&mut first).expect("some text");
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().expect("kill is everywhere").success());
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).expect("the rest");
    assert!(rest.ends_with('\n'));
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
}
