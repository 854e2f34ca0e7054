//! Conversations and stop strings on the whole bundled model: what is computed again, and what a reply leaves behind.

use llamita::chat::{ChatTemplate, Message};
use llamita::error::Error;
use llamita::source::Bytes;
use llamita::tokenizer::Encode;
use llamita::{LoadOptions, Model, Sampling, Session, StopReason};

#[path = "common/engine.rs"]
mod engine;

use engine::{Engine, Finished, GPU_PLAN, PLANS, both_plans, everywhere, greedy, say};

fn model(engine: &Engine, context: usize) -> Model {
    engine.load_file(engine::BUNDLED, LoadOptions { context: Some(context), ..Default::default() })
}

fn session(model: &Model) -> Session {
    let mut session = model.session().expect("a session");
    session.set_chat_template(ChatTemplate::llama3());
    session
}

fn stopping(max_tokens: usize, stop: &[&str]) -> Sampling {
    Sampling { stop: stop.iter().map(|s| (*s).to_owned()).collect(), ..greedy(max_tokens) }
}

/// What a new session says.
fn fresh(model: &Model, messages: &[Message], sampling: Sampling) -> Finished {
    say(&mut session(model), messages, sampling)
}

fn ids(model: &Model, messages: &[Message]) -> Vec<u32> {
    ChatTemplate::llama3().encode(messages, model.tokenizer()).expect("ids")
}

#[test]
fn a_further_turn_computes_what_is_new() {
    for engine in everywhere() {
        let model = model(&engine, 1024);
        let mut session = session(&model);
        let mut messages = vec![Message::system("Be kind."), Message::user("Tell me a story about a cat.")];
        let first = say(&mut session, &messages, greedy(12));
        assert_eq!(first.stats.prompt_tokens, ids(&model, &messages).len(), "all of it is new");
        assert_eq!((first.ids.len(), first.stats.stop_reason), (12, StopReason::Length));
        assert_eq!(first.text, fresh(&model, &messages, greedy(12)).text);

        // The answer as it was, and a second question.
        let before = session.tokens().to_vec();
        messages.extend([Message::assistant(&first.text), Message::user("And then?")]);
        let all = ids(&model, &messages);
        let common = before.iter().zip(&all).take_while(|(a, b)| a == b).count();
        assert!(common >= before.len() - 12, "the question at least is the same");
        let second = say(&mut session, &messages, greedy(12));
        // The last token that was generated is not in the cache.
        assert_eq!(second.stats.prompt_tokens, all.len() - common.min(before.len() - 1));
        assert!(second.stats.prompt_tokens < all.len() / 2, "{} of {}", second.stats.prompt_tokens, all.len());
        assert_eq!(second.text, fresh(&model, &messages, greedy(12)).text);
        assert_eq!(session.tokens(), [all.clone(), second.ids.clone()].concat());

        // The same again needs one token.
        let again = say(&mut session, &messages, greedy(12));
        assert_eq!((again.stats.prompt_tokens, again.text), (1, second.text));

        // An edited message is computed from where it differs.
        messages[1].content = "Tell me a story about a dog.".to_owned();
        let edited = ids(&model, &messages);
        let common = all.iter().zip(&edited).take_while(|(a, b)| a == b).count();
        let third = say(&mut session, &messages, greedy(12));
        assert_eq!(third.stats.prompt_tokens, edited.len() - common);
        assert!(common > 20 && common < edited.len() - 12);
        assert_eq!(third.text, fresh(&model, &messages, greedy(12)).text);
    }
}

#[test]
fn what_is_wrong_leaves_the_session_as_it_was() {
    let model = model(&Engine::cpu(GPU_PLAN), 256);
    let mut session = session(&model);
    let messages = [Message::user("Hello")];
    let first = say(&mut session, &messages, greedy(4));
    let tokens = session.tokens().to_vec();
    let empty: [Message; 0] = [];
    let failed =
        |session: &mut Session, messages: &[Message], sampling: Sampling| match session.reply(messages, sampling) {
            Ok(_) => panic!("it should fail"),
            Err(error) => error,
        };
    let error = failed(&mut session, &empty, greedy(4));
    assert!(matches!(error, Error::Setting { name: "messages", .. }), "{error}");
    let error = failed(&mut session, &messages, stopping(4, &["a", ""]));
    assert!(matches!(error, Error::Setting { name: "stop", .. }), "{error}");
    let error = failed(&mut session, &[Message::user("word ".repeat(300))], greedy(4));
    let Error::TurnTooLong { tokens: long, context: 256 } = error else { panic!("{error}") };
    assert!(long > 300);
    session.set_chat_template(ChatTemplate::new("{{ raise_exception('no') }}").expect("it parses"));
    let error = failed(&mut session, &messages, greedy(4));
    assert!(matches!(error, Error::Template { line: 1, .. }), "{error}");
    assert_eq!(session.tokens(), tokens);
    session.set_chat_template(ChatTemplate::llama3());
    let again = say(&mut session, &messages, greedy(4));
    assert_eq!((again.text, again.stats.prompt_tokens), (first.text, 1));
}

