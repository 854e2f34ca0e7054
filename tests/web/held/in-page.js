/**
 * Holds the next call of this name that has these arguments among its own: after so many tokens, or within the prompt
 * where that is none. To be called when the worker has started.
 */
export async function hold(tokens, call = 'reply', args = {}) {
  const channel = new BroadcastChannel('hold');
  const said = (word) => new Promise((resolve) => {
    channel.addEventListener('message', ({ data }) => { if (data === word) resolve(); });
  });
  const [armed, held] = [said('armed'), said('held')];
  channel.postMessage({ call, args, tokens });
  await armed;
  return {
    /** Kept when it is held, and the reply has all that came before. */
    async held(reply) {
      await held;
      while (reply?.generatedTokens < tokens) await new Promise((resolve) => setTimeout(resolve, 2));
    },
    /** Lets it go on. */
    release: () => channel.postMessage('release'),
  };
}
