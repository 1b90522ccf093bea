/**
 * Sending many files into a dataset: gathered into calls of bounded size, two at a time, repeated until they arrive.
 *
 * It belongs to the page, not to a tab: closing or switching the tab does not stop it. The platform answers a file sent
 * twice with the same result, so after a reload the same folder can simply be dropped again.
 */
import type { FileResult, Import } from '../api/types';

export interface ChosenFile {
  path: string;
  file: File;
}

export interface UploadState {
  dataset: number;
  importId: number | null;
  phase: 'starting' | 'sending' | 'finishing' | 'done' | 'cancelled' | 'failed';
  files: number;
  sentFiles: number;
  bytes: number;
  sentBytes: number;
  bytesPerSecond: number;
  added: number;
  duplicates: number;
  refused: readonly FileResult[];
  /** The connection is lost; sending goes on by itself. */
  waiting: boolean;
  error: unknown;
}

export interface UploadApi {
  begin: (dataset: number, body: Record<string, unknown>) => Promise<Import>;
  sendFiles: (importId: number, body: Blob, signal: AbortSignal) => Promise<{ results: FileResult[] }>;
  sendArchive: (importId: number, file: File, signal: AbortSignal) => Promise<unknown>;
  finish: (importId: number) => Promise<unknown>;
  cancel: (importId: number) => Promise<unknown>;
  /** Whether an error means that nothing arrived and the same can be sent again. */
  unreachable: (error: unknown) => boolean;
}

export const CALL_BYTES = 24 * 1024 * 1024;
export const CALL_FILES = 200;
const LARGEST_BYTES = 63 * 1024 * 1024;
const AT_ONCE = 2;
const RETRY_MOST_MS = 10_000;
const LITTER = /(^|\/)(\.DS_Store|Thumbs\.db|desktop\.ini|__MACOSX\/.*|\._[^/]*)$/i;
const ARCHIVE = /\.(zip|tar|tar\.gz|tgz)$/i;

export const isArchive = (file: File): boolean => ARCHIVE.test(file.name);

export const withoutLitter = (files: readonly ChosenFile[]): ChosenFile[] =>
  files.filter(one => !LITTER.test(one.path));

/** Files of one call: at most `CALL_FILES` files and about `CALL_BYTES`; a larger file goes alone. */
export function* calls(files: readonly ChosenFile[]): Generator<ChosenFile[]> {
  let call: ChosenFile[] = [];
  let bytes = 0;
  for (const one of files) {
    if (call.length && (call.length >= CALL_FILES || bytes + one.file.size > CALL_BYTES)) {
      yield call;
      call = [];
      bytes = 0;
    }
    call.push(one);
    bytes += one.file.size;
  }
  if (call.length) {
    yield call;
  }
}

/** `[u32 header length][JSON][bytes]` for each file; the browser streams it from disk. */
export function frame(files: readonly ChosenFile[], labelsFromFolders: boolean): Blob {
  const encoder = new TextEncoder();
  const parts: BlobPart[] = [];
  for (const { path, file } of files) {
    const folder = path.split('/').at(-2);
    const header = encoder.encode(
      JSON.stringify({ path, size: file.size, ...(labelsFromFolders && folder ? { label: folder } : {}) })
    );
    const length = new DataView(new ArrayBuffer(4));
    length.setUint32(0, header.length);
    parts.push(length.buffer, header, file);
  }
  return new Blob(parts, { type: 'application/vnd.himalia.files' });
}

const ENDED = new Set(['done', 'cancelled', 'failed']);

export const uploadEnded = (state: UploadState): boolean => ENDED.has(state.phase);

class Upload {
  readonly abort = new AbortController();
  readonly started = Date.now();
  constructor(public state: UploadState) {}
}

export class Uploads {
  private readonly running = new Map<number, Upload>();
  private readonly listeners = new Set<() => void>();

  constructor(private readonly api: UploadApi) {}

  /** For `useSyncExternalStore`. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  get(dataset: number): UploadState | undefined {
    return this.running.get(dataset)?.state;
  }

  get active(): boolean {
    return [...this.running.values()].some(upload => !uploadEnded(upload.state));
  }

  /** Forgets an ended import, so that its summary disappears. */
  dismiss(dataset: number): void {
    const upload = this.running.get(dataset);
    if (upload && uploadEnded(upload.state)) {
      this.running.delete(dataset);
      this.tell();
    }
  }

  async cancel(dataset: number): Promise<void> {
    const upload = this.running.get(dataset);
    if (upload && !uploadEnded(upload.state)) {
      upload.abort.abort();
      this.set(upload, { phase: 'cancelled' });
      if (upload.state.importId !== null) {
        await this.api.cancel(upload.state.importId).catch(() => undefined);
      }
    }
  }

