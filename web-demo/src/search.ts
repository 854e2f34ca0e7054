/** Finds conversations by their titles and by what was said in them, on every branch. */
import type { Conversation, Said } from './tree.js';

/** A place in a conversation that has all the words; none where only the title has them. */
export interface Found {
  conversation: Conversation;
  said?: Said;
  /** The text around the first word, and where the word stands in it. */
  excerpt?: { text: string; begin: number; end: number };
}

const folded = new WeakMap<Said, { content: string; text: string }>();

/** Letters without marks and cases, each in the place that it had. */
function fold(text: string): string {
  return [...text.matchAll(/[^]/g)]
    .map(([unit]) => {
      const plain = unit.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase();
      return plain.length === 1 ? plain : unit;
    })
    .join('');
}

function foldedText(said: Said): string {
  let kept = folded.get(said);
  if (kept?.content !== said.content) folded.set(said, (kept = { content: said.content, text: fold(said.content) }));
  return kept.text;
}

/** The conversations in which something has all the words, in the order given. */
export function search(conversations: Conversation[], query: string): Found[] {
  const words = fold(query).split(/\s+/).filter(Boolean);
  const found: Found[] = [];
  for (const conversation of conversations) {
    const inTitle = words.every((word) => fold(conversation.title).includes(word));
    const has = (said: Said): boolean => words.every((word) => foldedText(said).includes(word));
    // What is on show is found before what is on another branch.
    const said = conversation.messages.find(has) ?? conversation.all.find(has);
    if (said) found.push({ conversation, said, excerpt: excerptOf(said, words[0] ?? '') });
    else if (inTitle) found.push({ conversation });
  }
  return found;
}

function excerptOf(said: Said, word: string): NonNullable<Found['excerpt']> {
  const at = foldedText(said).indexOf(word);
  const from = at < 24 ? 0 : said.content.lastIndexOf(' ', at - 12) + 1 || at - 12;
  const text = `${from > 0 ? '…' : ''}${said.content.slice(from, at + word.length + 60).replace(/\s/g, ' ')}`;
  const begin = at - from + (from > 0 ? 1 : 0);
  return { text, begin, end: begin + word.length };
}
