/** Members: create with a one-time link, roles and department, disable, unlock, delete with take-over (TEN-6). */
import { useState, type JSX } from 'react';
import { Button, Time } from '../../components/basics';
import { downloadText } from '../../domain/download';
import { Empty, toastError } from '../../components/feedback';
import { ListPage, narrowing, useListView, type Filter } from '../../components/listpage';
import { Menu } from '../../components/menu';
import type { Column } from '../../components/table';
import { formatList } from '../../domain/format';
import { useFrame } from '../../frame';
import { t } from '../../i18n';
import { useMe } from '../../queries/account';
import { useChoices, useRecordChanges, useRecords } from '../../queries/records';
import { administers } from '../../queries/standing';
import { DEPARTMENTS, MEMBERS, useScoped, type Member, type Role, type SignInLink } from './collections';
import { enabledFilter } from './departments';
import { MemberImport } from './memberimport';
import { MemberPage, NewMember } from './memberpage';
import { Ask, Enabled, Once } from './parts';
import { memberName } from './people';
import { NEW, usePlace } from './place';
import { roleWords } from './rolewords';
import { useRoles } from './roles';
import { OrganisationPicker, useScope } from './scope';

export const MANAGE = 'tenancy.user.manage';
export const ACTIVATE = 'tenancy.user.activate';
export const IMPORT = 'import';

export function MemberState({ member }: { member: Member }): JSX.Element {
  if (member.locked_until && Date.parse(member.locked_until) > Date.now()) {
    return <Enabled on={false} words={t('members.locked')} />;
  }
  return <Enabled on={member.enabled} words={member.enabled && member.guest ? t('members.guest') : undefined} />;
}

const columns = (roles: readonly Role[]): Column<Member>[] => [
  {
    id: 'name',
    title: t('record.name'),
    width: 150,
    grow: 2,
    sort: 'name',
    cell: one => (
      <>
        <b>{memberName(one)}</b> {one.display_name && one.display_name !== one.name && <span className="hm-muted">{one.name}</span>}
      </>
    )
  },
  { id: 'department', title: t('quotas.level.department'), width: 110, grow: 1, above: 520, cell: one => one.department?.name ?? <span className="hm-muted">–</span> },
  { id: 'roles', title: t('roles.title'), width: 180, grow: 2, above: 640, cell: one => <span title={roleWords(one.roles, roles)}>{roleWords(one.roles, roles) || '–'}</span> },
  { id: 'groups', title: t('groups.title'), width: 120, grow: 1, above: 940, cell: one => <span className="hm-muted">{formatList(one.groups.map(group => group.name)) || '–'}</span> },
  { id: 'state', title: t('record.state'), width: 104, sort: 'status', cell: one => <MemberState member={one} /> },
  { id: 'signed', title: t('members.lastSignIn'), width: 128, numeric: true, above: 760, cell: one => (one.last_sign_in_at ? <Time at={one.last_sign_in_at} /> : <span className="hm-muted">{t('members.never')}</span>) }
];

export default function MembersSection(): JSX.Element {
  const place = usePlace();
  if (place.record === NEW) {
    return <NewMember />;
  }
  if (place.record === IMPORT) {
    return <MemberImport />;
  }
  return place.record ? <MemberPage id={Number(place.record)} /> : <MemberList />;
}

function MemberList(): JSX.Element {
  const place = usePlace();
  const { client } = useFrame();
  const scope = useScope();
  const me = useMe().data;
  const of = useScoped(MEMBERS);
  const departments = useChoices(useScoped(DEPARTMENTS), { sort: 'name' }, administers(me, 'tenancy.department.read'));
  const roles = useRoles(administers(me, 'tenancy.role.read'));
  const filters: Filter[] = [
    enabledFilter(),
    { id: 'department', label: t('quotas.level.department'), options: (departments.data ?? []).map(one => ({ value: String(one.id), label: one.name })) },
    { id: 'role', label: t('members.role'), options: (roles.data ?? []).map(one => ({ value: one.key, label: one.title })) },
    { id: 'never_signed_in', label: t('members.lastSignIn'), options: [{ value: 'true', label: t('members.never') }] }
  ].filter(filter => filter.options.length > 0);
  const view = useListView(filters, 'name');
  const list = useRecords(of, view.query);
  const changes = useRecordChanges(of);
  const [selected, setSelected] = useState<ReadonlySet<number>>(new Set());
  const [disabling, setDisabling] = useState(false);
  const [linked, setLinked] = useState<SignInLink[] | null>(null);
  const chosen = list.items.filter(one => selected.has(one.id));
  const [manage, activate] = [administers(me, MANAGE), administers(me, ACTIVATE)];
  const each = async (action: string) => {
    for (const one of chosen) {
      await changes.act(one.id, action);
    }
    setSelected(new Set());
  };
  const download = async (path: string) => {
    try {
      const answer = await client.send('GET', path, { query: path.endsWith('template') ? {} : { ...narrowing(view), ...scope.query } });
      downloadText('members.csv', await answer.blob());
    } catch (error) {
      toastError(error);
    }
  };
  const create = manage ? (
    <Button look="primary" icon="plus" onClick={() => place.open(NEW)}>
      {t('members.new')}
    </Button>
  ) : undefined;
  return (
    <>
      <ListPage
        title={t('members.title')}
        list={list}
        view={view}
        filters={filters}
        columns={columns(roles.data ?? [])}
        searchLabel={t('members.search')}
        id={one => one.id}
        name={memberName}
        onOpen={one => place.open(one.id)}
        selected={manage || activate ? selected : undefined}
        onSelect={manage || activate ? setSelected : undefined}
        bulk={() => (
          <>
            {activate && (
              <Button
                look="quiet"
                icon="link"
                onClick={() =>
                  void client
                    .post<SignInLink[]>('/members/links', { members: chosen.map(one => one.id) }, { query: scope.query })
                    .then(setLinked, toastError)
                }
              >
                {t('members.links')}
              </Button>
            )}
            {activate && (
              <Button look="quiet" icon="play" onClick={() => void each('enable').catch(toastError)}>
                {t('record.enable')}
              </Button>
            )}
            {manage && (
              <Button look="quiet" icon="pause" onClick={() => setDisabling(true)}>
                {t('record.disable')}
              </Button>
            )}
          </>
        )}
        actions={
          <>
            <OrganisationPicker />
            <Menu
              label={t('members.file')}
              items={[
                ...(manage
                  ? [
                      { id: 'import', label: t('members.import'), icon: 'upload' as const, onSelect: () => place.open(IMPORT) },
                      { id: 'template', label: t('members.template'), icon: 'table' as const, onSelect: () => void download('/members/template') }
                    ]
                  : []),
                { id: 'export', label: t('members.export'), icon: 'download' as const, onSelect: () => void download('/members/export') }
              ]}
            >
              CSV
            </Menu>
            {create}
          </>
        }
        empty={
          <Empty icon="people" title={t('members.empty')} action={create}>
            {t('members.emptyHint')}
          </Empty>
        }
      />
      {disabling && chosen.length > 0 && (
        <Ask title={t('members.disableMany', { count: chosen.length })} accept={t('record.disable')} danger run={() => each('disable')} onClose={() => setDisabling(false)}>
          <p>{t('members.disableText')}</p>
        </Ask>
      )}
      {linked && (
        <Once
          title={t('members.linksTitle', { count: linked.length })}
          text={t('members.linksText')}
          secret={linked.map(link => `${link.name}\t${link.url}`).join('\n')}
          onClose={() => (setLinked(null), setSelected(new Set()))}
        />
      )}
    </>
  );
}
