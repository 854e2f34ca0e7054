//! Replies to whole conversations: which messages fit the context, and which ids are in the cache already.

use crate::error::{Error, Result};
use crate::session::sampling::Sampling;
use crate::text::chat::{ChatTemplate, Message, system_messages, turns};

use super::{Reply, Session};

impl Session {
    /// Writes messages with this template from now on, instead of
    /// [`Model::chat_template`](crate::Model::chat_template).
    pub fn set_chat_template(&mut self, template: ChatTemplate) {
        self.template = Some(template);
    }

    /// Replies to a whole conversation. The ids of the session that differ from those of the messages are forgotten.
    pub(super) fn answer(&mut self, messages: &[Message], sampling: Sampling) -> Result<Reply<'_>> {
        // A setting that is refused must leave the cache as it is, so it is checked before ids are forgotten.
        sampling.check(self.model.shape().vocabulary)?;
        let template = match &self.template {
            Some(template) => template,
            None => self.template.insert(self.model.chat_template()?),
        };
        let context = self.model.context();
        let tokenizer = self.model.tokenizer();
        let encode = |messages: &[Message]| template.encode(messages, tokenizer);
        let Fitted { ids, dropped } = fit(messages, context, sampling.max_tokens, encode)?;
        let decoder = tokenizer.decoder_at_start();
        let common = self.tokens.iter().zip(&ids).take_while(|(known, new)| known == new).count();
        self.truncate(common);
        self.begin(&ids[common..], sampling, decoder, dropped)
    }
}

/// The part of a conversation that fits the context.
struct Fitted {
    ids: Vec<u32>,
    /// How many messages were left out, behind the system messages.
    dropped: usize,
}