  async start(dataset: number, chosen: readonly ChosenFile[], labelsFromFolders: boolean): Promise<void> {
    const files = withoutLitter(chosen);
    const archive = files.length === 1 && files[0] && isArchive(files[0].file) ? files[0].file : null;
    const tooLarge = archive ? [] : files.filter(one => one.file.size > LARGEST_BYTES);
    const fitting = files.filter(one => archive ?? one.file.size <= LARGEST_BYTES);
    const upload = new Upload({
      dataset,
      importId: null,
      phase: 'starting',
      files: files.length,
      sentFiles: tooLarge.length,
      bytes: fitting.reduce((sum, one) => sum + one.file.size, 0),
      sentBytes: 0,
      bytesPerSecond: 0,
      added: 0,
      duplicates: 0,
      refused: tooLarge.map(one => ({
        path: one.path,
        outcome: 'refused',
        item: null,
        code: 'too_large',
        reason: null
      })),
      waiting: false,
      error: null
    });
    this.running.set(dataset, upload);
    this.tell();
    try {
      const made = await this.api.begin(dataset, {
        source: archive ? 'archive' : 'browser',
        total_files: archive ? undefined : fitting.length,
        total_bytes: upload.state.bytes,
        labels_from_folders: labelsFromFolders
      });
      this.set(upload, { importId: made.id, phase: 'sending' });
      if (archive) {
        await this.again(upload, () => this.api.sendArchive(made.id, archive, upload.abort.signal));
        this.set(upload, { sentFiles: 1, sentBytes: archive.size });
      } else {
        await this.sendAll(upload, made.id, fitting, labelsFromFolders);
        this.set(upload, { phase: 'finishing' });
        await this.again(upload, () => this.api.finish(made.id));
      }
      this.set(upload, { phase: 'done' });
    } catch (error) {
      if (!upload.abort.signal.aborted) {
        this.set(upload, { phase: 'failed', error });
      }
    }
  }

  private async sendAll(upload: Upload, importId: number, files: readonly ChosenFile[], labels: boolean): Promise<void> {
    const queue = calls(files);
    const worker = async () => {
      for (let next = queue.next(); !next.done; next = queue.next()) {
        const call = next.value;
        const body = frame(call, labels);
        const { results } = await this.again(upload, () => this.api.sendFiles(importId, body, upload.abort.signal));
        this.count(upload, call, results);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
  }

  private count(upload: Upload, call: readonly ChosenFile[], results: readonly FileResult[]): void {
    const { state } = upload;
    const sentBytes = state.sentBytes + call.reduce((sum, one) => sum + one.file.size, 0);
    const seconds = Math.max(0.001, (Date.now() - upload.started) / 1000);
    this.set(upload, {
      sentFiles: state.sentFiles + call.length,
      sentBytes,
      bytesPerSecond: sentBytes / seconds,
      added: state.added + results.filter(one => one.outcome === 'added').length,
      duplicates: state.duplicates + results.filter(one => one.outcome === 'duplicate').length,
      refused: [...state.refused, ...results.filter(one => one.outcome === 'refused')]
    });
  }

  /** Repeats a call while the platform cannot be reached. */
  private async again<T>(upload: Upload, call: () => Promise<T>): Promise<T> {
    for (let waitMs = 500; ; waitMs = Math.min(waitMs * 2, RETRY_MOST_MS)) {
      upload.abort.signal.throwIfAborted();
      try {
        const answer = await call();
        this.set(upload, { waiting: false });
        return answer;
      } catch (error) {
        if (!this.api.unreachable(error)) {
          throw error;
        }
        this.set(upload, { waiting: true });
        await new Promise(resolve => setTimeout(resolve, waitMs));
      }
    }
  }

  private set(upload: Upload, changes: Partial<UploadState>): void {
    if (upload.state.phase !== 'cancelled') {
      upload.state = { ...upload.state, ...changes };
      this.tell();
    }
  }

  private tell(): void {
    this.listeners.forEach(listener => listener());
  }
}

// --- what was dropped or chosen ------------------------------------------------------------------------------------

async function entryFiles(entry: FileSystemEntry, prefix: string): Promise<ChosenFile[]> {
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
    return [{ path: prefix + entry.name, file }];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const found: ChosenFile[] = [];
  for (;;) {
    // A directory is read in portions of about a hundred.
    const portion = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (!portion.length) {
      return found;
    }
    for (const inner of portion) {
      found.push(...(await entryFiles(inner, `${prefix}${entry.name}/`)));
    }
  }
}

/** All files of a drop, folders opened. Must be called inside the drop event: the browser forgets the items after it. */
export function droppedFiles(transfer: DataTransfer): Promise<ChosenFile[]> {
  const entries = [...transfer.items].map(item => item.webkitGetAsEntry()).filter(entry => entry !== null);
  if (!entries.length) {
    return Promise.resolve([...transfer.files].map(file => ({ path: file.name, file })));
  }
  return Promise.all(entries.map(entry => entryFiles(entry, ''))).then(lists => lists.flat());
}

export const chosenFiles = (list: FileList): ChosenFile[] =>
  [...list].map(file => ({ path: file.webkitRelativePath || file.name, file }));
