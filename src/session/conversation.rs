//! Conversations: what of them fits the context, and what of them is there already.

use crate::chat::{ChatTemplate, Message, system_messages, turns};
use crate::error::{Error, Result};
use crate::sampling::Sampling;

use super::{Reply, Session};

impl Session {
    /// Replies to messages with this template, instead of the model's own.
    pub fn set_chat_template(&mut self, template: ChatTemplate) {
        self.template = Some(template);
    }

    /// Replies to a whole conversation.
    pub(super) fn answer(&mut self, messages: &[Message], sampling: Sampling) -> Result<Reply<'_>> {
        // What is wrong with these must not cost the cache.
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

/// A conversation that fits.
struct Fitted {
    ids: Vec<u32>,
    /// Messages that were left out, after the system messages.
    dropped: usize,
}

/// The ids of a conversation, without its oldest turns where it would leave no room for an answer: `max_tokens`, or a
/// quarter of the context where that is less. Once turns go, a quarter of the rest goes free, so that the next turns
/// find their beginning in the cache. The newest turn alone may take all but one token.
fn fit(
    messages: &[Message],
    context: usize,
    max_tokens: usize,
    encode: impl Fn(&[Message]) -> Result<Vec<u32>>,
) -> Result<Fitted> {
    let most = context - max_tokens.min(context / 4);
    let ids = encode(messages)?;
    if ids.len() <= most {
        return Ok(Fitted { ids, dropped: 0 });
    }
    let system = system_messages(messages);
    let begins = turns(messages);
    let without = |turns: usize| {
        let dropped = begins.get(turns).map_or(0, |begin| begin - system);
        let kept = [&messages[..system], &messages[system + dropped..]].concat();
        encode(&kept).map(|ids| Fitted { ids, dropped })
    };
    // The least number of turns without which the rest is short enough.
    let (mut low, mut high) = (1, begins.len().saturating_sub(1));
    while low < high {
        let middle = low.midpoint(high);
        if without(middle)?.ids.len() <= most - most / 4 {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    let fitted = if high == 0 { Fitted { ids, dropped: 0 } } else { without(high)? };
    if fitted.ids.len() < context { Ok(fitted) } else { Err(Error::TurnTooLong { tokens: fitted.ids.len(), context }) }
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
