/** The fields of a sign-in source, described for the record's form. */
import { useId, type JSX } from 'react';
import { AreaField, CheckField, NumberField, SelectField, TextField } from '../../components/fields';
import { FieldNote, type Choice, type ControlProps } from '../../components/record/fields';
import type { FieldGroup } from '../../components/record/form';
import { t, tValue } from '../../i18n';
import { PairsField, type Pair } from './pairs';
import { secretOf, settingsOf, type Setting, type Source, type SourceValues } from './sourceform';

export interface Offer {
  kinds: readonly string[];
  organisations: readonly Choice[];
  /** Roles that a source may grant. */
  roles: readonly Choice[];
}

type Settings = SourceValues['settings'];

/** What the kind asks by name. */
function SettingFields(props: ControlProps<Settings> & { kind: string }): JSX.Element {
  const id = useId();
  return (
    <div className="hm-settings" role="group" aria-label={t('sources.settings')} aria-describedby={props.error ? id : undefined}>
      {settingsOf(props.kind).map(setting => (
        <SettingField
          key={setting.name}
          setting={setting}
          value={props.value[setting.name]}
          onChange={value => props.onChange({ ...props.value, [setting.name]: value })}
        />
      ))}
      {props.error && <FieldNote error={props.error} id={id} />}
    </div>
  );
}

function SettingField(props: { setting: Setting; value: unknown; onChange: (value: unknown) => void }): JSX.Element {
  const { setting, value, onChange } = props;
  const shell = { label: tValue('sources.set', setting.name), optional: setting.optional };
  const text = typeof value === 'string' ? value : '';
  switch (setting.input) {
    case 'check':
      return <CheckField label={shell.label} checked={value === true} onChange={onChange} />;
    case 'number':
      return <NumberField {...shell} min={1} max={65_535} value={typeof value === 'number' ? value : null} onChange={onChange} />;
    case 'choice':
      return (
        <SelectField
          {...shell}
          options={(setting.choices ?? []).map(one => ({ value: one, label: tValue(`sources.set.${setting.name}`, one) }))}
          value={text || setting.choices?.[0] || ''}
          onChange={onChange}
        />
      );
    case 'lines':
      return (
        <AreaField
          {...shell}
          rows={2}
          spellCheck={false}
          hint={t('sources.oneALine')}
          value={Array.isArray(value) ? value.join('\n') : text}
          onChange={typed => onChange(typed === '' ? [] : typed.split('\n'))}
        />
      );
    case 'text':
      return <TextField {...shell} limit={512} spellCheck={false} placeholder={setting.placeholder} value={text} onChange={onChange} />;
  }
}

export function groupsOf(offer: Offer, source?: Source): FieldGroup<SourceValues>[] {
  const kinds = offer.kinds.map(value => ({ value, label: tValue('sources.kind', value) }));
  const kept = (name: string) => (source?.secrets.includes(name) ? t('senders.secretKept') : '');
  const secret = (name: string, label: string) => ({
    name: 'secret' as const,
    type: 'text' as const,
    secret: true,
    optional: true,
    label,
    limit: 4096,
    wire: 'secrets',
    placeholder: kept(name),
    hint: t('senders.secretHint'),
    show: (values: SourceValues) => secretOf(values.kind) === name
  });
  return [
    {
      id: 'facts',
      fields: [
        ...(source
          ? []
          : [
              { name: 'kind' as const, type: 'select' as const, label: t('sources.kind'), options: kinds },
              { name: 'name' as const, type: 'text' as const, label: t('sources.name'), limit: 32, hint: t('sources.nameHint') }
            ]),
        { name: 'title', type: 'text', label: t('sources.titleOf'), limit: 64, hint: t('sources.titleHint') },
        ...(source ? [] : [{ name: 'enabled' as const, type: 'check' as const, label: t('record.enabled'), hint: t('sources.enabledHint') }])
      ]
    },
    {
      id: 'settings',
      title: t('sources.settings'),
      fields: [
        {
          name: 'settings',
          type: 'custom',
          label: t('sources.settings'),
          render: (control: ControlProps<Settings>, values) => <SettingFields {...control} kind={values.kind} />
        },
        secret('client_secret', t('sources.set.client_secret')),
        secret('lookup_dn_search_password', t('sources.set.lookup_dn_search_password')),
        { name: 'more', type: 'lines', label: t('sources.more'), optional: true, rows: 2, hint: t('sources.moreHint') },
        { name: 'allow_private', type: 'check', label: t('senders.private'), hint: t('sources.privateHint') }
      ]
    },
    {
      id: 'people',
      title: t('sources.people'),
      hint: t('sources.peopleHint'),
      fields: [
        { name: 'auto_provision', type: 'check', label: t('sources.provision'), hint: t('sources.provisionHint') },
        { name: 'display_name_claim', type: 'text', label: t('sources.displayName'), optional: true, limit: 128, placeholder: 'name' }
      ]
    },
    {
      id: 'organisation',
      title: t('record.organisation'),
      hint: t('sources.organisationHint'),
      fields: [
        { name: 'organisation_default', type: 'select', label: t('sources.organisationDefault'), wire: 'mapping.organisation', options: [{ value: '', label: t('sources.refuse') }, ...offer.organisations] },
        { name: 'organisation_claim', type: 'text', label: t('sources.claim'), optional: true, limit: 128 },
        pairs('organisation_values', t('sources.organisationValues'), 'mapping.organisation.values', offer.organisations, values => !!values.organisation_claim),
        { name: 'department_claim', type: 'text', label: t('sources.departmentClaim'), optional: true, limit: 128, hint: t('sources.departmentHint') },
        pairs('department_values', t('sources.departmentValues'), 'mapping.department', undefined, values => !!values.department_claim)
      ]
    },
    {
      id: 'roles',
      title: t('roles.title'),
      hint: t('sources.rolesHint'),
      fields: [
        { name: 'roles_default', type: 'many', label: t('sources.rolesDefault'), wire: 'mapping.roles.default', options: offer.roles },
        { name: 'roles_claim', type: 'text', label: t('sources.claim'), optional: true, limit: 128, placeholder: 'groups' },
        pairs('roles_values', t('sources.rolesValues'), 'mapping.roles', offer.roles, values => !!values.roles_claim),
        { name: 'groups_claim', type: 'text', label: t('sources.groupsClaim'), optional: true, limit: 128, hint: t('groups.externalHint'), wire: 'mapping.groups' }
      ]
    }
  ];
}

function pairs(
  name: 'organisation_values' | 'department_values' | 'roles_values',
  label: string,
  wire: string,
  options: readonly Choice[] | undefined,
  show: (values: SourceValues) => boolean
): FieldGroup<SourceValues>['fields'][number] {
  return {
    name,
    type: 'custom',
    label,
    wire,
    show,
    render: (control: ControlProps<Pair[]>) => (
      <PairsField {...control} label={label} hint={options ? undefined : t('sources.asItIs')} from={t('sources.theirValue')} to={t('sources.here')} options={options} />
    )
  };
}
