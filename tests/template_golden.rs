//! Chat templates against Jinja2 and strftime: what they write for a few hundred expressions, templates and forms.

use std::path::Path;

use llamita::chat::{ChatTemplate, Date, Message};
use llamita::internals::format::{self, ReadScope};
use llamita::source::File;
use llamita::tokenizer::Tokenizer;
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    templates: Vec<(String, Option<String>)>,
    strftime: Vec<(String, String, String)>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("fixtures/template-golden.json")).expect("the golden file")
}

fn tokenizer() -> Tokenizer {
    let model = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/models/llamita-stories.gguf"));
    let file = File::open(model).expect("the file opens");
    let checkpoint = pollster::block_on(format::read(&file, ReadScope::Everything)).expect("the file parses");
    Tokenizer::from_vocabulary(&checkpoint.vocabulary.expect("a vocabulary")).expect("the tokenizer builds")
}

/// Stands before a template, since one that writes nothing at all is an error.
const BEFORE: &str = "{{ '@@' }}\n";

/// What a template writes.
fn rendered(template: ChatTemplate, tokenizer: &Tokenizer) -> Result<String, String> {
    let text = template.render(&[Message::user("Hi")], tokenizer).map_err(|error| error.to_string())?;
    let text = text.strip_prefix("@@").ok_or_else(|| format!("it begins with something else: {text:?}"))?;
    // A template may strip the line end before it.
    Ok(text.strip_prefix('\n').unwrap_or(text).to_owned())
}

#[test]
fn templates_write_what_jinja2_writes() {
    let tokenizer = tokenizer();
    let mut wrong = Vec::new();
    for (source, expected) in golden().templates {
        let Some(expected) = expected else { continue };
        let found = ChatTemplate::new([BEFORE, &source].concat()).map_err(|error| error.to_string());
        let found = found.and_then(|template| rendered(template, &tokenizer));
        if found.as_ref() != Ok(&expected) {
            wrong.push(format!("{source}\n    {expected:?}\n    {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn dates_are_written_as_strftime_writes_them() {
    let tokenizer = tokenizer();
    let template = ChatTemplate::new([BEFORE, "{{ strftime_now(form) }}"].concat()).expect("it parses");
    let mut wrong = Vec::new();
    for (date, form, expected) in golden().strftime {
        let date: Date = date.parse().expect("a date");
        let found = rendered(template.clone().with_date(date).with_variable("form", &form), &tokenizer);
        if found.as_ref() != Ok(&expected) {
            wrong.push(format!("{date} {form:?}: {expected:?}, {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}