#[test]
fn the_oldest_turns_go_when_the_context_is_full() {
    let model = model(&Engine::cpu(GPU_PLAN), 160);
    let mut session = session(&model);
    let mut messages = vec![Message::system("Be kind.")];
    let mut dropped = Vec::new();
    for turn in 0..6 {
        messages.push(Message::user(format!("Tell me number {turn} of the stories about a cat.")));
        let ran = say(&mut session, &messages, greedy(20));
        let prompt = session.tokens().len() - ran.ids.len();
        messages.drain(1..1 + ran.dropped);
        assert_eq!(ids(&model, &messages), session.tokens()[..prompt], "system prompt and newest turns");
        assert_eq!(messages[0], Message::system("Be kind."));
        assert!(prompt + 20 <= 160, "there is room for the answer");
        assert_eq!(ran.text, fresh(&model, &messages, greedy(20)).text);
        if ran.dropped > 0 {
            assert!(prompt <= 105, "and for more turns: {prompt}");
        }
        dropped.push(ran.dropped);
        messages.push(Message::assistant(ran.text));
    }
    assert!(dropped[0] == 0 && dropped.iter().all(|count| count % 2 == 0), "{dropped:?}: whole turns");
    assert!(dropped.iter().sum::<usize>() > 2, "{dropped:?}");

    // An answer that runs into the end says so, and the next turn makes room.
    let mut messages = vec![Message::user("Tell me everything.")];
    let full = say(&mut session, &messages, greedy(1000));
    assert_eq!((full.stats.stop_reason, full.dropped), (StopReason::Context, 0));
    assert!(session.tokens().len() >= 160);
    messages.extend([Message::assistant(full.text), Message::user("More!")]);
    let next = say(&mut session, &messages, greedy(4));
    assert_eq!((next.stats.stop_reason, next.dropped), (StopReason::Length, 2));
}

/// A template whose cost grows with the fourth power of the messages goes on with the newest of them.
#[test]
fn the_oldest_turns_go_when_the_template_costs_too_much() {
    let model = model(&Engine::cpu(GPU_PLAN), 256);
    let mut session = session(&model);
    let loops = ["{% for a in messages %}".repeat(4), "{% endfor %}".repeat(4)].concat();
    let source = [&loops, "{{ messages | length }} {{ messages[0].content }} {{ messages[-1].content }}"].concat();
    session.set_chat_template(ChatTemplate::new(source).expect("it parses"));
    let mut messages = vec![Message::system("s")];
    for turn in 0..80 {
        messages.extend([Message::user(format!("{turn}")), Message::assistant("a")]);
    }
    messages.push(Message::user("last"));
    let ran = say(&mut session, &messages, greedy(4));
    assert!(ran.dropped > 0 && ran.dropped % 2 == 0 && ran.dropped < messages.len() - 10, "{}", ran.dropped);
    let prompt = session.tokens().len() - ran.ids.len();
    let shown = model.tokenizer().decode(&session.tokens()[..prompt]);
    assert_eq!(shown, format!("{} s last", messages.len() - ran.dropped));
    messages.drain(1..1 + ran.dropped);
    assert_eq!(say(&mut session, &messages, greedy(4)).dropped, 0, "there is room for more turns");
    // Where even the newest turn costs too much, the session stays as it was.
    let held = session.tokens().to_vec();
    let endless = ["{% for i in range(100000) %}".repeat(2), "{% endfor %}".repeat(2)].concat();
    session.set_chat_template(ChatTemplate::new(endless).expect("it parses"));
    let failed = session.reply(&messages[..2], greedy(4)).map(|_| ());
    assert!(matches!(failed, Err(Error::TemplateTooCostly { line: 1, .. })), "{failed:?}");
    assert_eq!(session.tokens(), held);
}

