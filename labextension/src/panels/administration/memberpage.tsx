/** One member: what is known, roles and department, quota, what the roles permit; and what is done to a member. */
import { useQuery } from '@tanstack/react-query';
import { useState, type JSX } from 'react';
import { AsCode } from '../../components/ascode';
import { Button } from '../../components/basics';
import { Empty, ErrorView, SkeletonRows, toast, toastError } from '../../components/feedback';
import { RadioCards } from '../../components/fields';
import type { FieldGroup } from '../../components/record/form';
import { useLeave } from '../../components/record/guard';
import { RecordPage } from '../../components/record/page';
import { formatList, formatMoment, formatNumber } from '../../domain/format';
import { useFrame } from '../../frame';
import { t, tValue } from '../../i18n';
import { useMe } from '../../queries/account';
import { useChoices, useRecord, useRecordChanges } from '../../queries/records';
import { administers } from '../../queries/standing';
import { DEPARTMENTS, MEMBERS, useScoped, type Department, type Member, type Role, type SignInLink } from './collections';
import { GRANT, GrantsForm, memberGrants } from './grants';
import { memberCode } from './membercode';
import { ACTIVATE, MANAGE, MemberState } from './members';
import { Ask, Loaded, Once } from './parts';
import { MemberPicker, memberName, type Chosen } from './people';
import { usePlace } from './place';
import { QuotaForm } from './quotaform';
import { EditForm, NewForm, NewPage, Parts, RecordActions } from './record';
import { roleChoices } from './rolewords';
import { useRoles } from './roles';
import { useScope } from './scope';
import { ResetFactor, factorWords, useSecondFactor } from './secondfactor';

interface Values {
  display_name: string;
  department: string;
  roles: string[];
}

interface NewValues extends Values {
  name: string;
  guest: boolean;
}

const departmentOf = (written: string): number | null => (written ? Number(written) : null);

function fields<V extends Values>(departments: readonly Department[], roles: readonly Role[], held: readonly string[], guest: (values: V) => boolean): FieldGroup<V>['fields'] {
  return [
    { name: 'display_name', type: 'text', label: t('members.displayName'), optional: true, limit: 64 },
    {
      name: 'department',
      type: 'select',
      label: t('quotas.level.department'),
      options: [{ value: '', label: t('members.noDepartment') }, ...departments.map(one => ({ value: String(one.id), label: one.name }))]
    },
    { name: 'roles', type: 'many', label: t('roles.title'), options: roleChoices(roles, held), show: (values: V) => !guest(values), hint: t('members.rolesHint') }
  ] as FieldGroup<V>['fields'];
}

function useOffers() {
  const departments = useChoices(useScoped(DEPARTMENTS), { sort: 'name' });
  const roles = useRoles();
  return {
    data: departments.data && roles.data && { departments: departments.data, roles: roles.data },
    error: departments.error ?? roles.error,
    refetch: () => Promise.all([departments.refetch(), roles.refetch()])
  };
}

export function NewMember(): JSX.Element {
  const place = usePlace();
  const offers = useOffers();
  const changes = useRecordChanges(useScoped(MEMBERS), ['department']);
  const [link, setLink] = useState<SignInLink | null>(null);
  const first: NewValues = { name: '', display_name: '', department: '', roles: ['member'], guest: false };
  return (
    <NewPage list={t('members.title')} title={t('members.new')}>
      <Loaded answer={offers}>
        {({ departments, roles }) => (
          <NewForm<NewValues>
            first={first}
            groups={[
              {
                id: 'facts',
                fields: [
                  { name: 'name', type: 'text', label: t('members.userName'), limit: 32, hint: t('members.userNameHint') },
                  ...fields<NewValues>(departments, roles, [], values => values.guest),
                  { name: 'guest', type: 'check', label: t('members.isGuest'), hint: t('members.guestHint') }
                ]
              }
            ]}
            save={async values => {
              const made = await changes.create<Member & { link: SignInLink | null }>({
                name: values.name,
                display_name: values.display_name,
                department: departmentOf(values.department),
                ...(values.guest ? { guest: true } : { roles: values.roles })
              });
              if (made.link) {
                setLink(made.link);
              } else {
                toast(t('members.inactive', { name: memberName(made) }));
                place.close();
              }
            }}
            accept={t('members.create')}
          />
        )}
      </Loaded>
      {link && <LinkShown link={link} onClose={place.close} />}
    </NewPage>
  );
}

