/** Asks the browser to keep what this site stores when disk space is short. It may ask the user, or just say no. */
export function askToKeep(): void {
  void globalThis.navigator.storage?.persist?.().catch(() => {});
}
