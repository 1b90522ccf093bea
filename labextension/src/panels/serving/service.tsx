/** One service: split, variants, latency, revisions, keys, call guide, prediction drawn on the picture. */
import { useEffect, useState, type JSX } from 'react';
import type { InferenceService, Monitoring } from '../../api/types';
import { AsCode } from '../../components/ascode';
import { Button, Card, IconButton, StatePill, Time } from '../../components/basics';
import { Chart, PartsBar } from '../../components/chart';
import { DetailPage } from '../../components/detailpage';
import { Dialog } from '../../components/dialog';
import { ErrorLine, ErrorView, SkeletonPage } from '../../components/feedback';
import { Icon } from '../../components/icons';
import { LogViewer } from '../../components/logviewer';
import { StartTree } from '../../components/starttree';
import { formatMoney, formatNumber, formatPercent, formatResources } from '../../domain/format';
import { useFrame, useTab } from '../../frame';
import { t, tValue } from '../../i18n';
import { useCan } from '../../queries/account';
import { useDeleteService, useMonitoring, useRevisions, useService, useServiceAction } from '../../queries/serving';
import type { PanelProps } from '../registry';
import { Guide } from './guide';
import { Keys } from './keys';
import { Predict } from './predict';
import { Weights } from './weights';

const COLOURS = ['var(--himalia-s1)', 'var(--himalia-s2)', 'var(--himalia-s3)', 'var(--himalia-s4)'];

interface VariantFigures {
  name?: string;
  requests?: number;
  errors?: number;
  latency_p50_ms?: number | null;
  p95?: number | null;
  p99?: number | null;
}

function figuresOf(monitoring: Monitoring | undefined, variant: string): VariantFigures {
  const all = monitoring?.per_variant;
  if (Array.isArray(all)) {
    return (all as VariantFigures[]).find(one => one.name === variant) ?? {};
  }
  return ((all ?? {}) as Record<string, VariantFigures>)[variant] ?? {};
}

