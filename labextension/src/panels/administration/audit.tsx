/** The audit log: who did what to what, with what outcome; before and after; export of what is filtered (SEC-1). */
import type { JSX } from 'react';
import type { Moment } from '../../api/types';
import { Time } from '../../components/basics';
import { Empty, toastError } from '../../components/feedback';
import { TextField } from '../../components/fields';
import { ListPage, narrowing, useListView, type Filter } from '../../components/listpage';
import { Menu } from '../../components/menu';
import { RecordPage } from '../../components/record/page';
import type { Column } from '../../components/table';
import { downloadText } from '../../domain/download';
import { formatFull } from '../../domain/format';
import { localMoment } from '../../components/record/fields';
import { useFrame, useTab } from '../../frame';
import { t, tValue } from '../../i18n';
import { useRecord, useRecords, type Collection } from '../../queries/records';
import { useMe } from '../../queries/account';
import { standingOf } from '../../queries/standing';
import { Loaded } from './parts';
import { usePlace } from './place';
import { useRoles } from './roles';
import { roleWords } from './rolewords';

interface Organisation {
  code: string;
  name: string;
}

export interface Entry {
  id: number;
  at: Moment;
  category: string;
  organisation: Organisation | null;
  actor: string;
  actor_organisation: Organisation | null;
  by_platform: boolean;
  roles: string[];
  address: string;
  session: string;
  /** The name, which never changes, and what it is called in this language. */
  action: string;
  action_words: string;
  object_kind: string;
  object_words: string;
  object: string;
  outcome: string;
  detail: Record<string, unknown>;
  request_id: string;
  position: number;
  digest: string;
}

const ENTRIES: Collection<Entry> = { kind: 'audit_entry', path: '/audit-entries', key: one => one.id };
const OUTCOMES = ['done', 'refused', 'failed', 'read'] as const;

const filters = (): Filter[] => [
  { id: 'category', label: t('audit.category'), options: (['operation', 'security'] as const).map(value => ({ value, label: t(`audit.category.${value}`) })) },
  { id: 'outcome', label: t('audit.outcome'), options: OUTCOMES.map(value => ({ value, label: t(`audit.outcome.${value}`) })) }
];

const who = (one: Entry): string => (one.by_platform && !one.actor ? t('audit.platform') : one.actor || '–');
const what = (one: Entry): string => [one.object_words, one.object].filter(Boolean).join(' ');

function Outcome({ of }: { of: string }): JSX.Element {
  return <span className={of === 'refused' || of === 'failed' ? 'hm-fail' : of === 'done' ? 'hm-run' : 'hm-muted'}>{tValue('audit.outcome', of)}</span>;
}

const columns = (): Column<Entry>[] => [
  { id: 'at', title: t('audit.at'), width: 116, cell: one => <Time at={one.at} /> },
  { id: 'actor', title: t('audit.actor'), width: 132, grow: 1, cell: one => <b title={who(one)}>{who(one)}</b> },
  { id: 'action', title: t('audit.action'), width: 208, grow: 3, cell: one => <span title={one.action}>{one.action_words}</span> },
  { id: 'object', title: t('audit.object'), width: 136, grow: 1, above: 560, cell: one => <span className="hm-muted" title={what(one)}>{what(one) || '–'}</span> },
  { id: 'outcome', title: t('audit.outcome'), width: 80, cell: one => <Outcome of={one.outcome} /> },
  { id: 'organisation', title: t('record.organisation'), width: 100, above: 900, cell: one => <span className="hm-muted">{one.organisation?.name ?? '–'}</span> },
  { id: 'address', title: t('audit.address'), width: 104, above: 720, cell: one => <span className="hm-muted">{one.address || '–'}</span> }
];

export default function AuditSection(): JSX.Element {
  const place = usePlace();
  return place.record ? <EntryPage id={Number(place.record)} /> : <Log />;
}

