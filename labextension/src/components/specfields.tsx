/** What a start takes per node: one basic spec and, where the installation has cards, one accelerator spec (CON-1). */
import { useState, type JSX } from 'react';
import type { ResourceSpec } from '../api/types';
import { formatMoney, formatResources } from '../domain/format';
import { t } from '../i18n';
import { SelectField, fieldError } from './fields';

export interface SpecChoice {
  basic: ResourceSpec | undefined;
  accelerator: ResourceSpec | undefined;
  choose: (change: { basic?: number; accelerator?: number | null }) => void;
  /** The fields of a request that starts something. */
  body: { spec_id: number; accelerator_spec_id?: number } | null;
}

/** Which specs are chosen: the first basic one and no accelerator, until the person says otherwise. */
export function useSpecChoice(specs: ResourceSpec[] | undefined): SpecChoice {
  const [basicId, setBasic] = useState<number | null>(null);
  const [acceleratorId, setAccelerator] = useState<number | null>(null);
  const basics = specs?.filter(one => one.kind === 'basic') ?? [];
  const basic = basics.find(one => one.id === basicId) ?? basics[0];
  const accelerator = specs?.find(one => one.id === acceleratorId && one.kind !== 'basic');
  return {
    basic,
    accelerator,
    choose: change => {
      if (change.basic !== undefined) {
        setBasic(change.basic);
      }
      if (change.accelerator !== undefined) {
        setAccelerator(change.accelerator);
      }
    },
    body: basic ? { spec_id: basic.id, ...(accelerator ? { accelerator_spec_id: accelerator.id } : {}) } : null
  };
}

const perHour = (spec: ResourceSpec): string => t('money.perHour', { money: formatMoney(spec.price_per_hour_micros) });

/** `1 A100`, `2 × mig-1g.5gb`: the card as people know it. */
const cards = (spec: ResourceSpec): string =>
  Object.entries(spec.resources.accelerators)
    .map(([name, count]) => `${count} × ${spec.accelerator_label || name.split('/').pop()}`)
    .join(' + ');

export function SpecFields(props: { specs: ResourceSpec[]; choice: SpecChoice; error?: unknown }): JSX.Element {
  const { specs, choice, error } = props;
  const extra = specs.filter(one => one.kind !== 'basic');
  return (
    <>
      <SelectField
        label={t('train.spec')}
        value={String(choice.basic?.id ?? '')}
        options={specs
          .filter(one => one.kind === 'basic')
          .map(one => ({ value: String(one.id), label: `${one.name}: ${formatResources(one.resources)}, ${perHour(one)}` }))}
        error={fieldError(error, 'spec_id')}
        onChange={value => choice.choose({ basic: Number(value) })}
      />
      {extra.length > 0 && (
        <SelectField
          label={t('train.accelerator')}
          value={String(choice.accelerator?.id ?? '')}
          options={[
            { value: '', label: t('train.noAccelerator') },
            ...extra.map(one => ({ value: String(one.id), label: `${one.name}: ${cards(one)}, ${perHour(one)}` }))
          ]}
          error={fieldError(error, 'accelerator_spec_id')}
          onChange={value => choice.choose({ accelerator: value ? Number(value) : null })}
        />
      )}
    </>
  );
}