export default function ServicePanel({ args }: PanelProps): JSX.Element {
  const id = Number(args['id']);
  const service = useService(id);
  const tab = useTab();
  const name = service.data?.name;
  useEffect(() => {
    if (name) {
      tab.setTitle(name);
    }
    // The tab object is new at each rendering.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [name]);
  if (service.error && !service.data) {
    return <ErrorView error={service.error} onRetry={() => void service.refetch()} />;
  }
  return service.data ? <ServicePage service={service.data} /> : <SkeletonPage />;
}

function ServicePage({ service }: { service: InferenceService }): JSX.Element {
  const can = useCan();
  const tab = useTab();
  const action = useServiceAction(service.id);
  const [guide, setGuide] = useState(false);
  const [deleting, setDeleting] = useState(false);
  const remove = useDeleteService(service.id, () => tab.close());
  const resting = service.phase === 'stopped' || service.phase === 'failed';
  const resources = service.variants[0]?.spec?.resources;
  return (
    <>
      <DetailPage
        title={service.name}
        aside={
          <>
            <StatePill state={service.phase} why={service.message} />
            <span className="hm-muted hm-ell">
              {[service.owner.name, service.department?.name, t('serve.revisionNumber', { number: service.revision })].filter(Boolean).join(' · ')}
            </span>
          </>
        }
        actions={
          <>
            <Button icon="link" onClick={() => setGuide(true)}>
              {t('serve.guide')}
            </Button>
            <AsCode
              forms={{
                magic: `%predict ${service.name} picture.png`,
                python: `import himalia\nhimalia.services.get("${service.name}").predict("picture.png")`,
                cli: `himalia services predict ${service.name} picture.png`,
                http: `POST ${service.address}`
              }}
            />
            {resting && can('serve.service.delete') && (
              <IconButton icon="trash" label={t('serve.delete')} onClick={() => setDeleting(true)} />
            )}
            {resting && can('serve.service.edit') && (
              <Button look="primary" icon="play" busy={action.isPending} onClick={() => action.mutate('start')}>
                {t('action.start')}
              </Button>
            )}
            {!resting && can('serve.service.stop') && (
              <Button look="danger" icon="stop" busy={action.isPending || service.phase === 'stopping'} onClick={() => action.mutate('stop')}>
                {t('action.stop')}
              </Button>
            )}
          </>
        }
        facts={[
          { label: t('serve.address'), value: <Address address={service.address} /> },
          { label: t('serve.protocol'), value: 'HTTP · v2' },
          {
            label: t('train.uses'),
            value: resources ? t('serve.usesReplicas', { resources: formatResources(resources), count: service.replicas_total }) : '–'
          },
          { label: t('serve.calls'), value: t('serve.callsFailed', { calls: service.calls_total, failed: service.calls_failed }) },
          {
            label: t('train.cost'),
            value: `${formatMoney(service.cost_micros, 4)} · ${t('money.perHour', { money: formatMoney(service.price_per_hour_micros) })}`
          }
        ]}
        above={<Condition service={service} />}
        tabs={[
          { id: 'overview', label: t('train.tab.overview'), render: () => <Overview service={service} /> },
          { id: 'log', label: t('log.title'), render: () => <Logs service={service} /> },
          { id: 'keys', label: t('serve.keys'), render: () => <Keys service={service} /> },
          { id: 'revisions', label: t('serve.revisions'), render: () => <Revisions service={service} /> }
        ]}
      />
      {guide && <Guide service={service} onClose={() => setGuide(false)} />}
      {deleting && (
        <Dialog
          title={t('serve.delete')}
          accept={t('action.delete')}
          danger
          busy={remove.isPending}
          error={remove.error}
          onAccept={() => remove.mutate(undefined)}
          onClose={() => setDeleting(false)}
        >
          <p>{t('serve.deleteAsk', { name: service.name })}</p>
        </Dialog>
      )}
    </>
  );
}

function Address({ address }: { address: string }): JSX.Element {
  return (
    <span className="hm-row hm-tight">
      <span className="hm-ell hm-mono">{address.replace(/^https?:\/\/[^/]+/, '')}</span>
      <IconButton small icon="copy" label={t('action.copy')} onClick={() => void navigator.clipboard.writeText(address)} />
    </span>
  );
}

function Condition({ service }: { service: InferenceService }): JSX.Element | null {
  if (service.phase === 'failed') {
    return (
      <section className="hm-postmortem" role="alert">
        <Icon name="warning" size={16} className="hm-fail" />
        <div className="hm-grow">
          <b>{tValue('reason', service.reason)}</b>
          {service.message && <p>{service.message}</p>}
        </div>
      </section>
    );
  }
  const workload = service.variants.find(one => one.workload && one.workload.phase !== 'running')?.workload;
  if (service.phase !== 'deploying' || !workload) {
    return null;
  }
  return (
    <div className="hm-inset">
      <StartTree steps={workload.steps} work={workload} />
    </div>
  );
}

function Overview({ service }: { service: InferenceService }): JSX.Element {
  const live = service.phase === 'running';
  const monitoring = useMonitoring(service.id, live);
  return (
    <div className="hm-board">
      <Traffic service={service} monitoring={monitoring.data} />
      <div className="hm-w8 hm-stack">
        <Latency monitoring={monitoring.data} />
        {monitoring.error && <ErrorLine error={monitoring.error} />}
        <RequestsCard monitoring={monitoring.data} />
      </div>
      <div className="hm-w4">
        <Predict service={service} />
      </div>
    </div>
  );
}

function Traffic({ service, monitoring }: { service: InferenceService; monitoring: Monitoring | undefined }): JSX.Element {
  const [weights, setWeights] = useState(false);
  const can = useCan();
  const { open } = useFrame();
  const figures = service.variants.map(one => figuresOf(monitoring, one.name));
  const total = figures.reduce((sum, one) => sum + (one.requests ?? 0), 0);
  const share = (at: number) => (total ? (figures[at]?.requests ?? 0) / total : null);
  const configured = service.variants.map((one, at) => ({ label: one.name, value: one.weight_percent, colour: COLOURS[at % 4], words: `${one.weight_percent}%` }));
  const observed = service.variants.map((one, at) => ({ label: one.name, value: (share(at) ?? 0) * 100, colour: COLOURS[at % 4], words: share(at) === null ? '–' : formatPercent(share(at) ?? 0, 1) }));
  const number = (value: number | null | undefined, digits = 0) => (value === null || value === undefined ? '–' : formatNumber(value, digits));
  return (
    <Card
      title={t('serve.traffic')}
      flush
      aside={
        service.variants.length > 1 &&
        can('serve.service.edit') && (
          <Button small icon="split" onClick={() => setWeights(true)}>
            {t('serve.changeWeights')}
          </Button>
        )
      }
    >
      {service.variants.length > 1 && (
        <div className="hm-in hm-split">
          <span className="hm-muted">{t('serve.configured')}</span>
          <PartsBar parts={configured} label={t('serve.configured')} />
          <span className="hm-num">{configured.map(one => `${one.label} ${one.words}`).join('  ')}</span>
          <span className="hm-muted">{t('serve.observed')}</span>
          <PartsBar parts={observed} label={t('serve.observed')} />
          <span className="hm-num">{observed.map(one => `${one.label} ${one.words}`).join('  ')}</span>
        </div>
      )}
      <table className="hm-plaintable">
        <thead>
          <tr>
            <th>{t('serve.variant')}</th>
            <th>{t('serve.model')}</th>
            <th>{t('serve.ready')}</th>
            <th className="hm-num">{t('serve.configured')}</th>
            <th className="hm-num">{t('serve.calls')}</th>
            <th className="hm-num">{t('serve.failed')}</th>
            <th className="hm-num">p50 ms</th>
            <th className="hm-num">p95 ms</th>
            <th className="hm-num">p99 ms</th>
          </tr>
        </thead>
        <tbody>
          {service.variants.map((one, at) => (
            <tr key={one.name}>
              <td>
                <i className="hm-dot" style={{ background: COLOURS[at % 4] }} /> <b>{one.name}</b>
              </td>
              <td>
                <button type="button" className="hm-link" onClick={() => open('model', { id: one.model.id })}>
                  {one.model.name} {one.model.version}
                </button>
              </td>
              <td className={one.ready === one.replicas ? 'hm-run' : 'hm-wait'}>
                {one.ready} / {one.replicas}
              </td>
              <td className="hm-num">{one.weight_percent}%</td>
              <td className="hm-num">{number(figures[at]?.requests)}</td>
              <td className="hm-num">{number(figures[at]?.errors)}</td>
              <td className="hm-num">{number(figures[at]?.latency_p50_ms, 1)}</td>
              <td className="hm-num">{number(figures[at]?.p95, 1)}</td>
              <td className="hm-num">{number(figures[at]?.p99, 1)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {weights && <Weights service={service} onClose={() => setWeights(false)} />}
    </Card>
  );
}

/** A column of the monitoring series against minutes before now. */
function series(monitoring: Monitoring | undefined, names: Record<string, string>): { name: string; points: [number, number][] }[] {
  const rows = monitoring?.series ?? [];
  const last = rows.at(-1)?.['at'];
  const end = typeof last === 'string' ? Date.parse(last) : 0;
  return Object.entries(names).map(([field, name]) => ({
    name,
    points: rows
      .filter(row => typeof row[field] === 'number' && typeof row['at'] === 'string')
      .map(row => [Math.round((Date.parse(String(row['at'])) - end) / 6000) / 10, Number(row[field])] as [number, number])
  }));
}

const Latency = ({ monitoring }: { monitoring: Monitoring | undefined }): JSX.Element => (
  <Chart
    title={t('serve.latency')}
    group="service"
    xLabel={t('serve.minutes')}
    series={series(monitoring, { latency_p50_ms: 'p50', p95: 'p95', p99: 'p99' })}
  />
);

const RequestsCard = ({ monitoring }: { monitoring: Monitoring | undefined }): JSX.Element => (
  <Chart
    title={t('serve.requests')}
    group="service"
    xLabel={t('serve.minutes')}
    height={120}
    series={series(monitoring, { requests: t('serve.calls'), errors: t('serve.failed') })}
  />
);

function Logs({ service }: { service: InferenceService }): JSX.Element {
  const [at, setAt] = useState(0);
  const variant = service.variants[at] ?? service.variants[0];
  return (
    <div className="hm-stack hm-fill">
      {service.variants.length > 1 && (
        <div className="hm-row hm-in">
          {service.variants.map((one, index) => (
            <Button key={one.name} small look={index === at ? 'primary' : undefined} onClick={() => setAt(index)}>
              {one.name}
            </Button>
          ))}
        </div>
      )}
      <LogViewer workload={variant?.workload?.id} name={`${service.name}-${variant?.name ?? ''}`} />
    </div>
  );
}

function Revisions({ service }: { service: InferenceService }): JSX.Element {
  const revisions = useRevisions(service.id);
  if (revisions.error) {
    return <ErrorView error={revisions.error} onRetry={() => void revisions.refetch()} />;
  }
  return (
    <div className="hm-board">
      <Card title={t('serve.revisions')} flush>
        <table className="hm-plaintable">
          <tbody>
            {(revisions.data ?? []).map(one => (
              <tr key={one.revision}>
                <td>
                  <b>r{one.revision}</b>
                </td>
                <td>{one.variants.map(v => `${v.model.name} ${v.model.version} · ${v.weight_percent}%`).join(', ')}</td>
                <td className="hm-muted">
                  <Time at={one.created_at} />
                </td>
                <td>{one.revision === service.revision && <span className="hm-run">{t('serve.current')}</span>}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Card>
    </div>
  );
}
