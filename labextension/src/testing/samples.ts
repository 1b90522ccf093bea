/** Objects as the platform sends them, for tests. */
import type { Dataset, Item } from '../api/types';

const AT = '2026-11-21T09:00:00.000000Z';

export const LABELS = [
  { id: 1, name: 'ship', colour: '#e69f00', key: '1' },
  { id: 2, name: 'tug', colour: '#56b4e9', key: '2' }
];

export const dataset = (changes: Partial<Dataset> = {}): Dataset => ({
  id: 1,
  name: 'harbour',
  owner: { id: 1, name: 'ada' },
  department: null,
  created_at: AT,
  updated_at: AT,
  version: 3,
  data_type: 'image',
  annotation_type: 'classification',
  multi_label: false,
  label_group: { id: 5, name: 'ships', labels: LABELS },
  scenario: '',
  description: '',
  state: 'annotating',
  items: 10,
  confirmed: 4,
  open_items: 6,
  progress: 0.4,
  bytes: 2_048,
  current_version: null,
  latest_version: null,
  pinned: false,
  cover: null,
  task: null,
  ...changes
});

export const item = (id: number, changes: Partial<Item> = {}): Item => ({
  id,
  name: `pictures/p${id}.png`,
  position: id,
  width: 8,
  height: 8,
  bytes: 100,
  sha256: '0'.repeat(64),
  media_type: 'image/png',
  state: 'none',
  labels: [],
  thumbnail: `/datasets/1/items/${id}/thumbnail`,
  version: 1,
  ...changes
});
