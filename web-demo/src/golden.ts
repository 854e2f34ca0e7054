/** What Meta's runtime wrote, and where another run of the same prompt leaves it. */

/** A prompt, and what Meta's runtime wrote after it, the likeliest token at each step. */
export interface Golden {
  prompt: string;
  ids: number[];
  /** How far the logit of each token was above the next. */
  margins: number[];
  text: string;
}

/** Where two runs part. */
export interface Difference {
  /** Tokens before it, which are the same. */
  at: number;
  ours: number | undefined;
  theirs: number;
  margin: number;
}

/** The first token that is not the one of Meta's runtime. */
export function firstDifference(
  { ids, margins }: Pick<Golden, 'ids' | 'margins'>,
  ours: readonly number[],
): Difference | undefined {
  const at = ids.findIndex((id, i) => ours[i] !== id);
  return at < 0 ? undefined : { at, ours: ours[at], theirs: ids[at]!, margin: margins[at]! };
}