/// The ids of a conversation. Its oldest turns are left out where all of it would leave no room for an answer:
/// `max_tokens`, or a quarter of the context where that is less. Where turns are left out, as many more go as bring the
/// ids down to three quarters of the room, so that several further turns find their beginning in the cache. The newest
/// turn alone may take all of the context but one token. Where the template takes too many steps for all messages,
/// turns are left out until it does not, and then a quarter of the others.
fn fit(
    messages: &[Message],
    context: usize,
    max_tokens: usize,
    encode: impl Fn(&[Message]) -> Result<Vec<u32>>,
) -> Result<Fitted> {
    let most = context - max_tokens.min(context / 4);
    let system = system_messages(messages);
    let begins = turns(messages);
    let most_turns = begins.len().saturating_sub(1);
    let without = |turns: usize| {
        let dropped = if turns == 0 { 0 } else { begins.get(turns).map_or(0, |begin| begin - system) };
        let kept = [&messages[..system], &messages[system + dropped..]].concat();
        encode(&kept).map(|ids| Fitted { ids, dropped })
    };
    // How many of the oldest turns must go at least, from `low` on, so that the rest passes; at most all but the
    // newest.
    let least = |mut low: usize, passes: &dyn Fn(&Fitted) -> bool| -> Result<usize> {
        let mut high = most_turns;
        while low < high {
            let middle = low.midpoint(high);
            let passed = match without(middle) {
                Err(Error::TemplateTooCostly { .. }) => false,
                fitted => passes(&fitted?),
            };
            if passed {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Ok(high)
    };
    let first = match encode(messages) {
        Ok(ids) if ids.len() <= most || most_turns == 0 => {
            return if ids.len() < context { Ok(Fitted { ids, dropped: 0 }) } else { too_long(ids.len(), context) };
        }
        Ok(_) => 1,
        Err(Error::TemplateTooCostly { .. }) if most_turns > 0 => {
            let affordable = least(1, &|_| true)?;
            let fitted = without(affordable + (most_turns - affordable) / 4)?;
            if fitted.ids.len() <= most {
                return Ok(fitted);
            }
            affordable
        }
        Err(error) => return Err(error),
    };
    let fitted = without(least(first, &|fitted| fitted.ids.len() <= most - most / 4)?)?;
    if fitted.ids.len() < context { Ok(fitted) } else { too_long(fitted.ids.len(), context) }
}

fn too_long(tokens: usize, context: usize) -> Result<Fitted> {
    Err(Error::TurnTooLong { tokens, context })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A token per byte, and two per message.
    fn encode(messages: &[Message]) -> Result<Vec<u32>> {
        Ok(messages.iter().flat_map(|m| [0].into_iter().chain(m.content.bytes().map(u32::from)).chain([1])).collect())
    }

    /// `s` for a system message, then pairs of question and answer, and the last question.
    fn conversation(system: usize, turns: &[usize]) -> Vec<Message> {
        let text = |len| "x".repeat(len);
        let mut messages: Vec<Message> = (system > 0).then(|| Message::system(text(system))).into_iter().collect();
        for len in turns {
            messages.extend([Message::user(text(*len)), Message::assistant(text(*len))]);
        }
        messages.pop();
        messages
    }

    fn lengths(messages: &[Message], context: usize, max_tokens: usize) -> (usize, usize) {
        let fitted = fit(messages, context, max_tokens, encode).expect("it fits");
        let rest = [&messages[..system_messages(messages)], &messages[system_messages(messages) + fitted.dropped..]];
        assert_eq!(fitted.ids, encode(&rest.concat()).expect("ids"), "system and newest stay");
        (fitted.ids.len(), fitted.dropped)
    }

    #[test]
    fn what_fits_stays() {
        let messages = conversation(8, &[10, 10, 10]);
        assert_eq!(lengths(&messages, 100, 30), (70, 0));
        assert_eq!(lengths(&messages, 94, 1000), (70, 0), "a quarter is kept free at most");
    }

    #[test]
    fn the_oldest_whole_turns_go_first_and_leave_room() {
        let messages = conversation(8, &[10, 10, 10]);
        // 70 tokens in turns of 24; at most 69 are allowed, and then at most 52.
        assert_eq!(lengths(&messages, 92, 30), (46, 2));
        // With no more than 33, only the newest is left.
        assert_eq!(lengths(&messages, 44, 30), (22, 4));
        // The newest may use the room of the answer.
        assert_eq!(lengths(&messages, 23, 30), (22, 4));
        let error = fit(&messages, 22, 30, encode).map(|_| ()).expect_err("no room for a token");
        assert!(matches!(error, Error::TurnTooLong { tokens: 22, context: 22 }), "{error}");
        let error = fit(&conversation(8, &[30]), 20, 5, encode).map(|_| ()).expect_err("too long");
        assert!(matches!(error, Error::TurnTooLong { tokens: 42, context: 20 }), "{error}");
        let error = fit(&[Message::system("x".repeat(30))], 20, 5, encode).map(|_| ()).expect_err("too long");
        assert!(matches!(error, Error::TurnTooLong { tokens: 32, context: 20 }), "{error}");
    }

    #[test]
    fn what_costs_the_template_too_much_loses_turns() {
        let costly = |most: usize| {
            move |messages: &[Message]| match messages.len() {
                count if count > most => {
                    Err(Error::TemplateTooCostly { limit: String::new(), line: 1, excerpt: String::new() })
                }
                _ => encode(messages),
            }
        };
        let messages = conversation(8, &[10; 40]);
        assert_eq!(messages.len(), 80);
        let fitted = fit(&messages, 10_000, 30, costly(79)).expect("it fits");
        // One turn would be enough; a quarter of the other 38 goes free too.
        assert_eq!(fitted.dropped, 2 * 10);
        for most in [2, 3, 10, 33, 80] {
            for context in [60, 100, 400, 2000] {
                let fitted = fit(&messages, context, 30, costly(most)).expect("it fits");
                let rest = [&messages[..1], &messages[1 + fitted.dropped..]].concat();
                assert!(rest.len() <= most && rest.len() >= 2 && fitted.dropped % 2 == 0, "{most} {context}");
                assert_eq!(fitted.ids, encode(&rest).expect("ids"));
                assert!(fitted.ids.len() < context);
            }
        }
        // The newest turn alone is too much, and so is a template that is wrong.
        let error = fit(&messages, 400, 30, costly(1)).map(|_| ()).expect_err("it costs too much");
        assert!(matches!(error, Error::TemplateTooCostly { .. }), "{error}");
        let error = fit(&messages[..2], 400, 30, costly(1)).map(|_| ()).expect_err("it costs too much");
        assert!(matches!(error, Error::TemplateTooCostly { .. }), "{error}");
    }

    #[test]
    fn every_number_of_turns() {
        for turns in 1..12 {
            let messages = conversation(3, &vec![4; turns]);
            for context in 16..120 {
                let (len, dropped) = lengths(&messages, context, 1000);
                let most = context - context / 4;
                let whole = 5 + 12 * turns - 6;
                if whole <= most {
                    assert_eq!(dropped, 0);
                } else {
                    assert!(len <= most - most / 4 || dropped == 2 * (turns - 1), "{turns} {context}");
                    // One turn fewer would have been too much.
                    assert!(dropped == 0 || dropped == 2 || len + 12 > most - most / 4, "{turns} {context}");
                }
            }
        }
    }
}