function Log(): JSX.Element {
  const { client } = useFrame();
  const tab = useTab();
  const place = usePlace();
  const view = useListView(filters(), '');
  const range = { from: tab.args['view.from'], to: tab.args['view.to'] };
  const query: Record<string, string> = narrowing(view);
  for (const [name, value] of Object.entries(range)) {
    if (typeof value === 'string' && value) {
      query[name] = value;
    }
  }
  const narrowed = view.narrowed || 'from' in query || 'to' in query;
  const list = useRecords(ENTRIES, query);
  const save = async (format: 'csv' | 'jsonl') => {
    try {
      const answer = await client.send('GET', '/audit-entries/export', { query: { ...query, format } });
      downloadText(`audit.${format}`, await answer.blob());
    } catch (error) {
      toastError(error);
    }
  };
  const moment = (name: 'from' | 'to', label: string) => (
    <TextField
      label={label}
      type="datetime-local"
      value={localMoment(typeof range[name] === 'string' ? range[name] : null)}
      onChange={written => tab.setView({ [`view.${name}`]: written ? new Date(written).toISOString() : null })}
    />
  );
  return (
    <ListPage
      title={t('audit.title')}
      list={list}
      view={{ ...view, narrowed, clear: () => (view.clear(), tab.setView({ 'view.from': null, 'view.to': null, 'view.q': null, 'view.category': null, 'view.outcome': null })) }}
      filters={filters()}
      columns={columns()}
      searchLabel={t('audit.search')}
      id={one => one.id}
      name={one => one.action_words}
      onOpen={one => place.open(one.id)}
      aside={
        <span className="hm-range">
          {moment('from', t('audit.from'))}
          {moment('to', t('audit.to'))}
        </span>
      }
      actions={
        <Menu
          label={t('action.export')}
          items={[
            { id: 'csv', label: 'CSV', onSelect: () => void save('csv') },
            { id: 'jsonl', label: t('audit.jsonl'), onSelect: () => void save('jsonl') }
          ]}
        >
          {t('action.export')}
        </Menu>
      }
      empty={
        <Empty icon="tasks" title={t('audit.empty')}>
          {t('audit.emptyHint')}
        </Empty>
      }
    />
  );
}

function EntryPage({ id }: { id: number }): JSX.Element {
  const place = usePlace();
  const answer = useRecord(ENTRIES, id);
  const may = standingOf(useMe().data, 'tenancy.role.read') === 'now';
  const roles = useRoles(may);
  return (
    <Loaded answer={answer}>
      {one => (
        <RecordPage
          list={t('audit.title')}
          onBack={place.close}
          title={one.action_words}
          aside={<Outcome of={one.outcome} />}
          facts={[
            { label: t('audit.at'), value: formatFull(one.at) },
            { label: t('audit.actor'), value: [who(one), one.actor_organisation?.name].filter(Boolean).join(' · ') },
            { label: t('audit.object'), value: what(one) || '–' }
          ]}
        >
          <div className="hm-inside">
            <Changes detail={one.detail} />
            <dl className="hm-factlist">
              {(
                [
                  ['audit.name', one.action],
                  ['audit.category', tValue('audit.category', one.category)],
                  ['record.organisation', one.organisation?.name ?? '–'],
                  ['audit.roles', roleWords(one.roles, roles.data ?? []) || '–'],
                  ['audit.address', one.address || '–'],
                  ['audit.session', one.session || '–'],
                  ['audit.request', one.request_id || '–'],
                  ['audit.position', String(one.position)],
                  ['audit.digest', one.digest]
                ] as const
              ).map(([label, value]) => (
                <div key={label}>
                  <dt>{t(label)}</dt>
                  <dd>{value}</dd>
                </div>
              ))}
            </dl>
          </div>
        </RecordPage>
      )}
    </Loaded>
  );
}

type Values = Record<string, unknown>;
const record = (value: unknown): Values | undefined => (value && typeof value === 'object' && !Array.isArray(value) ? (value as Values) : undefined);

/** A value for reading: text as it is, the rest as compact JSON with spaces. */
export function valueWords(value: unknown): string {
  if (value === null || value === undefined || value === '') {
    return '–';
  }
  return typeof value === 'string' ? value : typeof value === 'boolean' ? t(value ? 'audit.yes' : 'audit.no') : JSON.stringify(value, null, 1);
}

/** Before and after beside each other, field by field; what else the entry holds below. */
function Changes({ detail }: { detail: Values }): JSX.Element | null {
  const [before, after] = [record(detail['before']), record(detail['after'])];
  const sent = record(detail['sent']);
  const rest = Object.entries(detail).filter(([name]) => !['before', 'after', 'sent'].includes(name));
  const names = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])];
  const plain = [...(before || after ? [] : Object.entries(sent ?? {})), ...rest].filter(([, value]) => valueWords(value) !== '–');
  return (
    <>
      {names.length > 0 && (
        <table className="hm-plaintable hm-changes">
          <thead>
            <tr>
              <th>{t('audit.field')}</th>
              <th>{t('audit.before')}</th>
              <th>{t('audit.after')}</th>
            </tr>
          </thead>
          <tbody>
            {names.map(name => (
              <tr key={name}>
                <td>{name.replaceAll('_', ' ')}</td>
                <td className="hm-was">{valueWords(before?.[name])}</td>
                <td>{valueWords(after?.[name])}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {plain.length > 0 && (
        <table className="hm-plaintable hm-changes">
          <tbody>
            {plain.map(([name, value]) => (
              <tr key={name}>
                <td className="hm-muted">{name.replaceAll('_', ' ')}</td>
                <td>{valueWords(value)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </>
  );
}
