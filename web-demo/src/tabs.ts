/** Other tabs of this page: what they have changed, and what they are writing. */

/** What one tab tells the others: which conversation was changed or removed. */
export interface News {
  kind: 'changed' | 'removed';
  id: string;
}

const channel = 'BroadcastChannel' in globalThis ? new BroadcastChannel('llamita') : undefined;

/** Tells the other tabs. */
export function tellTabs(news: News): void {
  channel?.postMessage(news);
}

/** Hears what the others tell. */
export function hearTabs(hear: (news: News) => void): void {
  channel?.addEventListener('message', ({ data }: MessageEvent<Partial<News> | null>) => {
    const known = data?.kind === 'changed' || data?.kind === 'removed';
    if (known && typeof data.id === 'string') hear(data as News);
  });
}

const { locks } = navigator as { locks?: LockManager };

/** Says to all tabs that something is being written here, until it is over or this tab is gone. */
export function holdName(name: string, over: Promise<unknown>): void {
  void locks?.request(`llamita/${name}`, () => over);
}

/** Tells at once whether another tab holds the name, and answers when none does any more. */
export async function whileHeld(name: string, tell: (held: boolean) => void): Promise<void> {
  if (!locks) return tell(false);
  const lock = `llamita/${name}`;
  const free = await locks.request(lock, { mode: 'shared', ifAvailable: true }, (got) => got !== null);
  tell(!free);
  if (free) return;
  await locks.request(lock, { mode: 'shared' }, () => {});
  tell(false);
}
