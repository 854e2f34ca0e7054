/** Conversations as documents that leave the page. */
import type { Conversation } from './tree.js';

/** The branch on show as a Markdown document. */
export function asMarkdown(conversation: Conversation, you: string): string {
  const parts = conversation.messages.map(({ role, content, model }) => {
    return `## ${role === 'user' ? you : (model ?? 'Llamita')}\n\n${content.trim()}\n`;
  });
  return `# ${conversation.title}\n\n${parts.join('\n')}`;
}

/** Conversations with all their branches. */
export function asJson(conversations: Conversation[]): string {
  const records = conversations.map((one) => one.record());
  return JSON.stringify(records.length === 1 ? records[0] : records, null, 2);
}
