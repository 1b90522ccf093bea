/** Develop, train, serve and money. */
import { areaPlugin } from './areas';

export const workPlugin = areaPlugin('work', 'Notebooks, training, models, services and cost.', [
  {
    panel: 'notebooks',
    title: 'notebook.title',
    icon: 'notebook',
    load: () => import('../panels/notebooks/notebooks'),
    navigation: { section: 'develop', rank: 10, permission: 'develop.notebook.read', countPath: '/notebooks' },
    launcher: { rank: 20 },
    opens: ['notebook']
  },
  {
    panel: 'jobs',
    title: 'train.jobs',
    icon: 'curve',
    load: () => import('../panels/training/jobs'),
    navigation: { section: 'train', rank: 10, permission: 'train.job.read', countPath: '/jobs' },
    launcher: { rank: 30 }
  },
  { panel: 'newjob', title: 'train.new', icon: 'curve', load: () => import('../panels/training/newjob') },
  { panel: 'run', title: 'kind.run', icon: 'curve', load: () => import('../panels/training/run'), opens: ['run'] },
  {
    panel: 'models',
    title: 'model.title',
    icon: 'cube',
    load: () => import('../panels/models/models'),
    navigation: { section: 'serve', rank: 10, permission: 'model.model.read', countPath: '/models' },
    launcher: { rank: 40 }
  },
  { panel: 'model', title: 'kind.model', icon: 'cube', load: () => import('../panels/models/model'), opens: ['model'] },
  {
    panel: 'services',
    title: 'serve.title',
    icon: 'pulse',
    load: () => import('../panels/serving/services'),
    navigation: { section: 'serve', rank: 20, permission: 'serve.service.read', countPath: '/inference-services' },
    launcher: { rank: 50 }
  },
  { panel: 'newservice', title: 'serve.new', icon: 'pulse', load: () => import('../panels/serving/newservice') },
  {
    panel: 'service',
    title: 'kind.inference_service',
    icon: 'pulse',
    load: () => import('../panels/serving/service'),
    opens: ['inference_service', 'service_variant']
  },
  {
    panel: 'bills',
    title: 'bill.title',
    icon: 'wallet',
    load: () => import('../panels/money/bills'),
    navigation: { section: 'money', rank: 10, permission: 'money.bill.read' },
    launcher: { rank: 60 },
    opens: ['bill']
  },
  {
    panel: 'prices',
    title: 'price.title',
    icon: 'wallet',
    load: () => import('../panels/money/prices'),
    navigation: { section: 'money', rank: 20, permission: 'account.self.read' }
  }
]);
