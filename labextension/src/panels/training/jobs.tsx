/** Training jobs: what was trained, how it stands, what it cost. */
import type { JSX } from 'react';
import { Button, IconButton, StatePill, Time } from '../../components/basics';
import { Empty } from '../../components/feedback';
import { ListPage, useListView, type Filter } from '../../components/listpage';
import type { Column } from '../../components/table';
import { formatMoney, formatValue } from '../../domain/format';
import { hasEnded } from '../../domain/state';
import type { Job } from '../../api/types';
import { useFrame } from '../../frame';
import { t, tValue } from '../../i18n';
import { useCan } from '../../queries/account';
import { useJobs, useStopRun } from '../../queries/training';

const FILTERS = (): Filter[] => [
  {
    id: 'status',
    label: t('train.filter.state'),
    options: ['queued', 'running', 'succeeded', 'failed', 'stopped'].map(value => ({
      value,
      label: tValue('phase', value)
    }))
  }
];

/** The metric a person looks at first: validation accuracy, else the first there is. */
export function headline(metrics: Record<string, number> | undefined): [string, number] | null {
  const names = Object.keys(metrics ?? {});
  const name =
    names.find(one => /val.*acc/i.test(one)) ?? names.find(one => /acc|f1|map/i.test(one)) ?? names[0];
  const value = name === undefined ? undefined : metrics?.[name];
  return name !== undefined && value !== undefined ? [name, value] : null;
}

function columns(stop: (run: number) => void): Column<Job>[] {
  return [
    { id: 'name', title: t('train.job'), width: 180, grow: 2, sort: 'name', cell: job => <b>{job.name}</b> },
    {
      id: 'state',
      title: t('train.state'),
      width: 128,
      cell: job => job.latest_run && <StatePill state={job.latest_run.phase} why={job.latest_run.message} />
    },
    {
      id: 'run',
      title: t('train.latest'),
      width: 80,
      cell: job => job.latest_run?.version ?? '–'
    },
    {
      id: 'metric',
      title: t('train.metric'),
      width: 180,
      above: 820,
      cell: job => {
        const found = headline(job.latest_run?.metrics_last);
        return found ? (
          <span className="hm-ell">
            <span className="hm-muted">{found[0]}</span> {formatValue(found[1])}
          </span>
        ) : (
          <span className="hm-muted">–</span>
        );
      }
    },
    {
      id: 'cost',
      title: t('train.cost'),
      width: 96,
      numeric: true,
      cell: job => formatMoney(job.latest_run?.cost_micros ?? 0, 4)
    },
    {
      id: 'updated',
      title: t('train.updated'),
      width: 132,
      numeric: true,
      above: 640,
      sort: 'updated_at',
      cell: job => <Time at={job.updated_at} />
    },
    {
      id: 'actions',
      title: '',
      width: 40,
      cell: job =>
        job.latest_run &&
        !hasEnded(job.latest_run.phase) && (
          <IconButton
            icon="stop"
            small
            label={t('train.stopOne', { name: job.name })}
            onClick={event => {
              event.stopPropagation();
              stop(job.latest_run?.id ?? 0);
            }}
          />
        )
    }
  ];
}

export default function JobsPanel(): JSX.Element {
  const { open } = useFrame();
  const can = useCan();
  const view = useListView(FILTERS());
  const list = useJobs(view.query);
  const stop = useStopRun();
  const create = can('train.job.create') && (
    <Button look="primary" icon="plus" onClick={() => open('newjob')}>
      {t('train.new')}
    </Button>
  );
  return (
    <ListPage
      title={t('train.jobs')}
      list={list}
      view={view}
      filters={FILTERS()}
      columns={columns(id => stop.mutate(id))}
      id={job => job.id}
      name={job => job.name}
      onOpen={job => open('run', { id: job.latest_run?.id ?? 0 })}
      actions={create}
      empty={
        <Empty icon="curve" title={t('train.empty')} action={create}>
          {t('train.emptyHint')}
        </Empty>
      }
    />
  );
}
