/** The actions of the data panels as code; kept beside the panels so that they change together. */
import type { CodeForms } from '../../components/ascode';
import type { Dataset, DatasetVersion } from '../../api/types';

const API = '/services/himalia/api/v1';

export const datasetsCode = (): CodeForms => ({
  magic: '%himalia datasets',
  python: 'import himalia\n\nfor dataset in himalia.datasets():\n    print(dataset.name, dataset.items, dataset.state)',
  cli: 'himalia datasets list --json',
  http: `GET ${API}/datasets`
});

export function datasetCode(dataset: Dataset, version: DatasetVersion | undefined): CodeForms {
  const at = version ? `@${version.version}` : '';
  const argument = version ? `, version="${version.version}"` : '';
  return {
    magic: `%dataset ${dataset.name}${at} data`,
    python: `import himalia\n\ndata = himalia.dataset("${dataset.name}"${argument})\nframe = data.to_pandas()`,
    cli: `himalia datasets show ${dataset.id} --json`,
    http: version
      ? `GET ${API}/datasets/${dataset.id}/versions/${version.version}/items`
      : `GET ${API}/datasets/${dataset.id}/items`
  };
}
