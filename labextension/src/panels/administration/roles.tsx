/** Roles: what each permits and how far; custom ones are made from the table of permissions (TEN-9, TEN-10). */
import { useQuery, type UseQueryResult } from '@tanstack/react-query';
import { useState, type JSX } from 'react';
import { Button } from '../../components/basics';
import { toast } from '../../components/feedback';
import { SearchBox } from '../../components/fields';
import { useListView } from '../../components/listpage';
import { FieldNote, type ControlProps } from '../../components/record/fields';
import { RecordForm, type FieldGroup } from '../../components/record/form';
import { useLeave } from '../../components/record/guard';
import { RecordPage } from '../../components/record/page';
import type { Column } from '../../components/table';
import { formatNumber } from '../../domain/format';
import { useFrame } from '../../frame';
import { language, t, tValue } from '../../i18n';
import { useMe } from '../../queries/account';
import { useRecordChanges, wholeList } from '../../queries/records';
import { administers, reachOf, useStepUp } from '../../queries/standing';
import { ROLES, roleKey, useScoped, type Role } from './collections';
import { Loaded } from './parts';
import { usePlace } from './place';
import { RecordActions, RecordList } from './record';
import { OrganisationPicker, useScope } from './scope';

const MANAGE = 'tenancy.role.manage';

export interface Permission {
  name: string;
  area: string;
  kind: string;
  action: string;
  sentence: string;
  power: string | null;
  /** Those a custom role may hold it with, as far as this person may give. */
  reaches: string[];
  roles: Record<string, string>;
  routes: string[];
}

export interface PermissionTable {
  items: Permission[];
  policies: { key: string; title: string; permissions: Record<string, string> }[];
  separated_duties: boolean;
}

export function useRoles(enabled = true): UseQueryResult<Role[]> {
  const { client } = useFrame();
  const { query } = useScope();
  return useQuery({
    queryKey: [ROLES.kind, 'list', undefined, query, language()],
    queryFn: async ({ signal }) => (await client.get<{ items: Role[] }>(ROLES.path, query, signal)).items,
    enabled
  });
}

function usePermissions(): UseQueryResult<PermissionTable> {
  const { client } = useFrame();
  return useQuery({
    queryKey: ['permission', 'list', undefined, language()],
    queryFn: ({ signal }) => client.get<PermissionTable>('/permissions', undefined, signal)
  });
}

const columns = (): Column<Role & { row: number }>[] => [
  { id: 'title', title: t('record.name'), width: 190, grow: 2, sort: 'title', cell: role => <b>{role.title}</b> },
  { id: 'kind', title: t('roles.kind'), width: 104, sort: 'kind', cell: role => <span className="hm-muted">{role.built_in ? t('roles.builtIn') : t('roles.custom')}</span> },
  { id: 'scope', title: t('roles.scope'), width: 136, above: 620, cell: role => <span className="hm-muted">{t(`roles.scope.${role.scope}`)}</span> },
  { id: 'permissions', title: t('roles.permissions'), width: 112, numeric: true, sort: 'permissions', cell: role => formatNumber(Object.keys(role.permissions).length) },
  { id: 'holders', title: t('roles.holders'), width: 96, numeric: true, sort: 'holders', cell: role => formatNumber(role.holders) },
  { id: 'description', title: t('record.description'), width: 140, grow: 1, above: 900, cell: role => <span className="hm-muted">{role.description}</span> }
];

export default function RolesSection(): JSX.Element {
  const place = usePlace();
  const view = useListView([], 'kind');
  const roles = useRoles();
  const me = useMe().data;
  if (place.record) {
    const record = place.record;
    return (
      <Loaded answer={roles}>
        {all => {
          const from = record.startsWith('copy/') ? all.find(role => roleKey(role) === record.slice(5)) : undefined;
          const role = all.find(one => roleKey(one) === record);
          return <RolePage key={record} role={role} from={from} />;
        }}
      </Loaded>
    );
  }
  const list = wholeList(roles, view, role => `${role.title} ${role.name} ${role.description}`, {
    title: role => role.title,
    kind: role => `${role.built_in ? 1 : 0}`,
    permissions: role => Object.keys(role.permissions).length,
    holders: role => role.holders
  });
  const items = list.items.map((role, row) => ({ ...role, row }));
  return (
    <RecordList
      title={t('roles.title')}
      list={{ ...list, items }}
      view={view}
      columns={columns()}
      searchLabel={t('record.name')}
      id={role => role.row}
      name={role => role.title}
      opens={roleKey}
      actions={<OrganisationPicker />}
      create={administers(me, MANAGE) ? t('roles.new') : undefined}
      empty={{ icon: 'key', title: t('roles.empty') }}
    />
  );
}

interface RoleValues {
  name: string;
  description: string;
  scope: string;
  permissions: Record<string, string>;
}

