/** Departments: who is in them, who administers them, what they may use (TEN-5). */
import type { JSX } from 'react';
import { Time } from '../../components/basics';
import { toast } from '../../components/feedback';
import { useListView, type Filter } from '../../components/listpage';
import type { FieldGroup } from '../../components/record/form';
import { RecordPage } from '../../components/record/page';
import type { ControlProps } from '../../components/record/fields';
import type { Column } from '../../components/table';
import { formatList, formatMoment, formatNumber } from '../../domain/format';
import { t } from '../../i18n';
import { useMe } from '../../queries/account';
import { useRecord, useRecordChanges, useRecords } from '../../queries/records';
import { administers } from '../../queries/standing';
import { DEPARTMENTS, useScoped, type Department } from './collections';
import { Enabled, Loaded } from './parts';
import { MembersInside, MemberPicker, type Chosen } from './people';
import { NEW, usePlace } from './place';
import { QuotaForm } from './quotaform';
import { EditForm, NewForm, NewPage, Parts, RecordActions, RecordList } from './record';
import { OrganisationPicker } from './scope';

const MANAGE = 'tenancy.department.manage';

const columns = (): Column<Department>[] => [
  { id: 'name', title: t('record.name'), width: 160, grow: 2, sort: 'name', cell: one => <b>{one.name}</b> },
  { id: 'state', title: t('record.state'), width: 112, cell: one => <Enabled on={one.enabled} /> },
  { id: 'members', title: t('members.title'), width: 96, numeric: true, cell: one => formatNumber(one.members) },
  { id: 'administrators', title: t('organisations.administrators'), width: 160, grow: 1, above: 560, cell: one => formatList(one.administrators.map(person => person.name)) || <span className="hm-muted">–</span> },
  { id: 'description', title: t('record.description'), width: 140, grow: 1, above: 820, cell: one => <span className="hm-muted">{one.description}</span> },
  { id: 'updated', title: t('train.updated'), width: 128, numeric: true, above: 640, sort: 'updated_at', cell: one => <Time at={one.updated_at} /> }
];

export const enabledFilter = (): Filter => ({
  id: 'enabled',
  label: t('record.state'),
  options: [
    { value: 'true', label: t('record.enabled') },
    { value: 'false', label: t('record.disabled') }
  ]
});

export default function DepartmentsSection(): JSX.Element {
  const place = usePlace();
  const filters = [enabledFilter()];
  const view = useListView(filters, 'name');
  const list = useRecords(useScoped(DEPARTMENTS), view.query, !place.record);
  const me = useMe().data;
  if (place.record === NEW) {
    return <NewDepartment />;
  }
  if (place.record) {
    return <DepartmentPage id={Number(place.record)} />;
  }
  return (
    <RecordList
      title={t('departments.title')}
      list={list}
      view={view}
      filters={filters}
      columns={columns()}
      searchLabel={t('record.name')}
      id={one => one.id}
      name={one => one.name}
      actions={<OrganisationPicker />}
      create={administers(me, MANAGE) ? t('departments.new') : undefined}
      empty={{ icon: 'folder', title: t('departments.empty'), hint: t('departments.emptyHint') }}
    />
  );
}

interface Values {
  name: string;
  description: string;
  administrators: Chosen[];
}

const valuesOf = (one: Department): Values => ({ name: one.name, description: one.description, administrators: one.administrators });
const bodyOf = (values: Partial<Values>) => ({ ...values, ...(values.administrators ? { administrators: values.administrators.map(one => one.id) } : {}) });

const groups = (): FieldGroup<Values>[] => [
  {
    id: 'facts',
    fields: [
      { name: 'name', type: 'text', label: t('record.name'), limit: 32, hint: t('departments.nameHint') },
      { name: 'description', type: 'area', label: t('record.description'), optional: true, limit: 1000 },
      {
        name: 'administrators',
        type: 'custom',
        label: t('organisations.administrators'),
        render: ({ value, onChange, error }: ControlProps<Chosen[]>) => (
          <MemberPicker label={t('organisations.administrators')} hint={t('departments.administratorsHint')} value={value} onChange={onChange} error={error} />
        )
      }
    ]
  }
];

function NewDepartment(): JSX.Element {
  const place = usePlace();
  const changes = useRecordChanges(useScoped(DEPARTMENTS), ['member']);
  return (
    <NewPage list={t('departments.title')} title={t('departments.new')}>
      <NewForm<Values>
        first={{ name: '', description: '', administrators: [] }}
        groups={groups()}
        save={async values => {
          const made = await changes.create(bodyOf(values));
          toast(t('record.createdNow', { name: made.name }));
          place.open(made.id);
        }}
        accept={t('departments.create')}
      />
    </NewPage>
  );
}

function DepartmentPage({ id }: { id: number }): JSX.Element {
  const place = usePlace();
  const of = useScoped(DEPARTMENTS);
  const answer = useRecord(of, id);
  const changes = useRecordChanges(of, ['member', 'quota']);
  const me = useMe().data;
  const may = administers(me, MANAGE);
  return (
    <Loaded answer={answer}>
      {one => (
        <RecordPage
          list={t('departments.title')}
          onBack={place.close}
          title={one.name}
          aside={<Enabled on={one.enabled} />}
          actions={
            <RecordActions
              name={one.name}
              may={may}
              enabled={one.enabled}
              turn={on => changes.act(one.id, on ? 'enable' : 'disable')}
              disableText={t('organisations.disableText', { count: one.members })}
              remove={() => changes.remove(one.id, one.version)}
              deleteText={t('departments.deleteText')}
            />
          }
          facts={[
            { label: t('record.organisation'), value: one.organisation.name },
            { label: t('members.title'), value: formatNumber(one.members) },
            { label: t('record.created'), value: formatMoment(one.created_at) }
          ]}
          tabs={
            <Parts
              more={[
                { id: 'members', label: t('members.title'), count: one.members },
                ...(administers(me, 'compute.quota.manage') ? [{ id: 'quota', label: t('quotas.one') }] : [])
              ]}
            />
          }
        >
          {place.part === 'quota' ? (
            <QuotaForm of={{ level: 'department', subject: String(one.id), tenant: one.organisation.code }} />
          ) : place.part === 'members' ? (
            <MembersInside query={{ department: one.id }} manage={may} name={one.name} addText={t('departments.addText')} change={(add, remove) => changes.act(one.id, 'members', { add, remove }, one.version)} />
          ) : (
            <EditForm record={one} id={one.id} changes={changes} valuesOf={valuesOf} bodyOf={bodyOf} nameOf={values => values.name} groups={groups()} may={may} />
          )}
        </RecordPage>
      )}
    </Loaded>
  );
}