const LinkShown = ({ link, onClose }: { link: SignInLink; onClose: () => void }): JSX.Element => (
  <Once
    title={t('members.linkTitle', { name: link.name })}
    text={t('members.linkText', { name: link.name, time: formatMoment(link.expires_at) })}
    secret={link.url}
    onClose={onClose}
  />
);

const valuesOf = (one: Member): Values => ({ display_name: one.display_name, department: one.department ? String(one.department.id) : '', roles: one.roles });

export function MemberPage({ id }: { id: number }): JSX.Element {
  const place = usePlace();
  const of = useScoped(MEMBERS);
  const answer = useRecord(of, id);
  const offers = useOffers();
  const changes = useRecordChanges(of, ['department', 'group', 'quota']);
  const leave = useLeave();
  const me = useMe().data;
  const { organisation } = useScope();
  const factor = useSecondFactor(id);
  const [asking, setAsking] = useState<'link' | 'factor' | null>(null);
  const [link, setLink] = useState<SignInLink | null>(null);
  const [manage, activate] = [administers(me, MANAGE), administers(me, ACTIVATE)];
  return (
    <Loaded answer={answer}>
      {one => (
        <RecordPage
          list={t('members.title')}
          onBack={place.close}
          title={memberName(one)}
          aside={<MemberState member={one} />}
          actions={
            <>
              <AsCode forms={memberCode(one, organisation)} />
              {activate && one.locked_until && Date.parse(one.locked_until) > Date.now() && (
                <Button icon="key" onClick={() => leave(() => void changes.act(one.id, 'unlock').then(() => toast(t('members.unlocked', { name: memberName(one) })), toastError))}>
                  {t('members.unlock')}
                </Button>
              )}
              {activate && one.source === 'local' && (
                <Button icon="link" onClick={() => leave(() => setAsking('link'))}>
                  {t('members.link')}
                </Button>
              )}
              <RecordActions
                name={memberName(one)}
                may={manage}
                mayEnable={activate}
                enabled={one.enabled}
                turn={on => changes.act(one.id, on ? 'enable' : 'disable')}
                disableText={t('members.disableText')}
                more={
                  activate && factor?.methods.length && one.id !== me?.user.id
                    ? [{ id: 'factor', label: t('factor.reset'), icon: 'key', danger: true, onSelect: () => leave(() => setAsking('factor')) }]
                    : []
                }
                askDelete={(close, deleted) => <DeleteMember member={one} onClose={close} onDone={deleted} />}
              />
            </>
          }
          facts={[
            { label: t('members.userName'), value: one.name },
            { label: t('members.source'), value: one.source === 'local' ? t('members.local') : one.source },
            { label: t('record.organisation'), value: one.organisation.name },
            { label: t('groups.title'), value: formatList(one.groups.map(group => group.name)) || '–' },
            { label: t('factor.title'), value: factorWords(factor) },
            { label: t('members.lastSignIn'), value: one.last_sign_in_at ? formatMoment(one.last_sign_in_at) : t('members.never') },
            { label: t('record.created'), value: formatMoment(one.created_at) }
          ]}
          tabs={
            <Parts
              more={[
                ...(administers(me, 'compute.quota.manage') ? [{ id: 'quota', label: t('quotas.one') }] : []),
                { id: 'permissions', label: t('roles.permissions') }
              ]}
            />
          }
        >
          {place.part === 'quota' ? (
            <QuotaForm of={{ level: 'user', subject: String(one.id), tenant: one.organisation.code }} />
          ) : place.part === 'permissions' ? (
            <Permitted member={one} />
          ) : (
            <Loaded answer={offers}>
              {({ departments, roles }) =>
                !manage && administers(me, GRANT) && !one.guest && one.id !== me?.user.id ? (
                  <GrantsForm of={of} holder={one} name={memberName(one)} roles={roles} hint={t('members.rolesHint')} bodyOf={memberGrants} />
                ) : (
                  <EditForm
                    record={one}
                    id={one.id}
                    changes={changes}
                    valuesOf={valuesOf}
                    bodyOf={({ department, ...changed }) => ({ ...changed, ...(department === undefined ? {} : { department: departmentOf(department) }) })}
                    nameOf={values => values.display_name || one.name}
                    groups={[{ id: 'facts', fields: fields<Values>(departments, roles, one.roles, () => one.guest) }]}
                    may={manage}
                  />
                )
              }
            </Loaded>
          )}
          {asking === 'link' && (
            <Ask title={t('members.link')} accept={t('members.linkMake')} run={() => changes.act<SignInLink>(one.id, 'link').then(setLink)} onClose={() => setAsking(null)}>
              <p>{t('members.linkAsk', { name: memberName(one) })}</p>
            </Ask>
          )}
          {asking === 'factor' && factor && <ResetFactor member={one} factor={factor} onClose={() => setAsking(null)} />}
          {link && <LinkShown link={link} onClose={() => setLink(null)} />}
        </RecordPage>
      )}
    </Loaded>
  );
}

