/** The imports this page is sending, as hooks. One manager per page, so that they outlive their tab. */
import { useSyncExternalStore } from 'react';
import { isApiError } from '../api/errors';
import type { FileResult, Import } from '../api/types';
import { Uploads, type UploadState } from '../domain/uploads';
import { useFrame, type Frame } from '../frame';

const made = new WeakMap<Frame, Uploads>();

function uploadsOf(frame: Frame): Uploads {
  let uploads = made.get(frame);
  if (!uploads) {
    const { client, queries } = frame;
    const refresh = () => void queries.invalidateQueries({ predicate: query => query.queryKey[0] === 'dataset' });
    uploads = new Uploads({
      begin: (dataset, body) => client.post<Import>(`/datasets/${dataset}/imports`, body),
      sendFiles: (id, raw, signal) =>
        client.json<{ results: FileResult[] }>('POST', `/imports/${id}/files`, {
          raw,
          signal,
          headers: { 'Content-Type': 'application/vnd.himalia.files' }
        }),
      sendArchive: (id, raw, signal) =>
        client.json('POST', `/imports/${id}/archive`, {
          raw,
          signal,
          query: { name: raw.name },
          headers: { 'Content-Type': 'application/octet-stream' }
        }),
      finish: async id => {
        await client.post(`/imports/${id}/finish`);
        refresh();
      },
      cancel: async id => {
        await client.post(`/imports/${id}/cancel`);
        refresh();
      },
      unreachable: error => isApiError(error) && error.unreachable
    });
    const manager = uploads;
    window.addEventListener('beforeunload', event => {
      if (manager.active) {
        event.preventDefault();
      }
    });
    made.set(frame, uploads);
  }
  return uploads;
}

export const useUploads = (): Uploads => uploadsOf(useFrame());

export function useUpload(dataset: number): UploadState | undefined {
  const uploads = useUploads();
  return useSyncExternalStore(uploads.subscribe, () => uploads.get(dataset));
}
