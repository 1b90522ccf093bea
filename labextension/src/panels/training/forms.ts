/** Training as magic, Python, command line and HTTP. */
import type { CodeForms } from '../../components/ascode';
import type { AcceleratorWish } from '../../api/types';
import type { JobBody } from '../../queries/training';

const py = (value: unknown): string =>
  value === true ? 'True' : value === false ? 'False' : value === null ? 'None' : JSON.stringify(value);

const GIB = 2 ** 30;

/** The accelerator as Python's and the command line's arguments, empty without one. */
export function acceleratorForms(
  body: { accelerator_wish?: AcceleratorWish } | null,
  named: string | undefined
): { python: string; cli: string } {
  const wish = body?.accelerator_wish;
  if (!wish) {
    return named ? { python: `, accelerator=${py(named)}`, cli: ` --accelerator "${named}"` } : { python: '', cli: '' };
  }
  const gib = Number((wish.memory_bytes / GIB).toFixed(3));
  const { count, frameworks } = wish;
  const parts = [
    String(gib),
    ...(count > 1 ? [`count=${count}`] : []),
    ...(frameworks.length ? [`frameworks=(${frameworks.map(py).join(', ')},)`] : [])
  ];
  const times = count > 1 ? `${count}x` : '';
  const runs = frameworks.length ? `:${frameworks.join(',')}` : '';
  return { python: `, accelerator=himalia.Accelerator(${parts.join(', ')})`, cli: ` --any-accelerator ${times}${gib}${runs}` };
}

export function jobForms(body: JobBody, algorithm: string, dataset: string, spec: string, accelerator?: string): CodeForms {
  const parameters = Object.entries(body.parameters);
  const card = acceleratorForms(body, accelerator);
  const dict = parameters.map(([name, value]) => `"${name}": ${py(value)}`).join(', ');
  const flags = parameters.map(([name, value]) => `--param ${name}=${String(value)}`).join(' ');
  return {
    python: [
      'import himalia',
      `run = himalia.jobs.create(`,
      `    ${py(body.name)}, "${dataset}@${body.dataset.version}", algorithm=${py(algorithm)},`,
      `    spec=${py(spec)}${card.python}, parameters={${dict}},`,
      ')',
      'run.wait()'
    ].join('\n'),
    cli: `himalia jobs create ${body.name} --dataset ${dataset}@${body.dataset.version} --algorithm ${algorithm} --spec "${spec}"${card.cli} ${flags}`,
    http: ['POST /services/himalia/api/v1/jobs', 'Content-Type: application/json', '', JSON.stringify(body, null, 2)].join('\n')
  };
}

export const runForms = (id: number): CodeForms => ({
  python: `import himalia\nrun = himalia.runs.get(${id})\nrun.wait()\nrun.metrics()`,
  cli: `himalia runs log ${id} --follow`,
  http: `GET /services/himalia/api/v1/runs/${id}`
});
