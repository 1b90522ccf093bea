/** Organisations, for the platform: create with a first administrator, edit, disable, delete when empty (TEN-1, TEN-2). */
import { useState, type JSX } from 'react';
import type { Moment } from '../../api/types';
import { Time } from '../../components/basics';
import { useListView, type Filter } from '../../components/listpage';
import type { FieldGroup } from '../../components/record/form';
import { RecordPage } from '../../components/record/page';
import type { Column } from '../../components/table';
import { formatList, formatMoment, formatNumber } from '../../domain/format';
import { t } from '../../i18n';
import { useMe } from '../../queries/account';
import { useRecord, useRecordChanges, useRecords } from '../../queries/records';
import { administers } from '../../queries/standing';
import { ORGANISATIONS, type Organisation, type SignInLink } from './collections';
import { Enabled, Loaded, Once } from './parts';
import { NEW, usePlace } from './place';
import { QuotaForm } from './quotaform';
import { EditForm, NewForm, NewPage, Parts, RecordActions, RecordList } from './record';

const MANAGE = 'tenancy.organisation.manage';

const stateWords = (organisation: Organisation): JSX.Element => (
  <Enabled on={organisation.state === 'enabled'} words={t(`organisations.state.${organisation.state}`)} />
);

const columns = (): Column<Organisation>[] => [
  { id: 'name', title: t('record.name'), width: 140, grow: 2, sort: 'name', cell: one => <b>{one.name}</b> },
  { id: 'code', title: t('organisations.code'), width: 128, sort: 'code', cell: one => <span className="hm-muted">{one.code}</span> },
  { id: 'state', title: t('record.state'), width: 112, sort: 'status', cell: stateWords },
  { id: 'members', title: t('members.title'), width: 88, numeric: true, cell: one => formatNumber(one.members) },
  { id: 'departments', title: t('departments.title'), width: 104, numeric: true, above: 560, cell: one => formatNumber(one.departments) },
  {
    id: 'administrators',
    title: t('organisations.administrators'),
    width: 140,
    grow: 1,
    above: 760,
    cell: one => formatList(one.administrators.map(person => person.name)) || <span className="hm-wait">{t('organisations.noAdministrator')}</span>
  },
  { id: 'until', title: t('organisations.until'), width: 128, numeric: true, above: 980, cell: one => <Time at={one.valid_until} /> },
  { id: 'updated', title: t('train.updated'), width: 128, numeric: true, above: 900, sort: 'updated_at', cell: one => <Time at={one.updated_at} /> }
];

const filters = (): Filter[] => [
  {
    id: 'state',
    label: t('record.state'),
    options: (['enabled', 'disabled', 'expired'] as const).map(value => ({ value, label: t(`organisations.state.${value}`) }))
  }
];

export default function OrganisationsSection(): JSX.Element {
  const place = usePlace();
  const view = useListView(filters(), 'name');
  const list = useRecords(ORGANISATIONS, view.query, !place.record);
  const me = useMe().data;
  if (place.record === NEW) {
    return <NewOrganisation />;
  }
  if (place.record) {
    return <OrganisationPage id={Number(place.record)} />;
  }
  return (
    <RecordList
      title={t('organisations.title')}
      list={list}
      view={view}
      filters={filters()}
      columns={columns()}
      searchLabel={t('organisations.search')}
      id={one => one.id}
      name={one => one.name}
      create={administers(me, MANAGE) ? t('organisations.new') : undefined}
      empty={{ icon: 'people', title: t('organisations.empty'), hint: t('organisations.emptyHint') }}
    />
  );
}

interface Values {
  name: string;
  description: string;
  valid_until: Moment | null;
}

const valuesOf = ({ name, description, valid_until }: Organisation): Values => ({ name, description, valid_until });

const common = <V extends Values>(): FieldGroup<V>['fields'] =>
  [
    { name: 'description', type: 'area', label: t('record.description'), optional: true, limit: 1000 },
    { name: 'valid_until', type: 'moment', label: t('organisations.until'), optional: true, hint: t('organisations.untilHint') }
  ] as FieldGroup<V>['fields'];

