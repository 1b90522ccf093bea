/** One run: curves, log, resources, cost, lineage, outputs; stop, repeat, save as model; why it failed. */
import { useEffect, useState, type JSX } from 'react';
import type { MetricSeries, Run, Usage } from '../../api/types';
import { AsCode } from '../../components/ascode';
import { Button, Card, Meter, StatePill, Time } from '../../components/basics';
import { Chart } from '../../components/chart';
import { ErrorView, SkeletonPage, toast } from '../../components/feedback';
import { Icon } from '../../components/icons';
import { Lineage, type LineageNode } from '../../components/lineage';
import { LogViewer } from '../../components/logviewer';
import { StartTree } from '../../components/starttree';
import { DetailPage } from '../../components/detailpage';
import { formatBytes, formatElapsed, formatMoney, formatResources, formatSpan, formatValue, secondsSince } from '../../domain/format';
import { hasEnded } from '../../domain/state';
import { useFrame, useTab } from '../../frame';
import { t, tValue } from '../../i18n';
import { useCan, useNow } from '../../queries/account';
import { useRepeatRun, useRun, useRunMetrics, useRunOutputs, useRunsOfJob, useStopRun, useWorkloadUsage } from '../../queries/training';
import type { PanelProps } from '../registry';
import { runForms } from './forms';
import { SaveModel } from './savemodel';
import { Spark } from './spark';

/** Metrics by what they measure: `train_loss` and `validation_loss` share one chart called `loss`. */
export function chartsOf(series: readonly MetricSeries[]): { title: string; series: { name: string; points: [number, number][] }[] }[] {
  const charts = new Map<string, { name: string; points: [number, number][] }[]>();
  for (const one of series) {
    const [, prefix, rest] = /^(train(?:ing)?|val(?:idation)?|test)[_/.](.+)$/.exec(one.name) ?? [];
    const title = rest ?? one.name;
    const points = one.points.map(([step, value]) => [step, value] as [number, number]);
    charts.set(title, [...(charts.get(title) ?? []), { name: prefix ?? one.name, points }]);
  }
  return [...charts].map(([title, parts]) => ({ title, series: parts }));
}

