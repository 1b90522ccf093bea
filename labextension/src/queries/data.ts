/** Datasets, label groups, items and versions. */
import { useQuery, useQueryClient, type UseQueryResult } from '@tanstack/react-query';
import type {
  Dataset,
  DatasetStatistics,
  DatasetVersion,
  HistoryEntry,
  Item,
  LabelGroup,
  Page,
  PresetLabels,
  RefusedFile,
  VersionComparison
} from '../api/types';
import type { LabelDraft } from '../domain/labels';
import { useFrame } from '../frame';
import { usePaged, useChange, useList, useOne, usePart, type PagedList } from './common';
import { keys } from './keys';

// --- label groups -------------------------------------------------------------------------------------------------

export interface LabelGroupDraft {
  name: string;
  type: LabelGroup['type'];
  description: string;
  labels: LabelDraft[];
}

export const useLabelGroups = (query: Record<string, string> = {}): PagedList<LabelGroup> =>
  useList<LabelGroup>('label_group', '/label-groups', query);

export const useLabelGroup = (id: number | null): UseQueryResult<LabelGroup> =>
  useOne<LabelGroup>('label_group', id ?? 0, `/label-groups/${id}`, id !== null);

/** Label sets that come with the platform, to start from. */
export function usePresetLabels(): UseQueryResult<PresetLabels[]> {
  const { client } = useFrame();
  return useQuery({
    queryKey: ['label_preset', 'list'],
    queryFn: async () => (await client.get<{ items: PresetLabels[] }>('/label-groups/presets')).items,
    staleTime: Infinity
  });
}

export const useSaveLabelGroup = (id: number | null, version: number | undefined, done: (saved: LabelGroup) => void) =>
  useChange<LabelGroupDraft, LabelGroup>(
    ['label_group', 'dataset'],
    (client, draft) => {
      if (id === null) {
        return client.post('/label-groups', draft);
      }
      const { name, description, labels } = draft;
      return client.patch(`/label-groups/${id}`, { name, description, labels }, version ?? 0);
    },
    { quiet: true, onSuccess: done }
  );

export const useCopyLabelGroup = () =>
  useChange<LabelGroup, LabelGroup>(['label_group'], (client, group) => client.post(`/label-groups/${group.id}/copy`, {}));

export const useDeleteLabelGroup = () =>
  useChange<LabelGroup, unknown>(['label_group'], (client, group) =>
    client.delete(`/label-groups/${group.id}`, { version: group.version })
  );

// --- datasets -----------------------------------------------------------------------------------------------------

export const useDatasets = (query: Record<string, string>): PagedList<Dataset> =>
  useList<Dataset>('dataset', '/datasets', query);

export const useDataset = (id: number): UseQueryResult<Dataset> => useOne<Dataset>('dataset', id, `/datasets/${id}`);

export interface DatasetDraft {
  name: string;
  data_type: 'image';
  annotation_type: 'classification';
  multi_label: boolean;
  label_group_id: number;
  scenario: string;
  description: string;
}

export const useCreateDataset = (done: (dataset: Dataset) => void) =>
  useChange<DatasetDraft, Dataset>(['dataset'], (client, draft) => client.post('/datasets', draft), {
    quiet: true,
    onSuccess: done
  });

export const useUpdateDataset = (done?: () => void) =>
  useChange<{ dataset: Dataset; changes: Partial<Pick<Dataset, 'name' | 'description' | 'pinned'>> }, Dataset>(
    ['dataset'],
    (client, { dataset, changes }) => client.patch(`/datasets/${dataset.id}`, changes, dataset.version),
    { onSuccess: done }
  );

export const useDeleteDatasets = (done?: () => void) =>
  useChange<readonly Dataset[], unknown>(
    ['dataset'],
    (client, datasets) =>
      Promise.all(datasets.map(one => client.delete(`/datasets/${one.id}`, { version: one.version }))),
    { onSuccess: done }
  );

export const useStatistics = (id: number): UseQueryResult<DatasetStatistics> =>
  usePart<DatasetStatistics>('dataset', id, 'statistics', `/datasets/${id}/statistics`);

// --- items --------------------------------------------------------------------------------------------------------

export interface ItemFilter {
  state?: string;
  label?: string;
  q?: string;
  open?: string;
  sort?: string;
  limit?: string;
}

