/** Data: datasets, label groups and the workbench. */
import { areaPlugin } from './areas';

export const dataPlugin = areaPlugin('data', 'Datasets, label groups and the labelling workbench.', [
  {
    panel: 'datasets',
    title: 'datasets.title',
    icon: 'dataset',
    load: () => import('../panels/datasets/list'),
    navigation: { section: 'data', rank: 10, permission: 'data.dataset.read', countPath: '/datasets' },
    launcher: { rank: 10 }
  },
  {
    panel: 'dataset',
    title: 'kind.dataset',
    icon: 'dataset',
    load: () => import('../panels/datasets/detail'),
    opens: ['dataset', 'dataset_version']
  },
  {
    panel: 'new-dataset',
    title: 'command.newDataset',
    icon: 'dataset',
    load: () => import('../panels/datasets/create')
  },
  {
    panel: 'workbench',
    title: 'workbench.title',
    icon: 'image',
    load: () => import('../panels/workbench')
  },
  {
    panel: 'label-groups',
    title: 'labels.title',
    icon: 'label',
    load: () => import('../panels/labels/list'),
    navigation: { section: 'data', rank: 30, permission: 'data.label_group.read', countPath: '/label-groups' }
  },
  {
    panel: 'label-group',
    title: 'kind.label_group',
    icon: 'label',
    load: () => import('../panels/labels/edit'),
    opens: ['label_group']
  }
]);
