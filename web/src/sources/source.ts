/** Bytes of a read that is not worth giving memory back for: the headers in a file are many and short. */
export const SMALL = 128 << 10;

/** Random access to the bytes of a checkpoint, in the worker. */
export interface ByteSource {
  /** The file's name, for messages. */
  readonly name: string;
  /** Bytes in all. */
  readonly size: number;
  /** The files of a checkpoint that has several, in order, whose bytes stand one behind the other. */
  readonly parts?: readonly { readonly name: string; readonly size: number }[];
  /**
   * Exactly `length` bytes from `offset`; at most 16 MiB at a time. They are the caller's until the next read, which
   * gives their memory back; those of a read of up to `SMALL` bytes for good, so that such reads may run side by side.
   */
  read(offset: number, length: number): Promise<Uint8Array>;
  close?(): void;
  /** For a download that turns out to be no model: forgets what was stored of it. */
  discard?(): Promise<void>;
}