/** What all roles together permit, those of groups too. */
function Permitted({ member }: { member: Member }): JSX.Element {
  const roles = useRoles();
  const { client } = useFrame();
  const { query } = useScope();
  const answer = useQuery({
    queryKey: ['member', 'roles', member.id, query],
    queryFn: ({ signal }) =>
      client.get<{ roles: { role: string; name: string; through: string | null }[]; permissions: Record<string, string> }>(`/members/${member.id}/roles`, query, signal)
  });
  const table = useQuery({
    queryKey: ['permission', 'list'],
    queryFn: ({ signal }) => client.get<{ items: { name: string; area: string; sentence: string }[] }>('/permissions', undefined, signal)
  });
  if (answer.error) {
    return <ErrorView error={answer.error} onRetry={() => void answer.refetch()} />;
  }
  if (!answer.data || !table.data) {
    return <SkeletonRows />;
  }
  const words = (one: { role: string; name: string }) => roles.data?.find(role => role.key === one.role)?.title ?? one.name;
  const held = table.data.items.filter(one => one.name in (answer.data?.permissions ?? {}));
  if (!held.length) {
    return <Empty icon="key" title={t('members.permitsNothing')} />;
  }
  return (
    <div className="hm-inside">
      <p className="hm-muted">
        {answer.data.roles
          .map(one => (one.through ? t('members.through', { role: words(one), group: one.through }) : words(one)))
          .join(' · ')}
      </p>
      <ul className="hm-filelist">
        {held.map(one => (
          <li key={one.name}>
            <span className="hm-grow hm-ell">{one.sentence}</span>
            <span className="hm-muted">{tValue('reach', answer.data.permissions[one.name])}</span>
          </li>
        ))}
      </ul>
    </div>
  );
}

function DeleteMember(props: { member: Member; onClose: () => void; onDone: () => void }): JSX.Element {
  const { member } = props;
  const { client } = useFrame();
  const { query } = useScope();
  const changes = useRecordChanges(useScoped(MEMBERS), ['department', 'group']);
  const [what, setWhat] = useState<'give' | 'erase'>('give');
  const [heir, setHeir] = useState<Chosen[]>([]);
  const owned = useQuery({
    queryKey: ['member', 'belongings', member.id, query],
    queryFn: ({ signal }) => client.get<{ kind: string; count: number }[]>(`/members/${member.id}/belongings`, query, signal)
  });
  const things = (owned.data ?? []).filter(one => one.count > 0);
  const decide = things.length > 0;
  const heirId = heir[0]?.id;
  return (
    <Ask
      title={t('record.deleteTitle', { name: memberName(member) })}
      accept={decide && what === 'erase' ? t('members.erase') : t('action.delete')}
      danger
      disabled={!owned.data || (decide && what === 'give' && heirId === undefined)}
      run={async () => {
        await changes.remove<unknown>(member.id, member.version, decide ? (what === 'erase' ? { erase: true } : { take_over: heirId }) : {});
        props.onDone();
      }}
      onClose={props.onClose}
    >
      {owned.error && <ErrorView error={owned.error} onRetry={() => void owned.refetch()} />}
      {decide ? (
        <>
          <p>{t('members.owns', { things: formatList(things.map(one => `${tValue('kind', one.kind)} ${formatNumber(one.count)}`)) })}</p>
          <RadioCards
            label={t('members.whatBecomes')}
            value={what}
            onChange={setWhat}
            options={[
              { value: 'give', title: t('members.takeOver'), note: t('members.takeOverNote') },
              { value: 'erase', title: t('members.erase'), note: t('members.eraseNote') }
            ]}
          />
          {what === 'give' && <MemberPicker label={t('members.heir')} single value={heir} onChange={setHeir} except={[member.id]} />}
        </>
      ) : (
        owned.data && <p>{t('members.ownsNothing')}</p>
      )}
      <p className="hm-muted">{t('members.kept')}</p>
    </Ask>
  );
}