function OrganisationPage({ id }: { id: number }): JSX.Element {
  const place = usePlace();
  const answer = useRecord(ORGANISATIONS, id);
  const changes = useRecordChanges(ORGANISATIONS, ['member', 'department']);
  const me = useMe().data;
  const may = administers(me, MANAGE);
  const groups: FieldGroup<Values>[] = [
    { id: 'facts', fields: [{ name: 'name', type: 'text', label: t('record.name'), limit: 32, hint: t('organisations.nameHint') }, ...common<Values>()] }
  ];
  return (
    <Loaded answer={answer}>
      {one => (
        <RecordPage
          list={t('organisations.title')}
          onBack={place.close}
          title={one.name}
          aside={stateWords(one)}
          actions={
            <RecordActions
              name={one.name}
              may={may}
              enabled={one.enabled}
              turn={on => changes.act(one.id, on ? 'enable' : 'disable')}
              disableText={t('organisations.disableText', { count: one.members })}
              remove={() => changes.remove(one.id, one.version)}
              deleteText={t('organisations.deleteText')}
            />
          }
          facts={[
            { label: t('organisations.code'), value: one.code },
            { label: t('members.title'), value: formatNumber(one.members) },
            { label: t('departments.title'), value: formatNumber(one.departments) },
            { label: t('organisations.administrators'), value: formatList(one.administrators.map(person => person.name)) || '–' },
            { label: t('record.created'), value: formatMoment(one.created_at) }
          ]}
          tabs={<Parts more={administers(me, 'compute.quota.manage') ? [{ id: 'quota', label: t('quotas.one') }] : []} />}
        >
          {place.part === 'quota' ? (
            <QuotaForm of={{ level: 'tenant', subject: one.code, tenant: one.code }} />
          ) : (
            <EditForm record={one} id={one.id} changes={changes} valuesOf={valuesOf} nameOf={values => values.name} groups={groups} may={may} />
          )}
        </RecordPage>
      )}
    </Loaded>
  );
}

interface NewValues extends Values {
  code: string;
  'administrator.name': string;
  'administrator.display_name': string;
}

function NewOrganisation(): JSX.Element {
  const place = usePlace();
  const changes = useRecordChanges(ORGANISATIONS, ['member']);
  const [link, setLink] = useState<SignInLink | null>(null);
  const [made, setMade] = useState<number | null>(null);
  const first: NewValues = { code: '', name: '', description: '', valid_until: null, 'administrator.name': '', 'administrator.display_name': '' };
  return (
    <NewPage list={t('organisations.title')} title={t('organisations.new')}>
      <NewForm<NewValues>
        first={first}
        groups={[
          {
            id: 'facts',
            fields: [
              { name: 'code', type: 'text', label: t('organisations.code'), limit: 32, hint: t('organisations.codeHint') },
              { name: 'name', type: 'text', label: t('record.name'), limit: 32, hint: t('organisations.nameHint') },
              ...common<NewValues>()
            ]
          },
          {
            id: 'administrator',
            title: t('organisations.first'),
            hint: t('organisations.firstHint'),
            fields: [
              { name: 'administrator.name', type: 'text', label: t('members.userName'), limit: 32, hint: t('members.userNameHint') },
              { name: 'administrator.display_name', type: 'text', label: t('members.displayName'), optional: true, limit: 64 }
            ]
          }
        ]}
        save={async values => {
          const answer = await changes.create<Organisation & { link: SignInLink | null }>({
            code: values.code,
            name: values.name,
            description: values.description,
            ...(values.valid_until ? { valid_until: values.valid_until } : {}),
            administrator: {
              name: values['administrator.name'],
              ...(values['administrator.display_name'] ? { display_name: values['administrator.display_name'] } : {})
            }
          });
          setMade(answer.id);
          if (answer.link) {
            setLink(answer.link);
          } else {
            place.open(answer.id);
          }
        }}
        accept={t('organisations.create')}
      />
      {link && (
        <Once
          title={t('members.linkTitle', { name: link.name })}
          text={t('members.linkText', { name: link.name, time: formatMoment(link.expires_at) })}
          secret={link.url}
          onClose={() => (made === null ? place.close() : place.open(made))}
        />
      )}
    </NewPage>
  );
}