export const itemsKey = (dataset: number, filter: ItemFilter) => keys.part('dataset', dataset, 'items', filter);

export const useItems = (dataset: number, filter: ItemFilter): PagedList<Item> =>
  usePaged<Item>(itemsKey(dataset, filter), `/datasets/${dataset}/items`, { limit: 200, ...filter });

export const useHistory = (dataset: number, item: number | undefined, open: boolean): UseQueryResult<HistoryEntry[]> => {
  const { client } = useFrame();
  return useQuery({
    queryKey: keys.part('dataset', dataset, 'history', item),
    queryFn: async ({ signal }) => {
      const answer = await client.get<{ items: HistoryEntry[] } | HistoryEntry[]>(
        `/datasets/${dataset}/items/${item}/history`,
        undefined,
        signal
      );
      return Array.isArray(answer) ? answer : answer.items;
    },
    enabled: open && item !== undefined
  });
};

export const useDeleteItems = (dataset: number) =>
  useChange<number[], unknown>(['dataset'], (client, items) => client.post(`/datasets/${dataset}/items/delete`, { items }));

export const useRestoreItems = (dataset: number) =>
  useChange<number[], unknown>(['dataset'], (client, items) =>
    client.post(`/datasets/${dataset}/items/restore`, { items })
  );

export function useRefused(dataset: number, importId: number | null): UseQueryResult<Page<RefusedFile>> {
  const { client } = useFrame();
  return useQuery({
    queryKey: keys.part('dataset', dataset, 'refused', importId),
    queryFn: ({ signal }) => client.get<Page<RefusedFile>>(`/imports/${importId}/refused`, { limit: 500 }, signal),
    enabled: importId !== null
  });
}

// --- versions -----------------------------------------------------------------------------------------------------

export const useVersions = (dataset: number): PagedList<DatasetVersion> =>
  usePaged<DatasetVersion>(keys.part('dataset', dataset, 'versions'), `/datasets/${dataset}/versions`, { limit: 100 });

export interface PublishDraft {
  description: string;
  splits: { train: number; validation: number; test: number };
  seed: number;
}

export const usePublish = (dataset: number, done: (version: DatasetVersion) => void) =>
  useChange<PublishDraft, DatasetVersion>(
    ['dataset'],
    (client, draft) => client.post(`/datasets/${dataset}/publish`, draft),
    { quiet: true, onSuccess: done }
  );

export const useSetCurrent = (dataset: number) =>
  useChange<string, unknown>(['dataset'], (client, version) =>
    client.post(`/datasets/${dataset}/versions/${version}/set-current`)
  );

export const useDeleteVersion = (dataset: number, done: () => void) =>
  useChange<string, unknown>(
    ['dataset'],
    (client, version) => client.delete(`/datasets/${dataset}/versions/${version}`),
    { quiet: true, onSuccess: done }
  );

export type Change = VersionComparison['items'][number]['change'];

export interface Comparing {
  totals: Pick<VersionComparison, 'added' | 'removed' | 'relabelled'> | undefined;
  items: VersionComparison['items'];
  isLoading: boolean;
  error: Error | null;
}

/** What differs between two versions, or a version and the draft; the first 500 items of a kind of change. */
export function useComparison(dataset: number, from: string, to: string, change: Change | ''): Comparing {
  const { client } = useFrame();
  const answer = useQuery({
    queryKey: keys.part('dataset', dataset, 'compare', from, to, change),
    queryFn: ({ signal }) =>
      client.get<VersionComparison>(`/datasets/${dataset}/compare`, { from, to, change, limit: 500 }, signal),
    placeholderData: previous => previous
  });
  return { totals: answer.data, items: answer.data?.items ?? [], isLoading: answer.isLoading, error: answer.error };
}

/** Replaces single items in every loaded list of a dataset, without asking the server again. */
export function usePatchItems(dataset: number): (patch: (item: Item) => Item) => void {
  const queries = useQueryClient();
  return patch =>
    queries.setQueriesData<{ pages: Page<Item>[]; pageParams: unknown[] }>(
      { queryKey: ['dataset', 'items', dataset] },
      data => data && { ...data, pages: data.pages.map(page => ({ ...page, items: page.items.map(patch) })) }
    );
}
