/** The models that are kept on this device, as a page sees them. */
import { connect, type Connection, type Place } from './connection.js';
import { InvalidSetting } from './errors.js';
import { askToKeep } from './keep.js';
import { toSpec } from './model.js';
import type { ModelSource, StorageEstimate, StoredModel, StoreOptions } from './types.js';

/** The store of this origin: shared by all tabs, and by everything that loads models there. */
export class ModelStore {
  readonly #connection: Connection;

  private constructor(
    connection: Connection,
    /** `opfs`, or `memory` where the browser has no private files: then everything goes with the tab. */
    readonly kind: 'opfs' | 'memory',
  ) {
    this.#connection = connection;
  }

  static async open(place: Place = {}): Promise<ModelStore> {
    const connection = connect(place);
    return new ModelStore(connection, (await connection.ask('storeList', {})).kind);
  }

  /** All models, those that were only begun too, by name. */
  async list(): Promise<StoredModel[]> {
    return (await this.#connection.ask('storeList', {})).models;
  }

  /** What the browser lets this site store. */
  async estimate(): Promise<StorageEstimate> {
    return (await this.#connection.ask('storeList', {})).estimate;
  }

  /**
   * Downloads a model without loading it, or the rest of one that was begun.
   *
   * @throws {LlamitaError} `Quota`, `Aborted`, `Offline`, `Http`, `Cors`, `NoRange`, `BadModel`.
   */
  async download(source: ModelSource, { onProgress, signal }: StoreOptions = {}): Promise<StoredModel> {
    askToKeep();
    return this.#connection.ask('storeDownload', { source: toSpec(source) }, { signal, onEvent: onProgress });
  }

  /**
   * Keeps a copy of a file, or of all files of a model that has several, in any order.
   *
   * @throws {LlamitaError} `Quota`, `Aborted`, `BadModel`.
   */
  async import(files: Blob | Blob[], { onProgress, signal }: StoreOptions = {}): Promise<StoredModel> {
    const all = [files].flat();
    if (!all.every((file) => file instanceof Blob)) throw new InvalidSetting('Give a File or Blob, or a list of them.');
    askToKeep();
    return this.#connection.ask('storeImport', { files: all }, { signal, onEvent: onProgress });
  }

  /**
   * A stored file, for saving elsewhere; of a model of several files the part that is asked for. Nothing is read before
   * it is used.
   *
   * @throws {LlamitaError} `BadModel` where it is not whole.
   */
  export(id: string, part = 0): Promise<Blob> {
    return this.#connection.ask('storeExport', { stored: id, part });
  }

  /**
   * Deletes a model; nothing happens where there is none.
   *
   * @throws {LlamitaError} `Busy` while it is loaded or downloaded, here or in another tab.
   */
  async delete(id: string): Promise<void> {
    await this.#connection.ask('storeDelete', { stored: id });
  }
}
