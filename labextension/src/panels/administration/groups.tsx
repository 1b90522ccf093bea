/** Groups: members of an organisation who share roles; groups of sign-in sources map to them (TEN-21). */
import type { JSX } from 'react';
import { Time } from '../../components/basics';
import { toast } from '../../components/feedback';
import { useListView } from '../../components/listpage';
import type { FieldGroup } from '../../components/record/form';
import { RecordPage } from '../../components/record/page';
import type { Column } from '../../components/table';
import { formatNumber } from '../../domain/format';
import { t } from '../../i18n';
import { useMe } from '../../queries/account';
import { useRecord, useRecordChanges, useRecords } from '../../queries/records';
import { administers } from '../../queries/standing';
import { GROUPS, useScoped, type Group, type Role } from './collections';
import { GRANT, GrantsForm } from './grants';
import { Loaded } from './parts';
import { MembersInside } from './people';
import { NEW, usePlace } from './place';
import { EditForm, NewForm, NewPage, Parts, RecordActions, RecordList } from './record';
import { roleChoices, roleWords } from './rolewords';
import { useRoles } from './roles';
import { OrganisationPicker } from './scope';

const MANAGE = 'tenancy.group.manage';

const columns = (roles: readonly Role[]): Column<Group>[] => [
  { id: 'name', title: t('record.name'), width: 160, grow: 1, sort: 'name', cell: one => <b>{one.name}</b> },
  { id: 'members', title: t('members.title'), width: 96, numeric: true, cell: one => formatNumber(one.members) },
  { id: 'roles', title: t('roles.title'), width: 180, grow: 2, cell: one => roleWords(one.roles, roles) || <span className="hm-muted">–</span> },
  { id: 'external', title: t('groups.external'), width: 160, grow: 1, above: 720, cell: one => <span className="hm-muted">{one.external_name || '–'}</span> },
  { id: 'updated', title: t('train.updated'), width: 128, numeric: true, above: 600, sort: 'updated_at', cell: one => <Time at={one.updated_at} /> }
];

export default function GroupsSection(): JSX.Element {
  const place = usePlace();
  const view = useListView([], 'name');
  const list = useRecords(useScoped(GROUPS), view.query, !place.record);
  const roles = useRoles();
  const me = useMe().data;
  if (place.record) {
    return place.record === NEW ? <NewGroup /> : <GroupPage id={Number(place.record)} />;
  }
  return (
    <RecordList
      title={t('groups.title')}
      list={list}
      view={view}
      columns={columns(roles.data ?? [])}
      searchLabel={t('record.name')}
      id={one => one.id}
      name={one => one.name}
      actions={<OrganisationPicker />}
      create={administers(me, MANAGE) ? t('groups.new') : undefined}
      empty={{ icon: 'people', title: t('groups.empty'), hint: t('groups.emptyHint') }}
    />
  );
}

interface Values {
  name: string;
  description: string;
  roles: string[];
  external_name: string;
}

const FIRST: Values = { name: '', description: '', roles: [], external_name: '' };
const valuesOf = ({ name, description, roles, external_name }: Group): Values => ({ name, description, roles, external_name });

const fields = (roles: readonly Role[], held: readonly string[]): FieldGroup<Values>[] => [
  {
    id: 'facts',
    fields: [
      { name: 'name', type: 'text', label: t('record.name'), limit: 32 },
      { name: 'description', type: 'area', label: t('record.description'), optional: true, limit: 1000 },
      { name: 'roles', type: 'many', label: t('roles.title'), options: roleChoices(roles, held), hint: t('groups.rolesHint') },
      { name: 'external_name', type: 'text', label: t('groups.external'), optional: true, limit: 512, hint: t('groups.externalHint') }
    ]
  }
];

function NewGroup(): JSX.Element {
  const place = usePlace();
  const roles = useRoles();
  const changes = useRecordChanges(useScoped(GROUPS));
  return (
    <NewPage list={t('groups.title')} title={t('groups.new')}>
      <Loaded answer={roles}>
        {all => (
          <NewForm<Values>
            first={FIRST}
            groups={fields(all, [])}
            save={async values => {
              const made = await changes.create(values);
              toast(t('record.createdNow', { name: made.name }));
              place.open(made.id);
            }}
            accept={t('groups.create')}
          />
        )}
      </Loaded>
    </NewPage>
  );
}

function GroupPage({ id }: { id: number }): JSX.Element {
  const place = usePlace();
  const of = useScoped(GROUPS);
  const answer = useRecord(of, id);
  const roles = useRoles();
  const changes = useRecordChanges(of, ['member']);
  const me = useMe().data;
  const may = administers(me, MANAGE);
  const grants = !may && administers(me, GRANT);
  return (
    <Loaded answer={answer}>
      {one => (
        <RecordPage
          list={t('groups.title')}
          onBack={place.close}
          title={one.name}
          aside={<span className="hm-muted">{one.organisation.name}</span>}
          actions={<RecordActions name={one.name} may={may} remove={() => changes.remove(one.id, one.version)} deleteText={t('groups.deleteText')} />}
          tabs={<Parts more={[{ id: 'members', label: t('members.title'), count: one.members }]} />}
        >
          {place.part === 'members' ? (
            <MembersInside query={{ group: one.id }} manage={may} name={one.name} addText={t('groups.addText')} change={(add, remove) => changes.act(one.id, 'members', { add, remove }, one.version)} />
          ) : (
            <Loaded answer={roles}>
              {all =>
                grants ? (
                  <GrantsForm of={of} holder={one} name={one.name} roles={all} hint={t('groups.rolesHint')} bodyOf={keys => keys} />
                ) : (
                  <EditForm record={one} id={one.id} changes={changes} valuesOf={valuesOf} nameOf={values => values.name} groups={fields(all, one.roles)} may={may} />
                )
              }
            </Loaded>
          )}
        </RecordPage>
      )}
    </Loaded>
  );
}
