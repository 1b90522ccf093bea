/** Datasets, label groups and the workbench. */
export const data = {
  'datasets.title': 'Datasets'
} as const;
