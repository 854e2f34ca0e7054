/** Conversations as documents that leave the page, and come back. */
import { promptText } from './attachments.js';
import type { Key } from './i18n.js';
import { Conversation } from './tree.js';

/** The branch on show as a Markdown document. */
export function asMarkdown(conversation: Conversation, you: string): string {
  const parts = conversation.messages.map((said) => {
    return `## ${said.role === 'user' ? you : (said.model ?? 'Llamita')}\n\n${promptText(said).trim()}\n`;
  });
  return `# ${conversation.title}\n\n${parts.join('\n')}`;
}

/** One conversation with all its branches, or a list of them. */
export function asJson(given: Conversation | Conversation[]): string {
  return JSON.stringify(Array.isArray(given) ? given.map((one) => one.record()) : given.record(), null, 2);
}

/** What a file holds: conversations and how many parts of it are none, or what it is instead. */
export type Imported =
  | { conversations: Conversation[]; others: number }
  | { conversations?: undefined; why: Key; what: string };

/** Reads a file that `asJson` wrote, in this version or an earlier one. */
export function readImport(text: string): Imported {
  const begin = text.trimStart().slice(0, 12);
  let parsed: unknown;
  try {
    parsed = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch {
    if (!begin) return { why: 'import.empty', what: '' };
    if (/^# /.test(begin)) return { why: 'import.markdown', what: '' };
    return { why: /^[[{]/.test(begin) ? 'import.cut' : 'import.noJson', what: begin.replace(/[^\x20-\uffff]/g, '·') };
  }
  const parts: unknown[] = Array.isArray(parsed) ? parsed : [parsed];
  const conversations = parts.map((part) => Conversation.read(part)).filter((one) => one !== undefined);
  // Messages of which nothing can be read make no conversation.
  const good = conversations.filter(({ all }) => all.length > 0);
  if (good.length > 0) return { conversations: good, others: parts.length - good.length };
  return foreign(parts);
}

/** Whether a file is named as JSON and holds conversations of ours. */
export async function holdsChats(file: File): Promise<boolean> {
  if (!/\.json$/i.test(file.name)) return false;
  const text = await file.text().catch(() => '');
  return readImport(text).conversations !== undefined;
}

/** What JSON is that holds no conversation of ours. */
function foreign(parts: unknown[]): Imported {
  const [first] = parts;
  if (first === undefined) return { why: 'import.none', what: '' };
  if (typeof first !== 'object' || first === null) return { why: 'import.json', what: typeof first };
  const names = Object.keys(first);
  const has = (...wanted: string[]): boolean => wanted.every((name) => names.includes(name));
  if (has('mapping')) return { why: 'import.program', what: 'ChatGPT' };
  if (has('chat_messages')) return { why: 'import.program', what: 'Claude' };
  if (has('rows', 'when')) return { why: 'import.benchmark', what: '' };
  if (has('role', 'content')) return { why: 'import.messages', what: '' };
  if (has('id', 'messages')) return { why: 'import.none', what: '' };
  return { why: 'import.json', what: names.slice(0, 4).join(', ') || '{}' };
}
