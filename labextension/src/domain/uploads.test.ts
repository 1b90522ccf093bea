// @vitest-environment node
import { describe, expect, it, vi } from 'vitest';
import type { FileResult } from '../api/types';
import { CALL_FILES, Uploads, calls, frame, withoutLitter, type ChosenFile, type UploadApi } from './uploads';

const file = (path: string, content = 'x'): ChosenFile => ({ path, file: new File([content], path.split('/').at(-1) ?? path) });
const many = (count: number) => Array.from({ length: count }, (_, index) => file(`f${index}.png`));

async function unframe(blob: Blob): Promise<{ header: Record<string, unknown>; text: string }[]> {
  const buffer = await blob.arrayBuffer();
  const found = [];
  for (let at = 0; at < buffer.byteLength; ) {
    const length = new DataView(buffer, at).getUint32(0);
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, at + 4, length))) as { size: number };
    at += 4 + length;
    found.push({ header, text: new TextDecoder().decode(new Uint8Array(buffer, at, header.size)) });
    at += header.size;
  }
  return found;
}

class Lost extends Error {}

function api(sendFiles: UploadApi['sendFiles']): UploadApi {
  return {
    begin: vi.fn().mockResolvedValue({ id: 5 }),
    sendFiles,
    sendArchive: vi.fn().mockResolvedValue(undefined),
    finish: vi.fn().mockResolvedValue(undefined),
    cancel: vi.fn().mockResolvedValue(undefined),
    unreachable: error => error instanceof Lost
  };
}

const added = async (blob: Blob) => ({
  results: (await unframe(blob)).map(
    (one): FileResult => ({ path: String(one.header['path']), outcome: 'added', item: 1, code: null, reason: null })
  )
});

describe('DAT-10: importing many files', () => {
  it('frames files with their path, size and folder label', async () => {
    const framed = await unframe(frame([file('set/猫/a.png', 'abc'), file('b.png', '')], true));
    expect(framed).toEqual([
      { header: { path: 'set/猫/a.png', size: 3, label: '猫' }, text: 'abc' },
      { header: { path: 'b.png', size: 0 }, text: '' }
    ]);
  });

  it('gathers files into bounded calls without losing one', () => {
    const files = many(CALL_FILES * 2 + 3);
    const parts = [...calls(files)];
    expect(parts.map(part => part.length)).toEqual([CALL_FILES, CALL_FILES, 3]);
    expect(parts.flat()).toEqual(files);
  });

  it('leaves the litter of operating systems behind', () => {
    const kept = withoutLitter([file('a/.DS_Store'), file('__MACOSX/a/x.png'), file('a/._x.png'), file('a/x.png')]);
    expect(kept.map(one => one.path)).toEqual(['a/x.png']);
  });

  it('sends all, counts outcomes and finishes', async () => {
    const send = vi.fn(async (_id: number, blob: Blob) => {
      const { results } = await added(blob);
      return { results: results.map((one, index) => (index ? one : { ...one, outcome: 'refused' as const, reason: 'damaged' })) };
    });
    const scripted = api(send);
    const uploads = new Uploads(scripted);
    await uploads.start(3, many(CALL_FILES + 1), false);
    expect(uploads.get(3)).toMatchObject({ phase: 'done', sentFiles: CALL_FILES + 1, added: CALL_FILES - 1 });
    expect(uploads.get(3)?.refused).toHaveLength(2);
    expect(scripted.finish).toHaveBeenCalledWith(5);
  });

  it('repeats a call that did not arrive, and stops at a refusal', async () => {
    let failures = 1;
    const uploads = new Uploads(
      api(async (_id, blob) => {
        if (failures-- > 0) {
          throw new Lost();
        }
        return added(blob);
      })
    );
    await uploads.start(1, many(2), false);
    expect(uploads.get(1)).toMatchObject({ phase: 'done', added: 2, waiting: false });

    const refused = new Uploads(api(() => Promise.reject(new Error('over quota'))));
    await refused.start(1, many(1), false);
    expect(refused.get(1)?.phase).toBe('failed');
  });

  it('cancels at once and tells the platform', async () => {
    let arrived: () => void = () => undefined;
    const started = new Promise<void>(resolve => (arrived = resolve));
    const scripted = api((_id, _blob, signal) => {
      arrived();
      return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))));
    });
    const uploads = new Uploads(scripted);
    const running = uploads.start(9, many(1), false);
    await started;
    await uploads.cancel(9);
    await running;
    expect(uploads.get(9)?.phase).toBe('cancelled');
    expect(scripted.cancel).toHaveBeenCalledWith(5);
    expect(uploads.active).toBe(false);
  });
});
