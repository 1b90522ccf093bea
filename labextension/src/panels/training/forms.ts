/** Training as magic, Python, command line and HTTP. */
import type { CodeForms } from '../../components/ascode';
import type { JobBody } from '../../queries/training';

const py = (value: unknown): string =>
  value === true ? 'True' : value === false ? 'False' : value === null ? 'None' : JSON.stringify(value);

export function jobForms(body: JobBody, algorithm: string, dataset: string, spec: string): CodeForms {
  const parameters = Object.entries(body.parameters);
  const dict = parameters.map(([name, value]) => `"${name}": ${py(value)}`).join(', ');
  const flags = parameters.map(([name, value]) => `--param ${name}=${String(value)}`).join(' ');
  return {
    python: [
      'import himalia',
      `run = himalia.jobs.create(`,
      `    ${py(body.name)}, "${dataset}@${body.dataset.version}", algorithm=${py(algorithm)},`,
      `    spec=${py(spec)}, parameters={${dict}},`,
      ')',
      'run.wait()'
    ].join('\n'),
    cli: `himalia jobs create ${body.name} --dataset ${dataset}@${body.dataset.version} --algorithm ${algorithm} --spec "${spec}" ${flags}`,
    http: ['POST /services/himalia/api/v1/jobs', 'Content-Type: application/json', '', JSON.stringify(body, null, 2)].join('\n')
  };
}

export const runForms = (id: number): CodeForms => ({
  python: `import himalia\nrun = himalia.runs.get(${id})\nrun.wait()\nrun.metrics()`,
  cli: `himalia runs log ${id} --follow`,
  http: `GET /services/himalia/api/v1/runs/${id}`
});