#[test]
fn stop_strings_end_a_reply_before_them() {
    for engine in everywhere() {
        let model = model(&engine, 256);
        let mut plain = session(&model);
        let whole = say(&mut plain, "Once upon a time", greedy(40));
        assert_eq!(whole.stats.stop_reason, StopReason::Length);
        let prompt = model.tokenizer().encode("Once upon a time", Encode { bos: true, special: false }).expect("ids");

        // Stop strings taken from the text: across tokens, within one, and in the middle of two.
        let letters: Vec<(usize, char)> = whole.text.char_indices().collect();
        for first in [0, 10, 40] {
            for len in [1, 11] {
                let stop = &whole.text[letters[first].0..letters[first + len].0];
                let at = whole.text.find(stop).expect("it is there");
                let mut session = session(&model);
                let ran = say(&mut session, "Once upon a time", stopping(40, &["never to be seen", stop]));
                assert_eq!(
                    (ran.text.as_str(), ran.stats.stop_reason),
                    (&whole.text[..at], StopReason::Stop),
                    "{stop:?}"
                );
                assert_eq!(ran.ids, whole.ids[..ran.ids.len()]);
                assert_eq!(ran.stats.generated_tokens, ran.ids.len());
                // The most tokens that print nothing of the stop string.
                let printed = |ids: &[u32]| {
                    let mut decoder = model.tokenizer().decoder();
                    ids.iter().map(|id| decoder.push(*id)).collect::<String>().len()
                };
                assert!(printed(&ran.ids) <= at && printed(&whole.ids[..ran.ids.len() + 1]) > at, "{stop:?}");
                assert_eq!(session.tokens(), [&prompt[..], &ran.ids].concat());
                // What goes on from here is what goes on in a session that never saw more.
                let next = say(&mut session, " and then", greedy(8));
                let mut other = model.session().expect("a session");
                let all = [session.tokens()[..session.tokens().len() - 8].to_vec()].concat();
                assert_eq!(next.ids, engine::continued(&mut other, &all, greedy(8)));
            }
        }
    }
}

#[test]
fn text_waits_and_comes_in_the_end() {
    let model = model(&Engine::cpu(GPU_PLAN), 256);
    let whole = say(&mut session(&model), "Once upon a time", greedy(24));
    // What never comes: all text is certain at once, and then the last word may begin it.
    let rare = say(&mut session(&model), "Once upon a time", stopping(24, &["\u{1}"]));
    assert_eq!(rare.pieces, whole.pieces);
    let last = whole.text.trim_end().rsplit(' ').next().expect("a word");
    let begun = format!("{last}…");
    let waiting = say(&mut session(&model), "Once upon a time", stopping(24, &[&begun]));
    assert_eq!((waiting.text.as_str(), waiting.stats.stop_reason), (whole.text.as_str(), StopReason::Length));
    assert_eq!(waiting.ids, whole.ids);
    // A reply that is not taken to its end gives what waits.
    let begun = format!("{}…", &whole.text[..whole.text.floor_char_boundary(12)]);
    let mut session = session(&model);
    let mut reply = session.reply("Once upon a time", stopping(24, &[&begun])).expect("a reply");
    for _ in 0..2 {
        let piece = pollster::block_on(reply.next()).expect("a piece").expect("no error");
        assert_eq!(piece, "");
    }
    let held = reply.take_held();
    assert!(!held.is_empty() && whole.text.starts_with(&held));
    assert_eq!(reply.finish().stop_reason, StopReason::Cancelled);
    assert_eq!(session.tokens()[session.tokens().len() - 2..], whole.ids[..2]);
}

/// What was computed behind the weights is not computed again, and says the same.
#[test]
fn a_primed_session_has_its_beginning() {
    let bytes: &[u8] = include_bytes!("../models/llamita-stories.gguf");
    let source = Bytes::new("bundled", bytes);
    let text = "You tell short stories for children. Every story has a happy end, and nobody is hurt. ";
    // The first of one run; the others of several, the last of them not full, with a cache that has to grow for it or
    // not.
    let [gpu, software] = both_plans();
    for (engine, times, first_capacity) in [
        (&Engine::cpu(PLANS[0]), 1, 512),
        (&gpu, 1, 512),
        (&software, 1, 512),
        (&Engine::cpu(PLANS[1]), 14, 512),
        (&gpu, 14, 512),
        (&software, 14, 512),
        (&gpu, 14, 16),
        (&software, 14, 16),
    ] {
        let system = Message::system(text.repeat(times));
        let messages = [system.clone(), Message::user("Tell me a story about a cat.")];
        let first_capacity = Some(first_capacity);
        let options = || engine.options(LoadOptions { first_capacity, ..Default::default() });
        let model = pollster::block_on(Model::load(&source, options())).unwrap_or_else(|error| panic!("{error}"));
        let expected = say(&mut model.session().expect("a session"), &messages, greedy(30));
        let primed = pollster::block_on(Model::load_primed(&source, options(), std::slice::from_ref(&system)));
        let (_, mut session) = primed.unwrap_or_else(|error| panic!("{error}"));
        let held = session.tokens().len();
        assert!(held > 15 * times, "{held} tokens of the system prompt");
        let ran = say(&mut session, &messages, greedy(30));
        assert_eq!(ran.text, expected.text);
        let new = ran.stats.prompt_tokens;
        // It holds the header of an answer too, which a user's message takes the place of.
        assert!(new + held <= expected.stats.prompt_tokens + 8, "{new} of {}", expected.stats.prompt_tokens);
        // A conversation that begins otherwise is not disturbed.
        let other = [Message::user("Tell me a story about a dog.")];
        let expected = say(&mut model.session().expect("a session"), &other, greedy(12));
        assert_eq!(say(&mut session, &other, greedy(12)).text, expected.text);
    }
}
