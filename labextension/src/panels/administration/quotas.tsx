/** Quotas of organisations, departments and members: who has how much, and how much of it is used (TEN-3, TEN-7). */
import type { JSX } from 'react';
import { Meter, Segment } from '../../components/basics';
import { Empty } from '../../components/feedback';
import { Icon } from '../../components/icons';
import { ListPage, useListView } from '../../components/listpage';
import { RecordPage } from '../../components/record/page';
import type { Column } from '../../components/table';
import { resourcePair, resourceAmount } from '../../components/verdict';
import { formatList } from '../../domain/format';
import { useTab } from '../../frame';
import { t } from '../../i18n';
import { useMe } from '../../queries/account';
import { usePaged } from '../../queries/common';
import { reachOf } from '../../queries/standing';
import { QuotaForm, quotaName, useSheet, type QuotaLevel, type QuotaSheet, type Subject } from './quotaform';
import { usePlace } from './place';

/** A subject as it is kept in the tab: level, organisation and name in one word. */
export const subjectKey = (of: Subject): string => [of.level, of.tenant, of.subject].join('/');

export function subjectOf(key: string): Subject | null {
  const [level, tenant, ...rest] = key.split('/');
  const subject = rest.join('/');
  return level && tenant !== undefined && subject ? { level: level as QuotaLevel, tenant, subject } : null;
}

const numbered = (sheets: readonly QuotaSheet[]): (QuotaSheet & { id: number })[] => sheets.map((sheet, at) => ({ ...sheet, id: at + 1 }));

type Row = QuotaSheet & { id: number };

function cellOf(row: Row, resource: string): JSX.Element {
  const line = row.resources.find(one => one.resource === resource);
  if (!line) {
    return <span className="hm-muted">–</span>;
  }
  const share = line.effective ? line.used / line.effective : 0;
  return (
    <span className="hm-quotacell">
      <Meter share={share} high={share > 0.9} label={t('quotas.usedOf', { name: quotaName(resource) })} />
      <span className="hm-num hm-sm">
        {line.effective === null ? resourceAmount(resource, line.used) : resourcePair(resource, line.used, line.effective)}
      </span>
    </span>
  );
}

export default function QuotasSection(): JSX.Element {
  const tab = useTab();
  const place = usePlace();
  const me = useMe().data;
  const reach = reachOf(me, 'compute.quota.manage');
  const levels: QuotaLevel[] = reach === 'department' ? ['department', 'user'] : ['tenant', 'department', 'user'];
  const level = levels.find(one => one === tab.args['view.level']) ?? levels[0] ?? 'user';
  const view = useListView([], 'name');
  const query = { ...view.query, level };
  const open = place.record ? subjectOf(place.record) : null;
  const list = usePaged<QuotaSheet>(['quota', 'list', undefined, query], '/quota-sheets', query, !open);
  if (open) {
    return <QuotaPage of={open} onBack={place.close} />;
  }
  const items = numbered(list.items);
  const accelerators = [...new Set(items.flatMap(row => row.resources.map(line => line.resource)))].filter(name => name.includes('/'));
  const column = (resource: string, above?: number): Column<Row> => ({
    id: resource,
    title: quotaName(resource),
    width: 176,
    above,
    cell: row => cellOf(row, resource)
  });
  const columns: Column<Row>[] = [
    {
      id: 'name',
      title: t(`quotas.level.${level}`),
      width: 140,
      grow: 1,
      sort: 'name',
      cell: row => (
        <span className="hm-row hm-tight">
          <b className="hm-ell">{row.name}</b>
          {row.missing.length > 0 && (
            <span title={t('quotas.missing', { resources: formatList(row.missing.map(quotaName)) })}>
              <Icon name="warning" size={12} className="hm-wait" />
            </span>
          )}
        </span>
      )
    },
    ...(level !== 'tenant' && reach === 'platform'
      ? [{ id: 'tenant', title: t('record.organisation'), width: 104, above: 860, cell: (row: Row) => <span className="hm-muted">{row.tenant}</span> }]
      : []),
    column('cpu_millis'),
    column('memory_bytes'),
    column('storage_bytes', 640),
    column('image_bytes', 880),
    ...accelerators.slice(0, 3).map((name, at) => column(name, 1060 + at * 176))
  ];
  return (
    <ListPage<Row>
      title={t('quotas.title')}
      list={{ ...list, items }}
      view={view}
      columns={columns}
      searchLabel={t('record.name')}
      id={row => row.id}
      name={row => row.name}
      onOpen={row => place.open(subjectKey({ level: row.level, tenant: row.tenant, subject: row.subject }))}
      actions={
        <Segment
          label={t('quotas.levels')}
          value={level}
          options={levels.map(value => ({ value, label: t(`quotas.level.${value}s`) }))}
          onChange={next => tab.setView({ 'view.level': next, 'view.q': null })}
        />
      }
      empty={
        <Empty icon="bars" title={t('quotas.empty')}>
          {t('quotas.emptyHint')}
        </Empty>
      }
    />
  );
}

function QuotaPage({ of, onBack }: { of: Subject; onBack: () => void }): JSX.Element {
  const sheet = useSheet(of).answer.data;
  return (
    <RecordPage list={t('quotas.title')} onBack={onBack} title={sheet?.name ?? ''} aside={<span className="hm-muted">{t(`quotas.level.${of.level}`)}</span>}>
      <QuotaForm of={of} onCancel={onBack} />
    </RecordPage>
  );
}