export default function RunPanel({ args }: PanelProps): JSX.Element {
  const id = Number(args['id']);
  const run = useRun(id);
  const tab = useTab();
  const title = run.data ? `${run.data.job.name} #${run.data.number}` : null;
  useEffect(() => {
    if (title) {
      tab.setTitle(title);
    }
    // The tab object is new at each rendering.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [title]);
  if (run.error && !run.data) {
    return <ErrorView error={run.error} onRetry={() => void run.refetch()} />;
  }
  return run.data ? <RunPage run={run.data} /> : <SkeletonPage />;
}

function RunPage({ run }: { run: Run }): JSX.Element {
  const { open } = useFrame();
  const can = useCan();
  const stop = useStopRun();
  const [saving, setSaving] = useState(false);
  const repeat = useRepeatRun(next => open('run', { id: next.id }));
  const outputs = useRunOutputs(run.id, hasEnded(run.phase));
  const ended = hasEnded(run.phase);
  const environment = environmentName(run.environment);
  return (
    <>
      <DetailPage
        title={`${run.job.name} #${run.number}`}
        aside={
          <>
            <RunChoice run={run} />
            <StatePill state={run.phase} since={run.workload?.phase_since} why={run.message} />
            <span className="hm-muted hm-ell">{[run.owner.name, run.department?.name].filter(Boolean).join(' · ')}</span>
          </>
        }
        actions={
          <>
            {run.phase === 'succeeded' && can('model.model.edit') && !run.model_version && (
              <Button look="primary" icon="cube" onClick={() => setSaving(true)}>
                {t('train.saveModel')}
              </Button>
            )}
            {run.model_version && (
              <Button icon="cube" onClick={() => open('model', { id: run.model_version?.model.id ?? 0 })}>
                {run.model_version.model.name} {run.model_version.version}
              </Button>
            )}
            {ended && can('train.job.create') && (
              <Button icon="refresh" busy={repeat.isPending} onClick={() => repeat.mutate(run.id)}>
                {t('train.repeat')}
              </Button>
            )}
            <AsCode forms={runForms(run.id)} />
            {!ended && can('train.job.stop') && (
              <Button look="danger" icon="stop" busy={stop.isPending || run.phase === 'stopping'} onClick={() => stop.mutate(run.id)}>
                {t('action.stop')}
              </Button>
            )}
          </>
        }
        facts={[
          {
            label: t('train.data'),
            value: run.dataset ? (
              <button type="button" className="hm-link" onClick={() => open('dataset', { id: run.dataset?.id ?? 0 })}>
                {run.dataset.name} {run.dataset.version}
              </button>
            ) : (
              '–'
            )
          },
          { label: t('train.algorithm'), value: run.algorithm ? (run.algorithm.title ?? run.algorithm.name) : t('train.script') },
          { label: t('train.environment'), value: environment },
          { label: t('train.uses'), value: formatResources(run.spec.resources) },
          { label: t('train.started'), value: <Time at={run.workload?.started_at} /> }
        ]}
        above={<RunProgress run={run} />}
        tabs={[
          { id: 'overview', label: t('train.tab.overview'), render: () => <Overview run={run} /> },
          {
            id: 'log',
            label: t('log.title'),
            render: () => <LogViewer workload={run.workload?.id} name={`${run.job.name}-${run.number}`} />
          },
          { id: 'metrics', label: t('train.tab.metrics'), render: () => <Metrics run={run} /> },
          { id: 'outputs', label: t('train.tab.outputs'), count: outputs.data?.length, render: () => <Outputs run={run} /> },
          { id: 'parameters', label: t('train.parameters'), render: () => <Parameters run={run} /> }
        ]}
      />
      {saving && (
        <SaveModel
          run={run}
          onClose={() => setSaving(false)}
          onSaved={version => {
            setSaving(false);
            toast(t('train.saved', { name: version.model.name, version: version.version }));
            open('model', { id: version.model.id });
          }}
        />
      )}
    </>
  );
}

/** `science` for `science-48b90d83c60f`: the digest is for machines. */
export function environmentName(environment: Run['environment']): string {
  const name = typeof environment === 'string' ? environment : (environment.title ?? environment.name);
  return name.replace(/-[0-9a-f]{12,}$/, '');
}

function RunChoice({ run }: { run: Run }): JSX.Element {
  const { open } = useFrame();
  const runs = useRunsOfJob(run.job.id);
  const all = runs.data ?? [run];
  return (
    <span className="hm-select hm-runchoice">
      <select
        className="hm-input hm-small"
        aria-label={t('train.runs')}
        value={run.id}
        onChange={event => open('run', { id: Number(event.target.value) })}
      >
        {(all.some(one => one.id === run.id) ? all : [run, ...all]).map(one => (
          <option key={one.id} value={one.id}>
            {t('train.runOf', { number: one.number, total: Math.max(all.length, one.number) })}
          </option>
        ))}
      </select>
      <Icon name="chevron" size={12} />
    </span>
  );
}

function RunProgress({ run }: { run: Run }): JSX.Element | null {
  const live = !hasEnded(run.phase);
  useNow(live ? 1_000 : 60_000);
  const started = run.workload?.started_at;
  if (run.phase === 'failed' || run.phase === 'timed_out') {
    return <PostMortem run={run} />;
  }
  if (run.phase === 'queued' || run.phase === 'waiting' || run.phase === 'starting') {
    return (
      <div className="hm-inset">
        {run.message && <p className="hm-muted">{run.message}</p>}
        {run.workload && <StartTree steps={run.workload.steps} work={run.workload} />}
      </div>
    );
  }
  if (!started) {
    return null;
  }
  const elapsed = run.workload?.ended_at
    ? (Date.parse(run.workload.ended_at) - Date.parse(started)) / 1000
    : secondsSince(started);
  const { step, total } = run.progress ?? { step: 0, total: null };
  const left = live && step && total ? (elapsed / step) * (total - step) : null;
  return (
    <div className="hm-runprogress">
      {total ? (
        <>
          <b>{t('train.epochOf', { step, total })}</b>
          <Meter share={step / total} label={t('train.progress')} />
        </>
      ) : (
        <span className="hm-grow" />
      )}
      <span className="hm-muted">
        {t('train.elapsed', { time: formatElapsed(elapsed) })}
        {left !== null && <b> · {t('progress.left', { time: formatSpan(left) })}</b>}
      </span>
    </div>
  );
}

function PostMortem({ run }: { run: Run }): JSX.Element {
  const { open } = useFrame();
  return (
    <section className="hm-postmortem" role="alert">
      <Icon name="warning" size={16} className="hm-fail" />
      <div className="hm-grow">
        <b>
          {tValue('reason', run.reason)}
          {run.exit_code !== null && run.exit_code !== undefined && <span className="hm-muted"> · {t('train.exit', { code: run.exit_code })}</span>}
        </b>
        {run.message && <p>{run.message}</p>}
        {run.last_lines?.length > 0 && <pre>{run.last_lines.join('\n')}</pre>}
      </div>
      <Button icon="pencil" onClick={() => open('newjob', { from: run.id })}>
        {t('train.fix')}
      </Button>
    </section>
  );
}

function Overview({ run }: { run: Run }): JSX.Element {
  const metrics = useRunMetrics(run.id);
  const live = !hasEnded(run.phase);
  const usage = useWorkloadUsage(run.workload?.id, live);
  const charts = chartsOf(metrics.data ?? []).sort((a, b) => rank(a.title) - rank(b.title)).slice(0, 2);
  const shown = charts.length ? charts : [{ title: t('train.noCurves'), series: [] }];
  return (
    <div className="hm-board hm-fill">
      {shown.map(chart => (
        <div key={chart.title} className={shown.length > 1 ? 'hm-w6' : ''}>
          <Chart title={chart.title} series={chart.series} xLabel={t('train.epoch')} group={`run-${run.id}`} />
        </div>
      ))}
      <div className="hm-w8 hm-logcell">
        <LogViewer workload={run.workload?.id} name={`${run.job.name}-${run.number}`} />
      </div>
      <div className="hm-w4 hm-stack">
        <ResourceCard run={run} samples={usage.data ?? []} />
        <CostCard run={run} />
        <LineageCard run={run} />
      </div>
    </div>
  );
}

const rank = (title: string): number => (/loss/i.test(title) ? 0 : /acc/i.test(title) ? 1 : 2);

function ResourceCard({ run, samples }: { run: Run; samples: readonly Usage[] }): JSX.Element {
  const last = samples.at(-1) ?? run.workload?.usage ?? null;
  const cpus = run.spec.resources.cpu_millis / 1000;
  return (
    <Card title={t('train.resources')} aside={<span className="hm-muted hm-sm">{t('train.sinceStart')}</span>}>
      <Spark
        label={t('quota.cpu')}
        values={samples.map(one => one.cpu_millis / 1000)}
        most={cpus}
        words={last ? `${formatValue(last.cpu_millis / 1000)} / ${formatValue(cpus)}` : '–'}
      />
      <Spark
        label={t('quota.memory')}
        values={samples.map(one => one.memory_bytes)}
        most={run.spec.resources.memory_bytes}
        words={last ? `${formatBytes(last.memory_bytes)} / ${formatBytes(run.spec.resources.memory_bytes)}` : '–'}
      />
    </Card>
  );
}

function CostCard({ run }: { run: Run }): JSX.Element {
  return (
    <Card
      title={t('train.cost')}
      aside={
        <span className="hm-muted hm-sm">
          {t('money.perHour', { money: formatMoney(run.workload?.price_per_hour_micros ?? run.spec.price_per_hour_micros) })}
        </span>
      }
    >
      <div className="hm-row">
        <span className="hm-muted">{hasEnded(run.phase) ? t('train.costTotal') : t('train.costSoFar')}</span>
        <span className="hm-grow" />
        <b>{formatMoney(run.cost_micros, 4)}</b>
      </div>
    </Card>
  );
}

function LineageCard({ run }: { run: Run }): JSX.Element {
  const { open } = useFrame();
  const inputs: LineageNode[] = [];
  if (run.dataset) {
    const { id, name, version } = run.dataset;
    inputs.push({ id: `d${id}`, title: name, note: t('train.note.data', { version }), onOpen: () => open('dataset', { id }) });
  }
  inputs.push({
    id: 'a',
    title: run.algorithm?.title ?? run.algorithm?.name ?? t('train.script'),
    note: run.algorithm?.version ? t('train.note.algorithm', { version: run.algorithm.version }) : t('train.algorithm')
  });
  const columns: LineageNode[][] = [inputs, [{ id: 'r', title: `#${run.number}`, note: tValue('phase', run.phase), current: true }]];
  if (run.model_version) {
    const { model, version } = run.model_version;
    columns.push([{ id: 'm', title: model.name, note: version, onOpen: () => open('model', { id: model.id }) }]);
  }
  return (
    <Card title={t('train.lineage')}>
      <Lineage label={t('train.lineage')} columns={columns} />
    </Card>
  );
}

function Metrics({ run }: { run: Run }): JSX.Element {
  const metrics = useRunMetrics(run.id);
  const charts = chartsOf(metrics.data ?? []);
  return (
    <div className="hm-board">
      {charts.map(chart => (
        <div key={chart.title} className="hm-w6">
          <Chart title={chart.title} series={chart.series} xLabel={t('train.epoch')} group={`run-${run.id}`} height={220} />
        </div>
      ))}
      {!charts.length && <p className="hm-muted">{t('chart.empty')}</p>}
    </div>
  );
}

function Outputs({ run }: { run: Run }): JSX.Element {
  const { client } = useFrame();
  const outputs = useRunOutputs(run.id, true);
  if (outputs.error) {
    return <ErrorView error={outputs.error} onRetry={() => void outputs.refetch()} />;
  }
  return (
    <div className="hm-board">
      <Card title={t('train.tab.outputs')} flush>
        {(outputs.data ?? []).length === 0 && <p className="hm-muted hm-in">{t('train.noOutputs')}</p>}
        <ul className="hm-filelist">
          {(outputs.data ?? []).map(file => (
            <li key={file.path}>
              <Icon name="folder" />
              <span className="hm-grow hm-ell">{file.path}</span>
              <span className="hm-muted hm-num">{formatBytes(file.size)}</span>
              <a
                className="hm-link"
                href={client.url(`/runs/${run.id}/outputs/${encodeURIComponent(file.path)}`)}
                download={file.path.split('/').pop()}
              >
                {t('action.download')}
              </a>
            </li>
          ))}
        </ul>
      </Card>
    </div>
  );
}

function Parameters({ run }: { run: Run }): JSX.Element {
  return (
    <div className="hm-board">
      <Card title={t('train.parameters')} className="hm-w6">
        <dl className="hm-factlist">
          {Object.entries(run.parameters).map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd className="hm-num">{String(value)}</dd>
            </div>
          ))}
        </dl>
      </Card>
      <Card title={t('train.command')} className="hm-w6">
        <pre className="hm-command">{run.command}</pre>
      </Card>
    </div>
  );
}