function RolePage({ role, from }: { role?: Role; from?: Role }): JSX.Element {
  const place = usePlace();
  const leave = useLeave();
  const scope = useScope();
  const { client } = useFrame();
  const changes = useRecordChanges(useScoped(ROLES), ['member', 'permission', 'account']);
  const stepUp = useStepUp();
  const me = useMe().data;
  const table = usePermissions();
  const forAll = reachOf(me, MANAGE) === 'platform';
  const valuesOf = (one: Role): RoleValues => ({ name: one.built_in ? one.title : one.name, description: one.description, scope: one.scope, permissions: one.permissions });
  const first: RoleValues = {
    name: from ? t('roles.copyOf', { name: from.title }).slice(0, 32) : '',
    description: '',
    scope: 'organisation',
    permissions: from?.permissions ?? {}
  };
  const readOnly = role !== undefined && !role.editable;
  const groups = (permissions: PermissionTable): FieldGroup<RoleValues>[] => [
    {
      id: 'facts',
      fields: [
        { name: 'name', type: 'text', label: t('record.name'), limit: 32, hint: readOnly ? undefined : t('roles.nameHint') },
        ...(role?.built_in ? [] : [{ name: 'description' as const, type: 'area' as const, label: t('record.description'), optional: true, limit: 256, rows: 2 }]),
        ...(!role && forAll
          ? [
              {
                name: 'scope' as const,
                type: 'select' as const,
                label: t('roles.scope'),
                options: (['organisation', 'platform'] as const).map(value => ({ value, label: t(`roles.scope.${value}`) }))
              }
            ]
          : [])
      ]
    },
    {
      id: 'permissions',
      title: t('roles.permissions'),
      fields: [
        {
          name: 'permissions',
          type: 'custom',
          label: t('roles.permissions'),
          render: (control: ControlProps<Record<string, string>>) => <PermissionPicker {...control} table={permissions} readOnly={readOnly} />
        }
      ]
    }
  ];
  return (
    <RecordPage
      list={t('roles.title')}
      onBack={place.close}
      title={role?.title ?? t('roles.new')}
      aside={role && <span className="hm-muted">{role.built_in ? t('roles.builtInNote') : t('roles.held', { count: role.holders })}</span>}
      actions={
        role && (
          <>
            {administers(me, MANAGE) && (
              <Button icon="copy" onClick={() => leave(() => place.open(`copy/${roleKey(role)}`))}>
                {t('roles.copy')}
              </Button>
            )}
            <RecordActions name={role.title} may={role.editable} remove={() => changes.remove(roleKey(role), role.version)} deleteText={t('roles.deleteText')} />
          </>
        )
      }
    >
      <Loaded answer={table}>
        {permissions => (
          <RecordForm<RoleValues>
            key={role?.version ?? 0}
            stored={{ values: role ? valuesOf(role) : first, version: role?.version }}
            groups={groups(permissions)}
            readOnly={readOnly}
            save={async (values, changed, version) => {
              if (role) {
                await changes.update(roleKey(role), changed, version ?? 0);
                toast(t('record.saved', { name: values.name }));
              } else {
                const made = await changes.create(values);
                toast(t('record.createdNow', { name: made.title }));
                place.close();
              }
            }}
            reload={
              role &&
              (async () => {
                const now = await client.get<Role>(`${ROLES.path}/${roleKey(role)}`, scope.query);
                return { values: valuesOf(now), version: now.version };
              })
            }
            accept={role ? t('action.save') : t('roles.create')}
            onCancel={place.close}
            stepUp={stepUp.ask}
          />
        )}
      </Loaded>
    </RecordPage>
  );
}

/** The table of permissions with a reach for each that is chosen; what this person may not give cannot be chosen. */
function PermissionPicker(props: ControlProps<Record<string, string>> & { table: PermissionTable; readOnly: boolean }): JSX.Element {
  const { value, onChange, table, readOnly } = props;
  const [search, setSearch] = useState('');
  const wanted = search.trim().toLowerCase();
  const shown = table.items.filter(
    one =>
      (!readOnly || one.name in value) &&
      (readOnly || one.reaches.length > 0 || one.name in value) &&
      (!wanted || `${one.name} ${one.sentence}`.toLowerCase().includes(wanted))
  );
  const areas = [...new Set(shown.map(one => one.area))];
  const set = (name: string, reach: string | undefined) =>
    onChange(reach ? { ...value, [name]: reach } : Object.fromEntries(Object.entries(value).filter(([key]) => key !== name)));
  return (
    <div className="hm-perms">
      <div className="hm-row">
        <SearchBox label={t('roles.search')} value={search} onChange={setSearch} width={240} />
        <span className="hm-grow" />
        {!readOnly &&
          table.policies.map(policy => (
            <Button key={policy.key} small onClick={() => onChange(policy.permissions)}>
              {policy.title}
            </Button>
          ))}
        {!readOnly && Object.keys(value).length > 0 && (
          <Button small look="quiet" onClick={() => onChange({})}>
            {t('filter.clear')}
          </Button>
        )}
      </div>
      {props.error && <FieldNote error={props.error} />}
      {areas.map(area => {
        const inside = shown.filter(one => one.area === area);
        return (
          <section key={area}>
            <h3>
              {tValue('area', area)}
              <span className="hm-muted"> {t('roles.ofArea', { chosen: inside.filter(one => one.name in value).length, total: inside.length })}</span>
            </h3>
            {inside.map(one => (
              <div className="hm-perm" key={one.name}>
                <label>
                  {!readOnly && (
                    <input
                      type="checkbox"
                      checked={one.name in value}
                      disabled={one.reaches.length === 0}
                      onChange={event => set(one.name, event.target.checked ? one.reaches[0] : undefined)}
                    />
                  )}
                  <span>
                    {one.sentence} <code className="hm-muted">{one.name}</code>
                  </span>
                </label>
                {readOnly || one.reaches.length < 2 ? (
                  <span className="hm-muted hm-sm">{one.name in value && tValue('reach', value[one.name])}</span>
                ) : (
                  one.name in value && (
                    <select
                      className="hm-input"
                      aria-label={t('roles.reachOf', { name: one.sentence })}
                      value={value[one.name]}
                      onChange={event => set(one.name, event.target.value)}
                    >
                      {one.reaches.map(reach => (
                        <option key={reach} value={reach}>
                          {tValue('reach', reach)}
                        </option>
                      ))}
                    </select>
                  )
                )}
              </div>
            ))}
          </section>
        );
      })}
      {shown.length === 0 && <p className="hm-muted">{t('list.nothing')}</p>}
    </div>
  );
}
